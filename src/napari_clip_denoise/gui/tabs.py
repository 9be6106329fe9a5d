"""Where the plugin's panels stand in napari's window."""

from weakref import WeakSet

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

_panels: WeakSet[QWidget] = WeakSet()


def share_place(panel: QWidget) -> None:
    """Let a panel be a tab beside the plugin's others, once napari has docked it.

    One below the other they would leave none of them room.
    """
    _panels.add(panel)
    timer = QTimer(panel)
    timer.setSingleShot(True)
    timer.timeout.connect(lambda: _tabify(panel))
    timer.start(0)


def _tabify(panel: QWidget) -> None:
    dock = _dock_of(panel)
    window = None if dock is None else dock.parentWidget()
    if dock is None or not isinstance(window, QMainWindow):
        return
    for other in filter(None, map(_dock_of, _panels)):
        if other is not dock and other.parentWidget() is window and not other.isFloating():
            window.tabifyDockWidget(other, dock)
            dock.raise_()
            return


def _dock_of(panel: QWidget) -> QDockWidget | None:
    parent = panel.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent
