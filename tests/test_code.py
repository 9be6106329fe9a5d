import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=["lint", "format", "types"],
)
def test_the_code_is_clean(command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rooms_import_only_from_floors_below():
    floors = [
        {"errors", "text", "network", "images", "noise"},
        {"models"},
        {"inference", "training"},
        {"evaluation"},
        {"cli", "gui"},
    ]
    floor = {room: i for i, rooms in enumerate(floors) for room in rooms}
    package = ROOT / "src" / "napari_clip_denoise"
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for line in path.read_text().splitlines():
            words = line.split()
            if line.lstrip().startswith("from napari_clip_denoise."):
                other = words[1].split(".")[1]
                assert (
                    floor[other] < floor[room]
                    or other == room
                    or (floor[other] == floor[room] == 0)
                ), f"{path}: {line.strip()}"
            if room != "gui" and words[:1] in (["import"], ["from"]):
                top = words[1].split(".")[0]
                assert top not in {"napari", "magicgui", "qtpy", "superqt"}, f"{path}: {line}"
