"""A progress bar with what is done, how fast, and how long it will take."""

import time

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from napari_clip_denoise.formatting import format_seconds

STEPS = 1000
LOADING = "Loading the model and measuring intensities …"
SECOND = 1000
"""In milliseconds."""


class ProgressRow(QWidget):
    """Shows how far a run is, and what became of it.

    What has no length yet counts its seconds: a bar that moves without end would have the whole
    window drawn again all the time, canvas and all, which takes a core without a graphics card.
    """

    def __init__(self) -> None:
        super().__init__()
        self._message, self._begun = "", 0.0
        self.clock = QTimer(self)
        self.clock.timeout.connect(self._count)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximum(STEPS)
        self.bar.hide()
        self.label = QLabel("")
        self.label.hide()
        self.label.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        layout.addWidget(self.bar)
        layout.addWidget(self.label)

    def begin(self, message: str = LOADING) -> None:
        """Show that something goes on whose length is not known yet."""
        self.bar.setValue(0)
        self.bar.show()
        self.say(message)
        self._message, self._begun = message, time.monotonic()
        self.clock.start(SECOND)

    def show_share(self, share: float, message: str) -> None:
        """Show what share of the work is done, and say it in words."""
        self.bar.setValue(round(STEPS * share))
        self.say(message)

    def end(self, message: str, *, is_done: bool) -> None:
        """Come to rest with a last word."""
        self.bar.setValue(STEPS if is_done else 0)
        self.bar.hide()
        self.say(message)

    def say(self, message: str) -> None:
        """Show words; none take no room."""
        self.clock.stop()
        self.label.setText(message)
        self.label.setVisible(bool(message))

    def _count(self) -> None:
        passed = format_seconds(time.monotonic() - self._begun)
        self.label.setText(f"{self._message} {passed}")
