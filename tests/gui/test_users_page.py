"""The words that docs/users.md quotes are those of the window."""

import re
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QAbstractButton, QComboBox, QFormLayout, QLabel, QWidget

PAGE = Path(__file__).parents[2] / "docs" / "users.md"
PANELS = ("Denoise", "Denoise files", "Check result", "Fine-tune", "Compare", "Models")
MENUS = {"File", "Open Sample", "Save Selected Layers", "Plugins", "CLIP Denoise"}
"""Menus of napari that lead to the plugin, without the dots of their titles."""


@pytest.fixture
def described():
    """The part of the page that describes the panels."""
    return PAGE.read_text(encoding="utf-8").partition("## Axes")[0]


@pytest.fixture
def windows(viewer, widget, noisy):
    """The Denoise panel with channels, several selected layers and a file name; and all panels."""
    viewer.add_image(np.stack([noisy] * 3), channel_axis=0)
    channels = scopes(widget)
    for number in range(3):
        viewer.add_image(noisy[number], name=f"plane {number}")
    viewer.layers.selection = set(list(viewer.layers)[-3:])
    panels = [
        viewer.window.add_plugin_dock_widget("napari-clip-denoise", name)[1] for name in PANELS[1:]
    ]
    return channels | scopes(widget) | set().union(*map(words, (widget, *panels)))


def scopes(widget):
    box = widget.form.scope.native
    return {box.itemText(row) for row in range(box.count())}


def words(panel):
    """Return the texts of labels, buttons and menus in a panel."""
    found = {label.text() for label in panel.findChildren(QLabel)}
    found |= {button.text() for button in panel.findChildren(QAbstractButton)}
    for box in panel.findChildren(QComboBox):
        found |= {box.itemText(row) for row in range(box.count())}
    return found


def row_labels(widget):
    """Return the labels of the fields of a form, and of its folded part."""
    parts = [widget.form, *widget.form.findChildren(QWidget)]
    forms = [part.layout() for part in parts if isinstance(part.layout(), QFormLayout)]
    forms += widget.form.findChildren(QFormLayout)
    return {
        item.widget().text()
        for form in forms
        for row in range(form.rowCount())
        if (item := form.itemAt(row, QFormLayout.ItemRole.LabelRole)) is not None
    }


def test_what_the_page_names_is_in_the_window(described, windows):
    named = {part for text in re.findall(r"\*\*(.+?)\*\*", described) for part in text.split(" > ")}
    assert len(named) > 15
    there = windows | MENUS | set(PANELS)
    assert sorted(text for text in named if text not in there) == []


def test_the_page_explains_each_field(described, widget):
    table = re.findall(r"^\| (.+?) \|", described, flags=re.MULTILINE)
    explained = {name for row in table for name in row.split(", ")} - {"field", "---"}
    assert {"Image", "Stripes"} <= row_labels(widget)
    assert explained == row_labels(widget) | {"Advanced"}
