"""The buttons of the live preview."""

from collections.abc import Callable

import napari
from napari.layers import Image
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_clip_denoise.gui.viewer.live_preview import LivePreview
from napari_clip_denoise.inference.settings import DenoiseSettings

TICK_MILLISECONDS = 50
CURTAIN_STEPS = 200
PREVIEW_KEY = "Ctrl+Shift+D"


class PreviewRow(QWidget):
    """Switches the live preview on and off, and compares it with the image.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer with the layers.
    choose : callable
        See `LivePreview`.
    """

    def __init__(
        self, viewer: napari.Viewer, choose: Callable[[], tuple[Image, DenoiseSettings]]
    ) -> None:
        super().__init__()
        self.preview = LivePreview(viewer, choose)
        self.toggle = QPushButton("Preview")
        self.toggle.setCheckable(True)
        self.toggle.setToolTip(
            "Denoise what is on screen and show it on top of the image. The preview follows the "
            "sliders, panning, zooming and every setting. Click again to remove it "
            f"({PREVIEW_KEY}). If a shape is selected in a Shapes layer, only its area is denoised."
        )
        self.toggle.setShortcut(PREVIEW_KEY)
        self.toggle.toggled.connect(self._switch)
        self.compare = QPushButton("Hold to compare")
        self.compare.setToolTip("Hold down to see the noisy image.")
        self.compare.pressed.connect(lambda: self._hold(True))
        self.compare.released.connect(lambda: self._hold(False))
        self.keep = QPushButton("Keep")
        self.keep.setToolTip("Keep the preview as a layer of its own.")
        self.keep.clicked.connect(self.preview.keep)
        self.curtain = QSlider(Qt.Orientation.Horizontal)
        self.curtain.setMaximum(CURTAIN_STEPS)
        self.curtain.setToolTip("Noisy to the left of the curtain, denoised to the right.")
        self.curtain.valueChanged.connect(self._move_curtain)
        self._curtain_row = QWidget()
        self.label = QLabel("")
        self.label.setWordWrap(True)
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MILLISECONDS)
        self._timer.timeout.connect(self._tick)
        self.destroyed.connect(self.preview.stop)
        self._show_state()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.toggle)
        buttons.addWidget(self.compare)
        buttons.addWidget(self.keep)
        curtain = QHBoxLayout(self._curtain_row)
        curtain.setContentsMargins(0, 0, 0, 0)
        label = QLabel("Curtain")
        label.setToolTip(self.curtain.toolTip())
        curtain.addWidget(label)
        curtain.addWidget(self.curtain)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self._curtain_row)
        layout.addWidget(self.label)

    def pause(self, is_paused: bool) -> None:
        """Stop or resume requests for new previews, to leave the machine to other work."""
        self.preview.is_paused = is_paused

    def _switch(self, is_on: bool) -> None:
        if is_on:
            self.preview.start()
            self._timer.start()
        else:
            self._timer.stop()
            self.preview.stop()
        self._show_state()

    def _tick(self) -> None:
        self.preview.tick()
        if not self.preview.is_on:
            self.toggle.setChecked(False)
        self._show_state()

    def _hold(self, is_held: bool) -> None:
        self.preview.is_held = is_held
        self.preview.tick()

    def _move_curtain(self, value: int) -> None:
        self.preview.curtain = value / CURTAIN_STEPS
        self.preview.tick()

    def _show_state(self) -> None:
        has_layer = self.preview.layer is not None
        self.compare.setEnabled(has_layer)
        self.keep.setEnabled(has_layer)
        self._curtain_row.setVisible(self.preview.is_on)
        self.label.setVisible(bool(self.preview.message))
        text = self.preview.message
        if self.preview.is_working and has_layer:
            text = "Preview: working …"
        if text != self.label.text():
            self.label.setText(text)
