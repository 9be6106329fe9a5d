"""Buttons that copy a run as text."""

from collections.abc import Callable
from pathlib import Path

from napari.layers import Image
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QApplication, QHBoxLayout, QPushButton, QWidget

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.settings import DenoiseSettings, as_command, as_python

UNSAVED = "input.ome.tif"


class CopyRow(QWidget):
    """Copies a command or script that repeats a run of the whole layer outside napari.

    Parameters
    ----------
    choose : callable
        Returns the layer, its stack, the settings and the output file (or None); may raise
        `ClipDenoiseError`.
    complain : callable
        Tells the user of an error.
    """

    def __init__(
        self,
        choose: Callable[[], tuple[Image, Stack, DenoiseSettings, Path | None]],
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
            layer, stack, settings, store = self._choose()
        except ClipDenoiseError as error:
            self._complain(error)
            return
        source = Path(layer.source.path or UNSAVED)
        name = source.name.split(".")[0]
        result = store or source.with_name(f"{name}_denoised.ome.zarr")
        clipboard = QApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(write(settings, str(source), str(result), stack.axes))
        if layer.source.path is None:
            show_info(f"Copied. This layer was not opened from a file; save it as {UNSAVED} first.")
        else:
            show_info("Copied.")
