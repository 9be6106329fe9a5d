"""The axes of a layer, to read and to correct."""

from napari.layers import Image
from psygnal import Signal
from qtpy.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.gui.viewer.layers import axes_of, has_labels, label_axes, shape_of
from napari_clip_denoise.images.axes import leading_axes

MOST_CHANNELS = 5
"""Length up to which an axis without a label may well hold channels."""
TIP = (
    "How the axes of the layer are read, one letter for each: y and x span a plane, c separates "
    "channels, each of which gets its own intensity scale. Type other letters to correct them."
)


class AxesField(QWidget):
    """Shows how the axes of a layer are read, and changes its axis labels."""

    edited = Signal()
    """Emitted when the user has changed the axis labels."""
    failed = Signal(str)
    """Emitted with a message when letters do not suit the layer."""

    def __init__(self) -> None:
        super().__init__()
        self._layer: Image | None = None
        self.setToolTip(TIP)
        self.line = QLineEdit()
        self.line.editingFinished.connect(self._apply)
        self.note = QLabel("")
        self.note.setWordWrap(True)
        self.note.linkActivated.connect(self._use_channels)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line)
        layout.addWidget(self.note)
        self.show_layer(None)

    def show_layer(self, layer: Image | None) -> None:
        """Show the axes of a layer, or nothing."""
        self._layer = layer
        self.line.setEnabled(layer is not None)
        self.line.setText("" if layer is None else " ".join(_axes(layer)))
        self.note.setVisible(layer is not None and _may_be_channels(layer))
        if layer is not None and self.note.isVisibleTo(self):
            first = _axes(layer)[0]
            self.note.setText(
                f"The first axis has no label and is only {shape_of(layer)[0]} long; it is read as "
                f"'{first}'. If it holds channels, <a href='c'>call it c</a>."
            )

    def _apply(self) -> None:
        layer = self._layer
        if layer is None or self.line.text().replace(" ", "") == _axes(layer):
            return
        try:
            label_axes(layer, self.line.text())
        except InputError as error:
            self.failed.emit(str(error))
        else:
            self.edited.emit()
        self.show_layer(layer)

    def _use_channels(self) -> None:
        if self._layer is not None:
            self.line.setText("c" + _axes(self._layer)[1:])
            self._apply()


def _axes(layer: Image) -> str:
    """Return the axes of a layer, without RGB samples."""
    return axes_of(layer).removesuffix("s" if layer.rgb else "")


def _may_be_channels(layer: Image) -> bool:
    is_stack = bool(leading_axes(axes_of(layer)))
    return is_stack and not has_labels(layer) and 1 < shape_of(layer)[0] <= MOST_CHANNELS
