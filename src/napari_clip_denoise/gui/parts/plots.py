"""Small plots, painted by Qt itself."""

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSizeF, Qt
from qtpy.QtGui import QColor, QFontMetrics, QImage, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

HEIGHT = 150
MARGIN = 6
POINT_RADIUS = 2.5
POINTS = QColor("#3a86d6")
LINE = QColor("#e08a1e")
MUCH_ENLARGED = 3
"""Magnification from which the pixels of a picture are shown as squares."""


class Plot(QWidget):
    """A titled frame to paint in.

    Parameters
    ----------
    title : str
        Title above the frame.
    has_captions : bool
        Whether to leave a line free below the frame.

    Attributes
    ----------
    ink : QColor or None
        Colour of the text; None uses the colour of the palette.
    """

    def __init__(self, title: str, *, has_captions: bool = True) -> None:
        super().__init__()
        self._title = title
        self._has_captions = has_captions
        self.ink: QColor | None = None
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Paint the title, the frame and its content."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line_height = QFontMetrics(self.font()).height()
        painter.setPen(self._ink())
        painter.drawText(QPointF(MARGIN, line_height), self._title)
        top = line_height + MARGIN
        bottom = MARGIN + self._has_captions * line_height
        height = self.height() - top - bottom
        frame = QRectF(MARGIN, top, self.width() - 2 * MARGIN, height)
        self._paint(painter, frame)

    def _paint(self, painter: QPainter, frame: QRectF) -> None:
        raise NotImplementedError

    def _ink(self) -> QColor:
        return self.palette().text().color() if self.ink is None else self.ink

    def _caption(self, painter: QPainter, text: str, *, right: bool = False) -> None:
        flags = Qt.AlignmentFlag.AlignBottom
        flags |= Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        painter.setPen(self._ink())
        painter.drawText(self.rect().adjusted(MARGIN, 0, -MARGIN, -2), flags, text)


class CurvePlot(Plot):
    """Points and a line over a common axis, both starting at the smallest value."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._x = self._y = self._fitted = np.empty(0)

    def show_curve(self, x: np.ndarray, y: np.ndarray, fitted: np.ndarray) -> None:
        """Show points and a line.

        Parameters
        ----------
        x : numpy.ndarray
            Horizontal positions, (N,).
        y, fitted : numpy.ndarray
            Values of the points and of the line, (N,).
        """
        self._x, self._y, self._fitted = x, y, fitted
        self.update()

    def _paint(self, painter: QPainter, frame: QRectF) -> None:
        painter.setPen(QPen(self.palette().mid().color()))
        painter.drawRect(frame)
        if not self._x.size:
            return
        low, high = float(self._x.min()), float(self._x.max())
        top = 1.1 * float(max(self._y.max(), self._fitted.max(initial=0))) or 1.0
        span = (high - low) or 1.0

        def place(x: float, y: float) -> QPointF:
            return QPointF(
                frame.left() + MARGIN + (frame.width() - 2 * MARGIN) * (x - low) / span,
                frame.bottom() - (frame.height() - MARGIN) * y / top,
            )

        painter.setPen(QPen(LINE, 2))
        line = [place(float(x), float(y)) for x, y in zip(self._x, self._fitted, strict=False)]
        painter.drawPolyline(QPolygonF(line))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(POINTS)
        for x, y in zip(self._x, self._y, strict=True):
            painter.drawEllipse(place(float(x), float(y)), POINT_RADIUS, POINT_RADIUS)
        self._caption(painter, f"{low:.4g}")
        self._caption(painter, f"{high:.4g}", right=True)


class MapPlot(Plot):
    """A small matrix with values from -`limit` (blue) through 0 (white) to `limit` (red)."""

    def __init__(self, title: str, limit: float) -> None:
        super().__init__(title)
        self._limit = limit
        self._pixels = np.empty((0, 0, 3), np.uint8)

    def show_map(self, values: np.ndarray) -> None:
        """Show a matrix, or nothing if it is empty; its middle element is left white."""
        scaled = np.clip(values / self._limit, -1, 1)
        if scaled.size:
            scaled[tuple(size // 2 for size in scaled.shape)] = 0
        cold, warm = np.array([58, 134, 214]), np.array([214, 70, 50])
        colour = np.where(scaled[..., np.newaxis] < 0, cold, warm)
        pixels = 255 + np.abs(scaled)[..., np.newaxis] * (colour - 255)
        self._pixels = np.ascontiguousarray(pixels.astype(np.uint8))
        self.update()

    def _paint(self, painter: QPainter, frame: QRectF) -> None:
        if not self._pixels.size:
            painter.setPen(QPen(self.palette().mid().color()))
            painter.drawRect(frame)
            return
        height, width, _ = self._pixels.shape
        image = QImage(
            self._pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
        )
        side = min(frame.width(), frame.height())
        square = QRectF(frame.center().x() - side / 2, frame.top(), side, side)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(square, image)
        self._caption(painter, f"± {self._limit:g}, {width // 2} px")


class PicturePlot(Plot):
    """A grey picture that keeps its aspect ratio.

    Attributes
    ----------
    image : QImage or None
        The picture; None leaves the frame empty.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title, has_captions=False)
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
