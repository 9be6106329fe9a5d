"""Curves and pictures of a model that learns."""

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from napari.utils.theme import get_theme

from napari_clip_denoise.training.finetune_progress import Learning, Picture, decibels

HEIGHT = 360
LOSS_COLOR, SCORE_COLOR = "#7fb3d5", "#f5b041"
SMOOTHING = 0.9


class LearningPlot(FigureCanvasQTAgg):
    """Training loss, score of the held-out patches, and one of them before and now.

    Parameters
    ----------
    theme : str
        Name of napari's theme.
    """

    def __init__(self, theme: str):
        figure = Figure(figsize=(3.4, 3.0), layout="constrained")
        super().__init__(figure)
        self.setMinimumHeight(HEIGHT)
        grid = figure.add_gridspec(3, 3, height_ratios=(1, 1, 2))
        self._loss_axes = figure.add_subplot(grid[0, :])
        self._score_axes = figure.add_subplot(grid[1, :])
        self._pictures = [figure.add_subplot(grid[2, column]) for column in range(3)]
        self.paint(theme)
        self.clear()

    def clear(self) -> None:
        """Forget what was shown."""
        self._steps: list[int] = []
        self._losses: list[float] = []
        self._judged: list[int] = []
        self._scores: list[float] = []
        for axes, title in (
            (self._loss_axes, "Training loss"),
            (self._score_axes, "Held-out patches, PSNR (dB)"),
        ):
            axes.clear()
            axes.set_title(title, loc="left")
            axes.tick_params(labelsize=7)
            axes.grid(visible=True, alpha=0.15)
            axes.ticklabel_format(useOffset=False)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        (self._loss_line,) = self._loss_axes.plot([], [], color=LOSS_COLOR, linewidth=1.2)
        (self._score_line,) = self._score_axes.plot(
            [], [], color=SCORE_COLOR, linewidth=1.2, marker="o", markersize=3
        )
        self._start_line = self._score_axes.axhline(
            0, color="0.6", linestyle="--", linewidth=1, label="at the start"
        )
        self._start_line.set_visible(False)
        for axes, title in zip(self._pictures, ("noisy", "before", "now"), strict=True):
            axes.clear()
            axes.set_title(title)
            axes.set_xticks([])
            axes.set_yticks([])
        self.paint(self._theme)

    @property
    def n_judged(self) -> int:
        """How often the held-out patches were judged, the start counted in."""
        return len(self._scores)

    def add(self, learning: Learning) -> None:
        """Take a step in; `refresh` shows it."""
        if learning.loss is not None:
            last = self._losses[-1] if self._losses else learning.loss
            self._steps.append(learning.step)
            self._losses.append(SMOOTHING * last + (1 - SMOOTHING) * learning.loss)
        if not self._judged:
            self._judged.append(0)
            self._scores.append(decibels(learning.start))
        if learning.score is not None:
            self._judged.append(learning.step)
            self._scores.append(decibels(learning.score))
        if learning.picture is not None:
            self._show(learning.picture)

    def refresh(self) -> None:
        """Draw what was taken in."""
        self._loss_line.set_data(self._steps, self._losses)
        self._score_line.set_data(self._judged, self._scores)
        if self._scores:
            self._start_line.set_ydata([self._scores[0]] * 2)
            self._start_line.set_visible(True)
        for axes in (self._loss_axes, self._score_axes):
            axes.relim()
            axes.autoscale_view()
            axes.set_xlim(0, max([1, *self._steps[-1:]]))
        self.draw_idle()

    def paint(self, theme: str) -> None:
        """Take on the colours of a napari theme."""
        self._theme = theme
        colors = get_theme(theme)
        background, text = colors.background.as_hex(), colors.text.as_hex()
        self.figure.set_facecolor(background)
        for axes in self.figure.axes:
            axes.set_facecolor(background)
            for place in ("left", "center"):
                axes.set_title(axes.get_title(loc=place), loc=place, color=text, fontsize=8)
            axes.tick_params(colors=text)
            for spine in axes.spines.values():
                spine.set_color(text)
                spine.set_alpha(0.3)
        self.draw_idle()

    def _show(self, picture: Picture) -> None:
        images = (picture.noisy, picture.before, picture.now)
        low, high = float(picture.before.min()), float(picture.before.max())
        for axes, image in zip(self._pictures, images, strict=True):
            for old in list(axes.images):
                old.remove()
            axes.imshow(image, cmap="gray", vmin=low, vmax=high)
