"""Small plots, painted by Qt itself."""

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSizeF, Qt
from qtpy.QtGui import QColor, QFontMetrics, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

HEIGHT = 150
MARGIN = 6
POINT_RADIUS = 2.5
MUCH_ENLARGED = 3
"""Magnification from which the pixels of a picture are shown as squares."""


class Plot(QWidget):
    """A titled frame to paint in.

    Parameters
    ----------
    title : str
        Title above the frame.
    n_captions : int
        Number of lines to leave free below the frame.

    Attributes
    ----------
    ink : QColor or None
        Colour of the text; None uses the colour of the palette.
    """

    def __init__(self, title: str, *, n_captions: int = 1) -> None:
        super().__init__()
        self._title = title
        self._n_captions = n_captions
        self.ink: QColor | None = None
        self.setMinimumHeight(HEIGHT + (n_captions - 1) * QFontMetrics(self.font()).height())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Paint the title, the frame and its content."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line_height = QFontMetrics(self.font()).height()
        painter.setPen(self._ink())
        painter.drawText(QPointF(MARGIN, line_height), self._title)
        top = line_height + MARGIN
        bottom = MARGIN + self._n_captions * line_height
        height = self.height() - top - bottom
        frame = QRectF(MARGIN, top, self.width() - 2 * MARGIN, height)
        self._paint(painter, frame)

    def _paint(self, painter: QPainter, frame: QRectF) -> None:
        raise NotImplementedError

    def _ink(self) -> QColor:
        return self.palette().text().color() if self.ink is None else self.ink


class PicturePlot(Plot):
    """A grey picture that keeps its aspect ratio.

    Attributes
    ----------
    image : QImage or None
        The picture; None leaves the frame empty.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title, n_captions=0)
        self.image: QImage | None = None

    def show_picture(self, picture: np.ndarray, low: float, high: float) -> None:
        """Show a picture.

        Parameters
        ----------
        picture : numpy.ndarray
            Plane (Y, X).
        low, high : float
            Values that are shown in black and white.
        """
        within = np.clip(np.nan_to_num(picture, nan=low), low, high)
        pixels = np.rint(255 * (within - low) / ((high - low) or 1.0)).astype(np.uint8)
        height, width = pixels.shape
        format_ = QImage.Format.Format_Grayscale8
        self.image = QImage(pixels.tobytes(), width, height, width, format_).copy()
        self.update()

    def clear(self) -> None:
        """Leave the frame empty."""
        self.image = None
        self.update()

    def height_for(self, width: int) -> int:
        """Return the height at which a square picture fills the width, in pixels."""
        return width + QFontMetrics(self.font()).height()

    def _paint(self, painter: QPainter, frame: QRectF) -> None:
        size = QSizeF(1, 1) if self.image is None else QSizeF(self.image.size())
        size.scale(frame.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRectF(frame.topLeft(), size)
        place.moveLeft(frame.center().x() - size.width() / 2)
        if self.image is None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setPen(faded(self._ink()))
            painter.drawRect(place)
            return
        pixels = (size * self.devicePixelRatioF()).toSize()
        is_much_enlarged = pixels.width() >= MUCH_ENLARGED * self.image.width()
        how = Qt.TransformationMode
        painter.drawImage(
            place,
            self.image.scaled(
                pixels,
                Qt.AspectRatioMode.IgnoreAspectRatio,
                how.FastTransformation if is_much_enlarged else how.SmoothTransformation,
            ),
        )


def faded(colour: QColor, fraction: float = 0.4) -> QColor:
    """Return a colour with the given opacity, from 0 to 1."""
    return QColor(colour.red(), colour.green(), colour.blue(), round(255 * fraction))
