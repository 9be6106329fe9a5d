from itertools import chain, repeat
from types import SimpleNamespace

import pytest

from napari_clip_denoise.gui.panel import progress as progress_row
from napari_clip_denoise.gui.panel.progress import BLOCK, STEPS, ProgressRow


@pytest.fixture
def row(qtbot):
    row = ProgressRow()
    qtbot.addWidget(row)
    row.show()
    return row


def is_on_the_right(row):
    return row.bar.property("invertedAppearance")


def test_what_has_no_length_moves_a_block_once_a_second_and_counts(row, qtbot, monkeypatch):
    monkeypatch.setattr(progress_row, "SECOND", 1)
    now = chain([100.0], repeat(165.0))
    monkeypatch.setattr(progress_row, "time", SimpleNamespace(monotonic=lambda: next(now)))
    row.begin("Working …")
    assert row.label.text() == "Working …"
    assert (row.bar.minimum(), row.bar.value(), row.bar.maximum()) == (0, BLOCK, STEPS)
    assert (row.fraction, is_on_the_right(row)) == (0, False)
    qtbot.waitUntil(lambda: is_on_the_right(row))
    qtbot.waitUntil(lambda: row.label.text() == "Working … 1 min 05 s")
    row.show_fraction(0.5, "half")
    assert (row.bar.value(), row.fraction) == (STEPS // 2, 0.5)
    assert not is_on_the_right(row)
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
