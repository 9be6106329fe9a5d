"""The Fine-tune widget."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import napari
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QLabel, QPushButton

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.formatting import progress_line
from napari_clip_denoise.gui.forms.fine_tune import FineTuneForm
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.gui.panel.base import TaskPanel, in_a_row
from napari_clip_denoise.gui.parts.learning_plot import LearningPlot
from napari_clip_denoise.gui.workers.fine_tune import Begun, Message, fine_tune_steps
from napari_clip_denoise.models.library import install, place_of_new
from napari_clip_denoise.training.finetune.progress import Control, Learning, decibels

if TYPE_CHECKING:
    from napari_clip_denoise.training.finetune.result import FineTuned

REFRESH_SECONDS = 0.5


class FineTuneWidget(TaskPanel):
    """Fine-tunes a model on the user's images in the background.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer with the layers.
    """

    def __init__(self, napari_viewer: napari.Viewer):
        super().__init__("Stop now and discard the new model.")
        self._control = Control()
        self._result: FineTuned | None = None
        self._refreshed = 0.0

        self.form = FineTuneForm(napari_viewer)
        self.start_button = _button("Fine-tune", "Start training.", self.start)
        self.stop_button = _button("Stop", "Stop now and keep the best model so far.", self.stop)
        self.save_button = _button(
            "Save", "Save the new model under the name above, for use in every panel.", self.save
        )
        self.save_button.setEnabled(False)
        self.reason = QLabel("")
        self.reason.setWordWrap(True)
        self.task.follow(idle=(self.form, self.start_button), busy=(self.stop_button,))
        self.plot = LearningPlot(napari_viewer.theme)
        self.plot.hide()
        napari_viewer.events.theme.connect(self._paint)

        buttons = in_a_row(
            self.start_button, self.stop_button, self.cancel_button, self.save_button
        )
        self.lay_out(self.form, buttons, self.progress, self.reason, self.plot, last_grows=True)

    def start(self) -> None:
        """Start fine-tuning with the settings of the form."""
        if self.is_running:
            return
        try:
            sources, settings = self.form.sources(), self.form.settings()
            place_of_new(settings.name)
        except ClipDenoiseError as error:
            self.complain(error)
            return
        self._result = None
        self._control = control = Control()
        self.save_button.setEnabled(False)
        self.reason.clear()
        self.plot.clear()
        self.task.start(
            fine_tune_steps,
            sources,
            settings,
            control,
            control=control,
            take=self._take,
            finish=self._finish,
            message="Loading the model and measuring the noise …",
        )

    def stop(self) -> None:
        """End the training and keep the best model so far."""
        self._control.stop()
        self.task.wind_down("Stopping …")

    def save(self) -> None:
        """Save the new model to the models folder, under the name in the form."""
        if self._result is None:
            return
        try:
            model = self._result.named(self.form.settings().name)
            install(model)
        except ClipDenoiseError as error:
            self.complain(error)
            return
        model_list.changed.emit()
        self.save_button.setEnabled(False)
        self.form.propose_name()
        show_info(f"Saved as '{model.card.name}'; you can now choose it in the Denoise panel.")

    def _paint(self, event: Any) -> None:
        self.plot.paint(event.value)

    def _take(self, messages: tuple[Message, ...]) -> None:
        for message in messages:
            if isinstance(message, Begun):
                self.reason.setText(" ".join((_say(message.reason), *message.notes)))
                self.plot.show()
            else:
                self.plot.add(message)
        last = messages[-1] if messages else None
        if not isinstance(last, Learning):
            return
        self.task.show(last.fraction, describe(last))
        if time.monotonic() - self._refreshed > REFRESH_SECONDS or last.fraction >= 1:
            self.plot.refresh()
            self._refreshed = time.monotonic()

    def _finish(self, result: "FineTuned") -> str:
        self._result = result
        self.plot.refresh()
        self.save_button.setText("Save" if result.improved else "Save anyway")
        self.save_button.setEnabled(True)
        return result.verdict


def _say(reason: str) -> str:
    """Return the reason for a training method, which begins with its name, as sentences."""
    name, _, why = reason.partition(": ")
    return f"Training method: {name}. Reason: {why}"


def describe(learning: Learning) -> str:
    """Describe the progress, such as ``step 120 · 21.10 -> 21.64 dB · 3 min 05 s left``."""
    return progress_line(
        f"step {learning.step}",
        f"{decibels(learning.start):.2f} -> {decibels(learning.best):.2f} dB",
        seconds_left=learning.seconds_left,
    )


def _button(text: str, tooltip: str, act: Callable[[], None] | None = None) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    if act is not None:
        button.clicked.connect(act)
    return button
