"""Buttons that copy a run as text."""

from collections.abc import Callable
from pathlib import Path

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QApplication, QHBoxLayout, QPushButton, QWidget

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.gui.forms.runs import Run
from napari_clip_denoise.inference.settings import DenoiseSettings, as_command, as_python

UNSAVED = "input.ome.tif"


class CopyRow(QWidget):
    """Copies commands or scripts that repeat the runs of whole layers outside napari.

    Parameters
    ----------
    choose : callable
        Returns the images to denoise and the settings; may raise `ClipDenoiseError`.
    complain : callable
        Tells the user of an error.
    """

    def __init__(
        self,
        choose: Callable[[], tuple[list[Run], DenoiseSettings]],
        complain: Callable[[Exception], object],
    ):
        super().__init__()
        self._complain = complain
        self._choose = choose
        self.command = QPushButton("Copy as command")
        self.command.setToolTip(
            "Copy a command that denoises this layer's file with these settings."
        )
        self.command.clicked.connect(lambda: self._copy(as_command))
        self.python = QPushButton("Copy as Python")
        self.python.setToolTip(
            "Copy a Python script that denoises this layer's file with these settings."
        )
        self.python.clicked.connect(lambda: self._copy(as_python))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.command)
        layout.addWidget(self.python)

    def _copy(self, write: Callable[[DenoiseSettings, str, str, str], str]) -> None:
        try:
            runs, settings = self._choose()
        except ClipDenoiseError as error:
            self._complain(error)
            return
        written = []
        for run in runs:
            source = Path(run.layers[0].source.path or UNSAVED)
            name = source.name.split(".")[0]
            result = run.store or source.with_name(f"{name}_denoised.ome.zarr")
            written.append(write(settings, str(source), str(result), run.stack.axes))
        clipboard = QApplication.clipboard()
        assert clipboard is not None
        clipboard.setText("\n".join(written))
        if all(run.layers[0].source.path for run in runs):
            show_info("Copied.")
        else:
            show_info(f"Copied. This layer was not opened from a file; save it as {UNSAVED} first.")
