"""Placement of the plugin's panels in napari's window."""

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_clip_denoise.gui.panel.tab_order import tab_as_laid_out

PANEL = "clip-denoise-panel"
BEFORE_PLUGIN = " ("
"""Beginning of the plugin's name, which napari adds to each title; it is too long for a tab."""
SHORT = {"Denoise files": "Files", "Check result": "Check"}
"""Names with which six tabs fit beside each other; the title bar shows the whole ones."""


def share_place(panel: QWidget) -> None:
    """Show a panel as a tab beside the plugin's other panels, once napari has docked it.

    Panels below each other would not have enough space.
    """
    panel.setObjectName(PANEL)
    timer = QTimer(panel)
    timer.setSingleShot(True)
    timer.timeout.connect(lambda: _tabify(panel))
    timer.timeout.connect(lambda: tab_as_laid_out(panel))
    timer.start(0)


def _tabify(panel: QWidget) -> None:
    dock = panel.parentWidget()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    window = None if dock is None else dock.parentWidget()
    if dock is None or not isinstance(window, QMainWindow):
        return
    name = dock.windowTitle().split(BEFORE_PLUGIN)[0]
    dock.setWindowTitle(SHORT.get(name, name))
    for other in window.findChildren(QDockWidget):
        is_ours = other.findChild(QWidget, PANEL) is not None
        if other is not dock and is_ours and not other.isFloating():
            window.tabifyDockWidget(other, dock)
            dock.raise_()
            return
