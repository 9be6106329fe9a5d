"""The entry of a run in napari's activity dock."""

import pytest
from napari.utils import progress
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QApplication

from napari_clip_denoise.gui.panel.activity import Activity

ENTRIES = progress._all_instances


@pytest.fixture
def activity(viewer):
    """An entry-to-be in the activity dock of a viewer, renewed as often as possible."""
    owner = QObject()
    activity = Activity(owner)
    activity._timer.setInterval(0)
    yield activity
    owner.deleteLater()


@pytest.fixture
def as_an_entry_is_added():
    """Does something and handles all events while an entry is being added, as the dock does."""
    callbacks = []

    def call(act):
        def added(event):
            act()
            QApplication.processEvents()

        ENTRIES.events.changed.connect(added, position="last")
        callbacks.append(added)

    yield call
    for added in callbacks:
        ENTRIES.events.changed.disconnect(added)


def test_a_run_that_ends_while_its_entry_is_added_leaves_none(
    activity, as_an_entry_is_added, qtbot
):
    as_an_entry_is_added(activity.end)
    activity.begin("Loading the model")
    qtbot.wait(200)
    assert not ENTRIES


def test_events_handled_while_an_entry_is_added_do_not_add_another(
    activity, as_an_entry_is_added, qtbot
):
    seen = []
    as_an_entry_is_added(lambda: seen.append(len(ENTRIES)))
    activity.begin("Loading the model")
    qtbot.waitUntil(lambda: bool(ENTRIES), timeout=5_000)
    qtbot.wait(200)
    assert len(ENTRIES) == 1
    activity.end()
    qtbot.waitUntil(lambda: not ENTRIES, timeout=5_000)
    assert max(seen) == 1


def test_an_entry_follows_fraction_and_message(activity, qtbot):
    activity.begin("Loading the model")
    qtbot.waitUntil(lambda: bool(ENTRIES), timeout=5_000)
    (entry,) = ENTRIES
    activity.show(0.25, "3 of 12 planes")
    qtbot.waitUntil(lambda: entry.n == 250 and entry.desc.startswith("3 of 12"), timeout=5_000)
    activity.show(0.125, "3 of 12 planes")
    qtbot.waitUntil(lambda: entry.n == 125, timeout=5_000)
    activity.end()
    qtbot.waitUntil(lambda: not ENTRIES, timeout=5_000)
