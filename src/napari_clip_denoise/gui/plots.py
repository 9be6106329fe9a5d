"""Two small plots, painted by Qt itself."""

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFontMetrics, QImage, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

HEIGHT = 150
MARGIN = 6
POINT_RADIUS = 2.5
POINTS = QColor("#3a86d6")
LINE = QColor("#e08a1e")


class Plot(QWidget):
    """A titled frame to paint in."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Paint the title, the frame and what is in it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line_height = QFontMetrics(self.font()).height()
        painter.setPen(self.palette().text().color())
        painter.drawText(QPointF(MARGIN, line_height), self._title)
        top = line_height + MARGIN
        height = self.height() - top - line_height - MARGIN
        frame = QRectF(MARGIN, top, self.width() - 2 * MARGIN, height)
        self._paint(painter, frame)

    def _paint(self, painter: QPainter, frame: QRectF) -> None:
        raise NotImplementedError

    def _caption(self, painter: QPainter, text: str, *, right: bool = False) -> None:
        flags = Qt.AlignmentFlag.AlignBottom
        flags |= Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        painter.setPen(self.palette().text().color())
        painter.drawText(self.rect().adjusted(MARGIN, 0, -MARGIN, -2), flags, text)


class CurvePlot(Plot):
    """Points and a line over a common axis, both starting at the smallest value."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._x = self._y = self._fitted = np.empty(0)

    def show_curve(self, x: np.ndarray, y: np.ndarray, fitted: np.ndarray) -> None:
        """Show points at (x, y) and a line through (x, fitted)."""
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
    """A small matrix between -`limit` (blue) and `limit` (red), white at 0."""

    def __init__(self, title: str, limit: float) -> None:
        super().__init__(title)
        self._limit = limit
        self._pixels = np.empty((0, 0, 3), np.uint8)

    def show_map(self, values: np.ndarray) -> None:
        """Show a matrix; its middle element is left white."""
        scaled = np.clip(values / self._limit, -1, 1)
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
