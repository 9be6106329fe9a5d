"""Plots of the residual, with the names of their axes and a legend."""

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import (
    QColor,
    QFontMetrics,
    QImage,
    QLinearGradient,
    QPainter,
    QPen,
    QPolygonF,
)

from napari_clip_denoise.gui.parts.plots import MARGIN, POINT_RADIUS, Plot

POINTS, LINE = QColor("#3a86d6"), QColor("#e08a1e")
COLD, WHITE, WARM = QColor(58, 134, 214), QColor(255, 255, 255), QColor(214, 70, 50)
SAMPLE = 14
"""Length of the sample of a line in a legend, in pixels."""
LEFT, CENTRE, RIGHT = (
    Qt.AlignmentFlag.AlignLeft,
    Qt.AlignmentFlag.AlignHCenter,
    Qt.AlignmentFlag.AlignRight,
)


class NamedPlot(Plot):
    """A plot with named axes and a line for a legend.

    Parameters
    ----------
    title, x_name, y_name : str
        Title of the plot and names of its axes.
    n_captions : int
        Number of lines below the frame.
    """

    def __init__(self, title: str, x_name: str, y_name: str, *, n_captions: int) -> None:
        super().__init__(title, n_captions=n_captions)
        self.x_name, self.y_name = x_name, y_name

    def _line_height(self) -> int:
        return QFontMetrics(self.font()).height()

    def _caption(
        self, painter: QPainter, frame: QRectF, line: int, text: str, flag: Qt.AlignmentFlag
    ) -> None:
        """Write into a line below the frame; the first is 0."""
        height = self._line_height()
        place = QRectF(frame.left(), frame.bottom() + line * height, frame.width(), height)
        painter.setPen(self._ink())
        painter.drawText(place, flag | Qt.AlignmentFlag.AlignVCenter, text)

    def _name_y_axis(self, painter: QPainter, frame: QRectF) -> QRectF:
        """Write the name of the vertical axis and return the rest of the frame."""
        height = self._line_height()
        painter.save()
        painter.translate(frame.left(), frame.bottom())
        painter.rotate(-90)
        painter.setPen(self._ink())
        painter.drawText(QRectF(0, 0, frame.height(), height), CENTRE, self.y_name)
        painter.restore()
        return frame.adjusted(height + 2, 0, 0, 0)


class CurvePlot(NamedPlot):
    """Points and a line over a common axis that begins at the smallest value.

    Parameters
    ----------
    title, x_name, y_name : str
        Title of the plot and names of its axes.
    legend : tuple of str
        What the points show, and the line.
    """

    def __init__(self, title: str, x_name: str, y_name: str, legend: tuple[str, str]) -> None:
        super().__init__(title, x_name, y_name, n_captions=3)
        self.legend = legend
        self._x = self._y = self._fitted = np.empty(0)

    def show_curve(self, x: np.ndarray, y: np.ndarray, fitted: np.ndarray) -> None:
        """Show points and a line.

        Parameters
        ----------
        x : numpy.ndarray
            Horizontal positions, (N,).
        y, fitted : numpy.ndarray
            Values of the points, (N,), and of the line, (N,) or empty.
        """
        self._x, self._y, self._fitted = x, y, fitted
        self.update()

    def _paint(self, painter: QPainter, frame: QRectF) -> None:
        frame = self._name_y_axis(painter, frame)
        painter.setPen(QPen(self.palette().mid().color()))
        painter.drawRect(frame)
        self._caption(painter, frame, 1, self.x_name, CENTRE)
        self._paint_legend(painter, frame)
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
        self._caption(painter, frame, 0, f"{low:.4g}", LEFT)
        self._caption(painter, frame, 0, f"{high:.4g}", RIGHT)
        painter.drawText(frame.adjusted(3, 1, 0, 0), LEFT, f"{top:.4g}")

    def _paint_legend(self, painter: QPainter, frame: QRectF) -> None:
        """Write the legend, from the left edge of the widget, which may be narrow."""
        metrics, height = QFontMetrics(self.font()), self._line_height()
        middle = frame.bottom() + 2.5 * height
        points, line = self.legend
        left = float(MARGIN)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(POINTS)
        painter.drawEllipse(QPointF(left + POINT_RADIUS, middle), POINT_RADIUS, POINT_RADIUS)
        left += 2 * POINT_RADIUS + 3
        baseline = middle + (metrics.ascent() - metrics.descent()) / 2
        painter.setPen(self._ink())
        painter.drawText(QPointF(left, baseline), points)
        left += metrics.horizontalAdvance(points) + 2 * MARGIN
        painter.setPen(QPen(LINE, 2))
        painter.drawLine(QPointF(left, middle), QPointF(left + SAMPLE, middle))
        painter.setPen(self._ink())
        painter.drawText(QPointF(left + SAMPLE + 3, baseline), line)


class MapPlot(NamedPlot):
    """A small matrix with values from -`limit` (blue) through 0 (white) to `limit` (red).

    Parameters
    ----------
    title, x_name, y_name : str
        Title of the plot and names of its axes.
    limit : float
        Value that is shown in full colour.
    """

    def __init__(self, title: str, x_name: str, y_name: str, limit: float) -> None:
        super().__init__(title, x_name, y_name, n_captions=3)
        self._limit = limit
        self._pixels = np.empty((0, 0, 3), np.uint8)

    def show_map(self, values: np.ndarray) -> None:
        """Show a matrix, or nothing if it is empty; its middle element is left white."""
        scaled = np.clip(values / self._limit, -1, 1)
        if scaled.size:
            scaled[tuple(size // 2 for size in scaled.shape)] = 0
        cold, warm = (np.array(colour.getRgb()[:3]) for colour in (COLD, WARM))
        colour = np.where(scaled[..., np.newaxis] < 0, cold, warm)
        pixels = 255 + np.abs(scaled)[..., np.newaxis] * (colour - 255)
        self._pixels = np.ascontiguousarray(pixels.astype(np.uint8))
        self.update()

    def _paint(self, painter: QPainter, frame: QRectF) -> None:
        side = min(frame.width() - self._line_height() - 2, frame.height())
        frame.setHeight(side)
        frame = self._name_y_axis(painter, frame)
        self._caption(painter, frame, 1, self.x_name, CENTRE)
        self._paint_scale(painter, frame)
        if not self._pixels.size:
            painter.setPen(QPen(self.palette().mid().color()))
            painter.drawRect(frame)
            return
        height, width, _ = self._pixels.shape
        image = QImage(
            self._pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
        )
        square = QRectF(frame.center().x() - side / 2, frame.top(), side, side)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(square, image)
        for text, flag in ((f"-{width // 2}", LEFT), ("0", CENTRE), (f"{width // 2}", RIGHT)):
            self._caption(painter, square, 0, text, flag)

    def _paint_scale(self, painter: QPainter, frame: QRectF) -> None:
        """Paint the colours between the values that they stand for."""
        height, metrics = self._line_height(), QFontMetrics(self.font())
        edge = metrics.horizontalAdvance(f"-{self._limit:g}") + MARGIN
        bar = QRectF(
            frame.left() + edge,
            frame.bottom() + 2 * height + height / 4,
            frame.width() - 2 * edge,
            height / 2,
        )
        colours = QLinearGradient(bar.topLeft(), bar.topRight())
        for position, colour in ((0.0, COLD), (0.5, WHITE), (1.0, WARM)):
            colours.setColorAt(position, colour)
        painter.fillRect(bar, colours)
        self._caption(painter, frame, 2, f"-{self._limit:g}", LEFT)
        self._caption(painter, frame, 2, f"+{self._limit:g}", RIGHT)
