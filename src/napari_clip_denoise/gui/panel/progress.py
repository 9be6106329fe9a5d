"""A progress bar with the work done, its speed and the remaining time."""

import time

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from napari_clip_denoise.formatting import format_seconds
from napari_clip_denoise.gui.panel.activity import Activity

STEPS = 1000
BLOCK = STEPS // 6
"""Length of the block that shows that work of unknown length is running."""
LOADING = "Loading the model and measuring intensities …"
SECOND = 1000
"""One second in milliseconds."""


class ProgressRow(QWidget):
    """Shows the progress of a run, and its outcome.

    While the length of the work is unknown, a block changes sides in the bar once a second, and the
    row counts the seconds. A bar that moves continuously would redraw the whole window, including
    the canvas, all the time, which takes a CPU core on computers without a graphics card.

    Attributes
    ----------
    fraction : float
        Completed fraction of the work, from 0 to 1; 0 while its length is unknown.
    """

    def __init__(self) -> None:
        super().__init__()
        self._message, self._begun, self.fraction = "", 0.0, 0.0
        self._is_right = False
        self._activity = Activity(self)
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
        """Show that work of unknown length is running."""
        self.fraction = 0.0
        self._fill(BLOCK)
        self.bar.show()
        self.say(message)
        self._activity.begin(message)
        self._message, self._begun = message, time.monotonic()
        self.clock.start(SECOND)

    def show_fraction(self, fraction: float, message: str) -> None:
        """Show the completed fraction of the work, and a message.

        Parameters
        ----------
        fraction : float
            Completed fraction, from 0 to 1.
        message : str
            The progress in words.
        """
        self.fraction = fraction
        self.bar.setInvertedAppearance(False)
        self._fill(round(STEPS * fraction))
        self.say(message)
        self._activity.show(fraction, message)

    def end(self, message: str, *, is_done: bool) -> None:
        """Hide the bar and show a final message.

        Parameters
        ----------
        message : str
            The message.
        is_done : bool
            True if the work was completed.
        """
        self.bar.hide()
        self.bar.setInvertedAppearance(False)
        self._fill(STEPS if is_done else 0)
        self.say(message)
        self._activity.end()

    def say(self, message: str) -> None:
        """Show a message; an empty one takes no space."""
        self.clock.stop()
        self.label.setText(message)
        self.label.setVisible(bool(message))

    def _fill(self, value: int) -> None:
        """Set the bar without the drawing, of the whole window, that Qt would do at once."""
        self.bar.setUpdatesEnabled(False)
        self.bar.setValue(value)
        self.bar.setUpdatesEnabled(True)

    def _count(self) -> None:
        self._is_right = not self._is_right
        self.bar.setInvertedAppearance(self._is_right)
        passed = format_seconds(time.monotonic() - self._begun)
        self.label.setText(f"{self._message} {passed}")
