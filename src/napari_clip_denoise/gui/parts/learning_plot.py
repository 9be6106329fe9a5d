"""Curves and pictures of a model in training, painted by Qt itself."""

import math

import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QSize
from qtpy.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_clip_denoise.gui.parts.line_plot import LinePlot
from napari_clip_denoise.gui.parts.plots import PicturePlot
from napari_clip_denoise.training.finetune.progress import Learning, Picture, decibels

LINES_HIGH = 25
LOSS_COLOR, SCORE_COLOR = QColor("#3a86d6"), QColor("#c6680c")
SMOOTHING = 0.9
LARGEST = 1e99
"""Largest loss to show; larger ones are left out, like those that are not finite."""


class LearningPlot(QWidget):
    """Training loss, score of the held-out patches, and one of these patches before and now.

    Parameters
    ----------
    theme : str
        Name of napari's theme.

    Attributes
    ----------
    loss, score : LinePlot
        The curves.
    pictures : tuple of PicturePlot
        The held-out patch: noisy, before and now.
    """

    def __init__(self, theme: str):
        super().__init__()
        self.loss = LinePlot("Training loss", LOSS_COLOR)
        self.score = LinePlot(
            "Validation patches, PSNR (dB)", SCORE_COLOR, "base model", has_points=True
        )
        self._curves = self.loss.aligned = self.score.aligned = (self.loss, self.score)
        self.pictures = tuple(PicturePlot(title) for title in ("Noisy", "Before", "Now"))
        for plot in (*self._curves, *self.pictures):
            plot.setParent(self)
            plot.setMinimumHeight(0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.paint(theme)
        self.clear()

    def clear(self) -> None:
        """Remove all curves and pictures."""
        self._steps: list[int] = []
        self._losses: list[float] = []
        self._smooth = math.nan
        self._judged: list[int] = []
        self._scores: list[float] = []
        for picture in self.pictures:
            picture.clear()
        self.refresh()

    @property
    def n_judged(self) -> int:
        """Number of times that the held-out patches were scored, including the start."""
        return len(self._scores)

    def add(self, learning: Learning) -> None:
        """Add a training step; `refresh` shows it."""
        if learning.loss is not None:
            self._steps.append(learning.step)
            self._losses.append(self._smoothed(learning.loss))
        if not self._judged:
            self._judged.append(0)
            self._scores.append(decibels(learning.start))
        if learning.score is not None:
            self._judged.append(learning.step)
            self._scores.append(decibels(learning.score))
        if learning.picture is not None:
            self._show(learning.picture)

    def refresh(self) -> None:
        """Draw the steps added so far."""
        last = max(self._steps[-1:] + self._judged[-1:], default=1)
        level = self._scores[0] if self._scores else math.nan
        self.loss.show_line(self._steps, self._losses, last)
        self.score.show_line(self._judged, self._scores, last, level)

    def paint(self, theme: str) -> None:
        """Use the colours of a napari theme."""
        colors = get_theme(theme)
        self._background = QColor(colors.background.as_hex())
        for plot in (*self._curves, *self.pictures):
            plot.ink = QColor(colors.text.as_hex())
        self.update()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the smallest size at which all parts are legible."""
        line_height = QFontMetrics(self.font()).height()
        return QSize(LINES_HIGH // 2 * line_height, LINES_HIGH * line_height)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Paint the background."""
        QPainter(self).fillRect(self.rect(), self._background)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Place the pictures below the curves, as wide as possible."""
        self._arrange()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Adapt the layout to a new font."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._arrange()

    def _arrange(self) -> None:
        width = self.width() // len(self.pictures)
        height = min(self.pictures[0].height_for(width), self.height() // 2)
        top = self.height() - height
        for number, picture in enumerate(self.pictures):
            picture.setGeometry(number * width, top, width, height)
        for number, curve in enumerate(self._curves):
            curve.setGeometry(0, number * top // 2, self.width(), top // 2)

    def _smoothed(self, loss: float) -> float:
        if not abs(loss) < LARGEST:
            return math.nan
        last = loss if math.isnan(self._smooth) else self._smooth
        self._smooth = SMOOTHING * last + (1 - SMOOTHING) * loss
        return self._smooth

    def _show(self, picture: Picture) -> None:
        finite = picture.before[np.isfinite(picture.before)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        images = (picture.noisy, picture.before, picture.now)
        for plot, image in zip(self.pictures, images, strict=True):
            plot.show_picture(image, low, high)
