"""The order in which the Tab key visits the fields of a panel."""

from collections.abc import Iterator
from itertools import pairwise

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLayout, QScrollArea, QWidget

ROLES = (
    QFormLayout.ItemRole.SpanningRole,
    QFormLayout.ItemRole.LabelRole,
    QFormLayout.ItemRole.FieldRole,
)
TAB_POLICIES = (Qt.FocusPolicy.TabFocus, Qt.FocusPolicy.StrongFocus, Qt.FocusPolicy.WheelFocus)


def tab_as_laid_out(panel: QWidget) -> None:
    """Set the tab order of a panel to the layout order of its fields, not their creation order."""
    fields = [each for each in _widgets(panel) if each.focusPolicy() in TAB_POLICIES]
    for field, following in pairwise(fields):
        QWidget.setTabOrder(field, following)


def _widgets(parent: QWidget) -> Iterator[QWidget]:
    yield parent
    if isinstance(parent, QScrollArea) and (content := parent.widget()) is not None:
        yield from _widgets(content)
    elif (layout := parent.layout()) is not None:
        yield from _in_layout(layout)


def _in_layout(layout: QLayout) -> Iterator[QWidget]:
    if isinstance(layout, QFormLayout):
        items = [layout.itemAt(row, role) for row in range(layout.rowCount()) for role in ROLES]
    else:
        items = [layout.itemAt(place) for place in range(layout.count())]
    for item in items:
        if item is None:
            continue
        if (widget := item.widget()) is not None:
            yield from _widgets(widget)
        elif (inner := item.layout()) is not None:
            yield from _in_layout(inner)
