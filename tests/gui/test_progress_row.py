from itertools import chain, repeat
from types import SimpleNamespace

import pytest

from napari_clip_denoise.gui.panel import progress as progress_row
from napari_clip_denoise.gui.panel.progress import STEPS, ProgressRow


@pytest.fixture
def row(qtbot):
    row = ProgressRow()
    qtbot.addWidget(row)
    row.show()
    return row


def test_what_has_no_length_counts_its_seconds_beside_a_bar_that_stands_still(
    row, qtbot, monkeypatch
):
    monkeypatch.setattr(progress_row, "SECOND", 1)
    now = chain([100.0], repeat(165.0))
    monkeypatch.setattr(progress_row, "time", SimpleNamespace(monotonic=lambda: next(now)))
    row.begin("Working …")
    assert row.label.text() == "Working …"
    qtbot.waitUntil(lambda: row.label.text() == "Working … 1 min 05 s")
    assert (row.bar.minimum(), row.bar.value(), row.bar.maximum()) == (0, 0, STEPS)
    row.show_fraction(0.5, "half")
    assert row.bar.value() == STEPS // 2
    assert not row.clock.isActive()
    assert row.label.text() == "half"


def test_the_last_word_ends_the_count(row):
    row.begin("Working …")
    row.end("Done.", is_done=True)
    assert not row.clock.isActive()
    assert row.label.text() == "Done."
    assert row.bar.isHidden()
    row.say("")
    assert row.label.isHidden()
