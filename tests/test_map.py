"""The map for developers names what there is."""

import re
from pathlib import Path

import napari_clip_denoise

PACKAGE = Path(napari_clip_denoise.__file__).parent
PAGE = Path(__file__).parent.parent / "docs" / "developers.md"


def test_it_names_every_module():
    page = PAGE.read_text()
    packages = page[page.index("## Packages") : page.index("`lint-imports`")]
    named = set(re.findall(r"[a-z_0-9]+", packages))
    modules = {path.stem for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"}
    commands = {path.stem for path in (PACKAGE / "cli").glob("*.py")}
    objectives = {path.stem for path in (PACKAGE / "training/finetune/objectives").glob("*.py")}
    assert sorted(modules - commands - objectives - named) == []


def test_it_leads_to_files_that_exist():
    page = PAGE.read_text()
    table = page[page.index("## Where is") : page.index("## Packages")]
    paths = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", table)
    assert len(paths) > 20
    assert [path for path in paths if not (PACKAGE / path).exists()] == []
