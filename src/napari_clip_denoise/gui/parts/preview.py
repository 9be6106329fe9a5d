"""The buttons of the live preview."""

from collections.abc import Callable

import napari
from napari.layers import Image
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_clip_denoise.gui.viewer.comparison import Comparison
from napari_clip_denoise.gui.viewer.layers import when_layers_change
from napari_clip_denoise.gui.viewer.live_preview import LivePreview
from napari_clip_denoise.inference.settings import DenoiseSettings

TICK_MILLISECONDS = 50
CURTAIN_STEPS = 200
PREVIEW_KEY = "Ctrl+Shift+D"


class PreviewRow(QWidget):
    """Switches the live preview on and off, and compares it or a result with the image.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer with the layers.
    choose : callable
        See `LivePreview`.
    choose_layers : callable
        See `Comparison`.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        choose: Callable[[], tuple[Image, DenoiseSettings]],
        choose_layers: Callable[[], list[Image]],
    ) -> None:
        super().__init__()
        self.preview = LivePreview(viewer, choose)
        self.comparison = Comparison(viewer, choose_layers)
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
        self.compare.setToolTip("Hold down to see the original instead of the preview or result.")
        self.compare.pressed.connect(lambda: self._hold(True))
        self.compare.released.connect(lambda: self._hold(False))
        self.keep = QPushButton("Keep")
        self.keep.setToolTip("Keep the preview as a layer of its own.")
        self.keep.clicked.connect(self.preview.keep)
        self.curtain = QSlider(Qt.Orientation.Horizontal)
        self.curtain.setMaximum(CURTAIN_STEPS)
        self.curtain.setToolTip(
            "Original to the left of the curtain, preview or result to the right."
        )
        self.curtain.valueChanged.connect(self._move_curtain)
        self._curtain_row = QWidget()
        self.label = QLabel("")
        self.label.setWordWrap(True)
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MILLISECONDS)
        self._timer.timeout.connect(self._tick)
        self.destroyed.connect(self.preview.stop)
        self.destroyed.connect(self.comparison.stop)
        when_layers_change(viewer, self.refresh)
        self.refresh()

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

    def close_all(self) -> None:
        """Remove the preview and the curtain."""
        self.curtain.setValue(0)
        self.toggle.setChecked(False)

    def pause(self, is_paused: bool) -> None:
        """Stop or resume requests for new previews, to leave the machine to other work."""
        self.preview.is_paused = is_paused
        if not self.preview.is_on:
            self.curtain.setValue(0)

    def _switch(self, is_on: bool) -> None:
        if is_on:
            self.preview.start()
        else:
            self.preview.stop()
            self.curtain.setValue(0)
        self._tick()

    def _tick(self) -> None:
        """Follow the screen; the timer runs only while there is something that follows it."""
        self.preview.tick()
        self.comparison.curtain = 0.0 if self.preview.is_on else self.preview.curtain
        self.comparison.tick()
        if not self.preview.is_on:
            self.toggle.setChecked(False)
        if self.preview.is_on or self.comparison.curtain:
            self._timer.start()
        else:
            self._timer.stop()
        self.refresh()

    def _hold(self, is_held: bool) -> None:
        if is_held:
            self.comparison.hold(self.preview.layer)
        else:
            self.comparison.release()

    def _move_curtain(self, value: int) -> None:
        self.preview.curtain = value / CURTAIN_STEPS
        self._tick()

    def refresh(self) -> None:
        """Enable what can be used now, and show the message of the preview."""
        has_layer = self.preview.layer is not None
        is_comparable = has_layer or bool(self.comparison.pairs())
        self.compare.setEnabled(is_comparable)
        self.keep.setEnabled(has_layer)
        self._curtain_row.setVisible(self.preview.is_on or is_comparable)
        self.label.setVisible(bool(self.preview.message))
        text = self.preview.message
        if self.preview.is_working and has_layer:
            text = "Preview: working …"
        if text != self.label.text():
            self.label.setText(text)
