"""A curve over training steps, painted by Qt itself."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFontMetrics, QPainter, QPen, QPolygonF

from napari_clip_denoise.gui.parts.plots import MARGIN, POINT_RADIUS, Plot, faded

GRID = 0.15
DASH = 20
MOST_INTERVALS = 4
MOST_DECIMALS = 5
SMALLEST_SPAN = 1e-3
"""Smallest span of the value axis relative to the values; finer ticks would need many digits."""


class LinePlot(Plot):
    """A line over training steps, with ticks on both axes.

    Parameters
    ----------
    title : str
        Title above the plot.
    colour : QColor
        Colour of the line.
    level_name : str
        Name of the dashed level.
    has_points : bool
        Whether to mark each value.

    Attributes
    ----------
    steps, values : numpy.ndarray
        Steps and values of the line, (N,).
    level : float
        Value of the dashed level; NaN hides it.
    aligned : sequence of LinePlot
        Plots whose frames start at the same horizontal position, including this one.
    """

    def __init__(
        self, title: str, colour: QColor, level_name: str = "", *, has_points: bool = False
    ) -> None:
        super().__init__(title)
        self._colour, self._level_name, self._has_points = colour, level_name, has_points
        self.aligned: Sequence[LinePlot] = (self,)
        self.show_line((), ())

    def show_line(
        self,
        steps: Sequence[int],
        values: Sequence[float],
        last: int = 1,
        level: float = math.nan,
    ) -> None:
        """Show values over an axis of training steps, and a level.

        Parameters
        ----------
        steps : sequence of int
            Training steps.
        values : sequence of float
            Value at each step.
        last : int
            End of the step axis, which starts at 0.
        level : float
            Value of the dashed level; NaN hides it.
        """
        self.steps, self.values = np.array(steps, float), np.array(values, float)
        self._last, self.level = max(1, last), level
        self.update()

    def ticks(self) -> list[tuple[float, str]]:
        """Return positions and labels on the value axis; the axis ends at the outer ones."""
        shown = np.append(self.values, self.level)
        shown = shown[np.isfinite(shown)]
        return round_ticks(float(shown.min()), float(shown.max())) if shown.size else []

    def label_width(self) -> int:
        """Return the width that the labels of the values need, in pixels."""
        metrics = QFontMetrics(self.font())
        return max((metrics.horizontalAdvance(text) for _, text in self.ticks()), default=0)

    def _paint(self, painter: QPainter, frame: QRectF) -> None:
        half_line = QFontMetrics(self.font()).height() / 2
        frame.setTop(frame.top() + half_line / 2)
        if label_width := max(plot.label_width() for plot in self.aligned):
            frame.setLeft(frame.left() + label_width + MARGIN)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(faded(self._ink()))
        painter.drawRect(frame)
        if not (ticks := self.ticks()):
            return
        low, high = ticks[0][0], ticks[-1][0]

        def place(step: float, value: float) -> QPointF:
            return QPointF(
                frame.left() + MARGIN + (frame.width() - 2 * MARGIN) * step / self._last,
                frame.bottom() - frame.height() * (value - low) / (high - low),
            )

        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, text in ticks:
            y = place(0, value).y()
            self._paint_grid(painter, QPointF(frame.left(), y), QPointF(frame.right(), y))
            label = QRectF(0, y - half_line, frame.left() - MARGIN, 2 * half_line)
            painter.setPen(self._ink())
            painter.drawText(label, right, text)
        self._paint_steps(painter, frame, lambda step: place(step, low).x())
        if math.isfinite(self.level):
            self._paint_level(painter, frame, place(0, self.level).y())
        self._paint_line(painter, frame, place)

    def _paint_grid(self, painter: QPainter, start: QPointF, end: QPointF) -> None:
        painter.setPen(faded(self._ink(), GRID))
        painter.drawLine(start, end)

    def _paint_steps(
        self, painter: QPainter, frame: QRectF, place: Callable[[float], float]
    ) -> None:
        """Label the last step, and those of the first and the round steps that fit."""
        metrics = QFontMetrics(self.font())
        most = max(1, int(frame.width() / (2 * metrics.horizontalAdvance(str(self._last)))))
        free = frame.right()
        for step in reversed(round_steps(self._last, most)):
            text = f"step {step}" if step == self._last else str(step)
            x, width = place(step), metrics.horizontalAdvance(text)
            self._paint_grid(painter, QPointF(x, frame.top()), QPointF(x, frame.bottom()))
            left = min(x - width / 2, frame.right() - width)
            if left + width <= free:
                painter.setPen(self._ink())
                painter.drawText(QPointF(left, frame.bottom() + metrics.height()), text)
                free = left - 2 * MARGIN

    def _paint_level(self, painter: QPainter, frame: QRectF, y: float) -> None:
        """Paint the dashed level, and its name beside the title."""
        metrics = QFontMetrics(self.font())
        left = frame.right() - metrics.horizontalAdvance(self._level_name)
        middle = metrics.height() - metrics.xHeight() / 2
        painter.setPen(QPen(self._ink(), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
        if left - DASH - MARGIN > 3 * MARGIN + metrics.horizontalAdvance(self._title):
            painter.drawLine(QPointF(left - DASH - MARGIN, middle), QPointF(left - MARGIN, middle))
            painter.drawText(QPointF(left, metrics.height()), self._level_name)

    def _paint_line(
        self, painter: QPainter, frame: QRectF, place: Callable[[float, float], QPointF]
    ) -> None:
        """Paint about one value for each pixel; a value that is not finite leaves a gap."""
        stride = math.ceil(self.values.size / max(1, frame.width())) or 1
        chosen = np.arange(self.values.size - 1, -1, -stride)[::-1]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(self._colour)
        for run in np.split(chosen, np.flatnonzero(~np.isfinite(self.values[chosen]))):
            finite = run[np.isfinite(self.values[run])]
            points = [place(self.steps[index], self.values[index]) for index in finite]
            painter.setPen(QPen(self._colour, 2))
            if len(points) > 1:
                painter.drawPolyline(QPolygonF(points))
            painter.setPen(Qt.PenStyle.NoPen)
            for point in points if self._has_points or len(points) == 1 else ():
                painter.drawEllipse(point, POINT_RADIUS, POINT_RADIUS)


def round_step(least: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least a positive number."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def round_steps(last: int, most: int) -> list[int]:
    """Return 0, at most `most` - 1 round steps after it, and the last step."""
    return [*range(0, last, int(round_step(max(1, last / most)))), last]


def round_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return a few round numbers that span `low` to `high`, with their labels."""
    least = SMALLEST_SPAN * max(abs(low), abs(high)) or 1.0
    if high - low < least:
        low, high = low - least / 2, high + least / 2
    step = round_step((high - low) / MOST_INTERVALS)
    while math.ceil(high / step) - math.floor(low / step) > MOST_INTERVALS:
        step = round_step(1.01 * step)
    numbers = [
        number * step for number in range(math.floor(low / step), math.ceil(high / step) + 1)
    ]
    decimals = max(0, -math.floor(math.log10(step)))
    is_long = decimals > MOST_DECIMALS or max(map(abs, numbers)) >= 10**MOST_DECIMALS
    layout = ".5g" if is_long else f".{decimals}f"
    return [(number, format(number, layout)) for number in numbers]
