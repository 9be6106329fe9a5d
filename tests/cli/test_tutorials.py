"""The tutorials do what they say: their files and commands, in order, in an empty folder."""

import importlib.util
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page for page in (DOCS / "tutorials").glob("*.md") if page.stem != "index")
NEEDS = {"ct": "pydicom"}
SHORTER = {"cluster": ("range(100)", "range(8)"), "own-model": ("--steps 60", "--steps 30")}
"""What is shorter here than on the page."""
VERDICT = re.compile(r"^(Checked|Plane) .*\n", re.MULTILINE)
"""Depends on how much of a result the check has time for."""
WORD = re.compile(r"[a-z]{4,}", re.IGNORECASE)
DECIBELS = re.compile(r"([\d.]+) dB")
DECIBELS_BETWEEN_MACHINES = 0.3

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="needs bash"),
    pytest.mark.timeout(1200),
]


@pytest.fixture(scope="module")
def runner():
    """The script that does a page."""
    spec = importlib.util.spec_from_file_location("tutorial_runner", DOCS / "tutorial_runner.py")
    script = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def words(text):
    """Return the words of an output, without numbers, units, paths and the plural."""
    text = re.sub(r"\S*/\S*", "", VERDICT.sub("", text))
    return [word.removesuffix("s") for word in WORD.findall(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial(page, runner, tmp_path, monkeypatch):
    if page.stem in NEEDS and not find_spec(NEEDS[page.stem]):
        pytest.skip(f"needs {NEEDS[page.stem]}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    copy = tmp_path / page.name
    copy.write_text(page.read_text().replace(*SHORTER.get(page.stem, ("", ""))))
    folder = tmp_path / "tutorial"
    folder.mkdir()
    steps = list(runner.do(copy, folder))
    assert any(step.shown for step in steps)
    for step in steps:
        shown = step.shown["text"] if step.shown else ""
        if step.shown:
            assert words(step.printed) == words(shown), step.command
        scores = zip(DECIBELS.findall(step.printed), DECIBELS.findall(shown), strict=True)
        for score, on_page in scores:
            assert float(score) == pytest.approx(float(on_page), abs=DECIBELS_BETWEEN_MACHINES)


def test_a_command_that_fails_is_told(runner, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```bash\nclip-denoise denoise missing.tif out.tif\n```\n")
    with pytest.raises(RuntimeError, match=r"missing\.tif"):
        list(runner.do(page, tmp_path))


def test_each_tutorial_is_in_the_list():
    listed = re.findall(r"\]\(([a-z-]+\.md)\)", (DOCS / "tutorials" / "index.md").read_text())
    assert sorted(listed) == [page.name for page in PAGES]
