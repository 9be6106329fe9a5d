"""A line with the size of a run, shown before it starts."""

from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_clip_denoise.errors import ClipDenoiseError, in_words
from napari_clip_denoise.formatting import counted, format_bytes
from napari_clip_denoise.gui.forms.layer import PLANE, LayerForm
from napari_clip_denoise.gui.forms.runs import Run
from napari_clip_denoise.gui.workers.denoise import memory_limit
from napari_clip_denoise.inference.estimate import RunSize, measure_size

LARGE_BYTES = 2**28
"""Size from which a result in memory needs a plan, in bytes."""


class PlanRow(QWidget):
    """Shows the size of a run and offers to time it; hidden if the run is small.

    Parameters
    ----------
    form : LayerForm
        Form with the run's settings.
    """

    def __init__(self, form: LayerForm):
        super().__init__()
        self._form = form
        self._latest: Any = None
        self.destroyed.connect(lambda: self._leave())
        self.label = QLabel("")
        self.label.setWordWrap(True)
        self.button = QPushButton("Estimate time")
        self.button.setToolTip("Estimate how long the run will take by running a few tiles.")
        self.button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addWidget(self.button)
        for field in (form.layer, form.store, form.output_dtype):
            field.changed.connect(self.refresh)
        form.targets_changed.connect(self.refresh)
        form.axes.edited.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Update the line in a thread, because a disk may take long to respond."""
        self.hide()
        self._latest = None
        layer = self._form.layer.value
        if layer is None or self._form.scope.value == PLANE:
            return
        try:
            runs = self._form.runs()
        except ClipDenoiseError:
            return
        worker = create_worker(
            _measure_all,
            runs,
            self._form.output_dtype.value,
            _start_thread=False,
            _ignore_errors=True,
        )
        self._latest = worker
        in_memory = runs[0].store is None
        worker.returned.connect(lambda found: self._show(worker, describe(found, in_memory)))
        worker.errored.connect(lambda error: self._show(worker, in_words(error)))
        worker.start()

    def _leave(self) -> None:
        """Ignore results that arrive after Qt deletes this row."""
        self._latest = None

    def _show(self, worker: Any, message: str) -> None:
        if worker is self._latest and message:
            self.label.setText(message)
            self.show()


def _measure_all(runs: list[Run], output_dtype: str | None) -> RunSize:
    """Return the size of several runs together."""
    sizes = [measure_size(run.stack, run.store, output_dtype) for run in runs]
    return RunSize(
        sum(size.planes for size in sizes),
        sum(size.regions for size in sizes),
        sum(size.result_bytes for size in sizes),
        sizes[0].free_bytes,
    )


def describe(run: RunSize, in_memory: bool) -> str:
    """Describe the size of a run; return an empty string if it is too small to matter."""
    size = format_bytes(run.result_bytes)
    free = format_bytes(run.free_bytes)
    planes = counted(run.planes, "plane")
    if not in_memory:
        return f"{planes} · needs up to {size}, {free} free on the disk"
    if run.result_bytes < LARGE_BYTES:
        return ""
    if run.result_bytes > memory_limit():
        return f"{planes} · needs {size}, too much for memory: choose a file under 'Save to'"
    return f"{planes} · needs {size}, {free} of memory free"
