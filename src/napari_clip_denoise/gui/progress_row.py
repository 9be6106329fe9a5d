"""A progress bar with what is done, how fast, and how long it will take."""

from qtpy.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_clip_denoise.inference.progress import Progress
from napari_clip_denoise.text import format_seconds

STEPS = 1000


class ProgressRow(QWidget):
    """Shows how far a run is, and what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximum(STEPS)
        self.label = QLabel("")
        self.label.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar)
        layout.addWidget(self.label)

    def begin(self) -> None:
        """Show that something goes on whose length is not known yet."""
        self.bar.setMaximum(0)
        self.label.setText("Loading the model and measuring intensities …")

    def show_progress(self, progress: Progress) -> None:
        """Show how far a run is."""
        self.show_share(progress.done / progress.total, describe(progress))

    def show_share(self, share: float, message: str) -> None:
        """Show what share of the work is done, in words of one's own."""
        self.bar.setMaximum(STEPS)
        self.bar.setValue(round(STEPS * share))
        self.label.setText(message)

    def end(self, message: str, *, is_done: bool) -> None:
        """Come to rest with a last word."""
        self.bar.setMaximum(STEPS)
        self.bar.setValue(STEPS if is_done else 0)
        self.label.setText(message)


def describe(progress: Progress) -> str:
    """Say how far a run is, such as ``37 of 120 planes · 4.1 planes/s · 20 s left``."""
    parts = [f"{int(progress.done + 1e-6)} of {progress.total} planes"]
    if progress.total == 1:
        parts = [f"{100 * progress.done:.0f} %"]
    elif progress.planes_per_second:
        parts.append(f"{progress.planes_per_second:.1f} planes/s")
    if progress.seconds_left is not None and progress.done < progress.total:
        parts.append(f"{format_seconds(progress.seconds_left)} left")
    return " · ".join(parts)
