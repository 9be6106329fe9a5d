"""The Fine-tune widget."""

import time
from typing import TYPE_CHECKING, Any

import napari
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_clip_denoise.errors import Cancelled, ClipDenoiseError, in_words
from napari_clip_denoise.gui.fine_tune_form import FineTuneForm
from napari_clip_denoise.gui.fine_tune_worker import Begun, Message, fine_tune_steps
from napari_clip_denoise.gui.learning_plot import LearningPlot
from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.gui.progress_row import STEPS, ProgressRow
from napari_clip_denoise.models.registry import install, place
from napari_clip_denoise.text import format_seconds
from napari_clip_denoise.training.finetune_progress import Control, Learning, decibels

if TYPE_CHECKING:
    from napari_clip_denoise.training.finetune import FineTuned

REFRESH_SECONDS = 0.5


class FineTuneWidget(QWidget):
    """Fine-tunes a model on one's own images in the background.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Where the layers are.
    """

    def __init__(self, napari_viewer: napari.Viewer):
        super().__init__()
        self._worker: Any = None
        self._control = Control()
        self._result: FineTuned | None = None
        self._refreshed = 0.0

        self.form = FineTuneForm(napari_viewer)
        self.start_button = _button("Fine-tune", "Begin to learn.", self.start)
        self.stop_button = _button("Stop", "End now and keep the best so far.", self.stop)
        self.cancel_button = _button("Cancel", "End now and keep nothing.", self.cancel)
        self.save_button = _button(
            "Save", "Put the new model among your models, under the name above.", self.save
        )
        self.reason = QLabel("")
        self.reason.setWordWrap(True)
        self.progress = ProgressRow()
        self.plot = LearningPlot(napari_viewer.theme)
        self.plot.hide()
        napari_viewer.events.theme.connect(self._paint)

        buttons = QHBoxLayout()
        for button in (self.start_button, self.stop_button, self.cancel_button, self.save_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.form)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.reason)
        layout.addWidget(self.plot)
        layout.addStretch()
        self._set_running(False)

    @property
    def is_running(self) -> bool:
        """Whether a model learns."""
        return self._worker is not None

    def start(self) -> None:
        """Begin with the settings of the form."""
        if self.is_running:
            return
        try:
            sources, settings = self.form.sources(), self.form.settings()
            place(settings.name)
        except ClipDenoiseError as error:
            show_error(str(error))
            return
        self._control = Control()
        self.destroyed.connect(self._control.cancel)
        self._result = None
        self._worker = create_worker(
            fine_tune_steps,
            sources,
            settings,
            self._control,
            _start_thread=False,
            _ignore_errors=True,
        )
        self._worker.yielded.connect(self._take)
        self._worker.returned.connect(self._finish)
        self._worker.errored.connect(self._fail)
        self.reason.clear()
        self.plot.clear()
        self.progress.begin()
        self._set_running(True)
        self._worker.start()

    def stop(self) -> None:
        """End the training and keep the best so far."""
        self._control.stop()
        self._wind_down("Stopping …")

    def cancel(self) -> None:
        """End the training and keep nothing."""
        self._control.cancel()
        self._wind_down("Cancelling …")

    def save(self) -> None:
        """Put the new model into the models folder, under the name in the form."""
        if self._result is None:
            return
        try:
            model = self._result.named(self.form.settings().name)
            install(model)
        except ClipDenoiseError as error:
            show_error(str(error))
            return
        model_list.changed.emit()
        self.save_button.setEnabled(False)
        show_info(f"Saved as '{model.card.name}'; the Denoise widget offers it now.")

    def _paint(self, event: Any) -> None:
        self.plot.paint(event.value)

    def _take(self, messages: tuple[Message, ...]) -> None:
        for message in messages:
            if isinstance(message, Begun):
                self.reason.setText(" ".join((f"Objective {message.reason}", *message.notes)))
                self.plot.show()
            else:
                self.plot.add(message)
        last = messages[-1] if messages else None
        if not isinstance(last, Learning):
            return
        if not (self._control.is_stopped or self._control.is_cancelled):
            self.progress.bar.setMaximum(STEPS)
            self.progress.bar.setValue(round(STEPS * last.share))
            self.progress.label.setText(describe(last))
        if time.monotonic() - self._refreshed > REFRESH_SECONDS or last.share >= 1:
            self.plot.refresh()
            self._refreshed = time.monotonic()

    def _finish(self, result: "FineTuned") -> None:
        self._result = result
        self._rest(result.verdict, is_done=True)
        self.plot.refresh()
        self.save_button.setText("Save" if result.improved else "Save anyway")
        self.save_button.setEnabled(True)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, Cancelled):
            self._rest("Cancelled; nothing was kept.", is_done=False)
            show_info(str(error))
            return
        message = in_words(error)
        self._rest(message, is_done=False)
        show_error(message)

    def _rest(self, message: str, *, is_done: bool) -> None:
        self._worker = None
        self._set_running(False)
        self.progress.end(message, is_done=is_done)

    def _wind_down(self, message: str) -> None:
        self.stop_button.setEnabled(False)
        self.cancel_button.setEnabled(False)
        self.progress.label.setText(message)

    def _set_running(self, is_running: bool) -> None:
        self.form.setEnabled(not is_running)
        self.start_button.setEnabled(not is_running)
        self.stop_button.setEnabled(is_running)
        self.cancel_button.setEnabled(is_running)
        self.save_button.setEnabled(False)


def describe(learning: Learning) -> str:
    """Say how far a fine-tuning is, such as ``step 120 · 21.10 -> 21.64 dB · 3 min 05 s left``."""
    parts = [
        f"step {learning.step}",
        f"{decibels(learning.start):.2f} -> {decibels(learning.best):.2f} dB",
    ]
    if learning.seconds_left is not None:
        parts.append(f"{format_seconds(learning.seconds_left)} left")
    return " · ".join(parts)


def _button(text: str, tooltip: str, act: Any) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(act)
    return button
