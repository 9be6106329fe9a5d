"""A progress bar with what is done, how fast, and how long it will take."""

from qtpy.QtWidgets import QLabel, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

STEPS = 1000
LOADING = "Loading the model and measuring intensities …"


class ProgressRow(QWidget):
    """Shows how far a run is, and what became of it."""

    def __init__(self) -> None:
        super().__init__()
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
        self.bar.setMaximum(0)
        self.bar.show()
        self.say(message)

    def show_share(self, share: float, message: str) -> None:
        """Show what share of the work is done, and say it in words."""
        self.bar.setMaximum(STEPS)
        self.bar.setValue(round(STEPS * share))
        self.say(message)

    def end(self, message: str, *, is_done: bool) -> None:
        """Come to rest with a last word."""
        self.bar.setMaximum(STEPS)
        self.bar.setValue(STEPS if is_done else 0)
        self.bar.hide()
        self.say(message)

    def say(self, message: str) -> None:
        """Show words; none take no room."""
        self.label.setText(message)
        self.label.setVisible(bool(message))
