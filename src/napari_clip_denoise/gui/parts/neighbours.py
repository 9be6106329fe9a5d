"""A line that says whether the planes of the chosen layer agree with their neighbours."""

from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtWidgets import QLabel

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.gui.forms.layer import LayerForm
from napari_clip_denoise.images.axes import neighbour_axis
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.neighbours.agreement import (
    agreement_in_words,
    measure_agreement,
)
from napari_clip_denoise.models.registry import card_at, find


class NeighboursHint(QLabel):
    """Says whether 'Use neighbours' is likely to help; hidden if there is nothing to say.

    Parameters
    ----------
    form : LayerForm
        Form with the layer and the model.
    """

    def __init__(self, form: LayerForm):
        super().__init__("")
        self._form = form
        self._latest: Any = None
        self.destroyed.connect(lambda: self._leave())
        self.setWordWrap(True)
        for field in (form.layer, form.model):
            field.changed.connect(self.refresh)
        form.targets_changed.connect(self.refresh)
        form.axes.edited.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Measure the agreement in a thread, because a disk may take long to respond."""
        self.hide()
        self._latest = None
        if self._form.layer.value is None:
            return
        try:
            stack = self._form.runs()[0].stack
        except ClipDenoiseError:
            return
        worker = create_worker(
            hint,
            stack,
            self._form.model.value,
            _start_thread=False,
            _ignore_errors=True,
        )
        self._latest = worker
        worker.returned.connect(lambda words: self._show(worker, words))
        worker.start()

    def _leave(self) -> None:
        """Ignore results that arrive after Qt deletes this line."""
        self._latest = None

    def _show(self, worker: Any, words: str) -> None:
        if worker is self._latest and words:
            self.setText(words)
            self.show()


def hint(stack: Stack, model: str) -> str:
    """Say whether neighbours are likely to help; empty if they cannot be used or nothing is known.

    Parameters
    ----------
    stack : Stack
        The image.
    model : str
        Name or path of the model.
    """
    try:
        axis = neighbour_axis(stack.axes)
        if not card_at(find(model, rgb=stack.is_rgb)).network.noise_level:
            return ""
        return agreement_in_words(measure_agreement(stack), stack.axes[axis])
    except ClipDenoiseError:
        return ""
