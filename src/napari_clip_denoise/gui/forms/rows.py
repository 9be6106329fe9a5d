"""Rows of a form: a label and its field."""

from typing import Any

from magicgui.widgets import ComboBox, FileEdit
from magicgui.widgets.bases import Widget
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

CHOOSE = "Choose …"
LEAST_LETTERS = 20
"""Of a name that a menu shows, however narrow its panel is."""


def labelled(*rows: tuple[str, Widget]) -> QFormLayout:
    """Lay out labels and fields in rows."""
    layout = QFormLayout()
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for label, widget in rows:
        layout.addRow(label, field_of(widget))
    return layout


def field_of(widget: Widget) -> QWidget:
    """Give a field as Qt knows it, with the same words on the same buttons everywhere."""
    if isinstance(widget, FileEdit):
        widget.choose_btn.text = CHOOSE
    return widget.native


def show_row(rows: QFormLayout, field: QWidget, is_shown: bool) -> None:
    """Show or hide a field and its label, also in Qt 5, whose forms have no such method."""
    field.setVisible(is_shown)
    if (label := rows.labelForField(field)) is not None:
        label.setVisible(is_shown)


def menu_of_names(choices: Any, tooltip: str) -> ComboBox:
    """Make a menu of layers or models, whose names may be long; the pointer shows all of one.

    Parameters
    ----------
    choices : callable
        Gives label and value of each, for a magicgui ``ComboBox``.
    tooltip : str
        What is chosen there.
    """
    menu = ComboBox(choices=choices, tooltip=tooltip)
    box: QComboBox = menu.native
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(LEAST_LETTERS)
    if (names := box.view()) is not None:
        names.setTextElideMode(Qt.TextElideMode.ElideMiddle)

    def tell() -> None:
        name = box.currentText()
        box.setToolTip(tooltip if len(name) <= LEAST_LETTERS else f"{name}\n\n{tooltip}")

    menu.changed.connect(tell)
    tell()
    return menu
