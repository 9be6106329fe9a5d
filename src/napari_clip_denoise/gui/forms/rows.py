"""Rows of a form: a label and its field."""

from typing import Any

from magicgui.widgets import ComboBox, FileEdit
from magicgui.widgets.bases import Widget
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

CHOOSE = "Choose …"
LEAST_LETTERS = 10
"""Number of letters that a menu shows, however narrow its panel is."""


def labelled(*rows: tuple[str, Widget | QWidget]) -> QFormLayout:
    """Arrange labels and fields in rows."""
    layout = QFormLayout()
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for label, widget in rows:
        add_row(layout, label, widget)
    return layout


def add_row(rows: QFormLayout, text: str, widget: Widget | QWidget, position: int = -1) -> None:
    """Add a row to a form; its label gets the tooltip of its field.

    Parameters
    ----------
    rows : QFormLayout
        The form.
    text : str
        Text of the label.
    widget : Widget or QWidget
        The field.
    position : int
        Index of the row; -1 adds it at the end.
    """
    if isinstance(widget, FileEdit):
        widget.choose_btn.text = CHOOSE
    field: QWidget = widget if isinstance(widget, QWidget) else widget.native
    if isinstance(field, QComboBox):
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        field.setSizeAdjustPolicy(policy)
        field.setMinimumContentsLength(LEAST_LETTERS)
    label = QLabel(text)
    label.setBuddy(field)
    own_tip = widget.tooltip if isinstance(widget, Widget) else ""
    label.setToolTip(field.whatsThis() or own_tip or field.toolTip())
    rows.insertRow(position, label, field)


def show_row(rows: QFormLayout, field: QWidget, is_shown: bool) -> None:
    """Show or hide a field and its label, also in Qt 5, whose forms lack such a method.

    Parameters
    ----------
    rows : QFormLayout
        The form.
    field : QWidget
        The field.
    is_shown : bool
        True to show it, False to hide it.
    """
    field.setVisible(is_shown)
    if (label := rows.labelForField(field)) is not None:
        label.setVisible(is_shown)


def menu_of_names(choices: Any, tooltip: str) -> ComboBox:
    """Create a menu of layers or models; a tooltip shows names that are too long for it.

    Parameters
    ----------
    choices : callable
        Returns the label and value of each choice, for a magicgui ``ComboBox``.
    tooltip : str
        Tooltip of the menu.

    Returns
    -------
    ComboBox
        The menu.
    """
    menu = ComboBox(choices=choices, tooltip=tooltip)
    box: QComboBox = menu.native
    box.setWhatsThis(tooltip)
    if (names := box.view()) is not None:
        names.setTextElideMode(Qt.TextElideMode.ElideMiddle)

    def tell() -> None:
        name = box.currentText()
        box.setToolTip(tooltip if len(name) <= LEAST_LETTERS else f"{name}\n\n{tooltip}")

    menu.changed.connect(tell)
    tell()
    return menu
