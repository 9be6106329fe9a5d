"""Pack a kit that goes on with trainings on a machine with a GPU and without network.

In ``tests``: ``python -m benchmarks.gpu_kit.pack --help``. See docs/research/gpu.md.
"""

import importlib.metadata
import json
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.gpu_kit.files import bring
from benchmarks.gpu_kit.images import pack_images
from napari_clip_denoise.training.pretrain.fit import LAST_STATE, LOG
from napari_clip_denoise.training.pretrain.recipe import load_recipe

ROOT = Path(__file__).parents[3]
PRODUCT = "napari-clip-denoise"
NEEDED = (PRODUCT, "nibabel", "pydicom", "pytest", "pytest-timeout", "hypothesis")
PRESENT = ("timm", "torchvision", "safetensors")
"""What the machine has besides torch and all that torch requires."""
MOST_DATA = 49.0
"""In MB."""


def pack(options: Namespace) -> None:
    """Write the kit to a folder."""
    kit = options.kit
    kit.mkdir(parents=True)
    trainings = []
    weights: dict[str, float] = {}
    for recipe_path, *given in options.training:
        recipe = load_recipe(recipe_path)
        settings = dict(part.split("=", 1) for part in given)
        weights |= {group.folder: group.weight for group in recipe.groups}
        shutil.copyfile(recipe_path, kit / f"{recipe.name}.yaml")
        for name in (LAST_STATE, LOG) if "run" in settings else ():
            bring(Path(settings["run"]) / name, kit / recipe.name / name)
        init_from = settings.get("from")
        trainings.append({"recipe": f"{recipe.name}.yaml", "init_from": init_from})
    (kit / "trainings.json").write_text(json.dumps(trainings))
    packed = pack_images(options.data, kit / "data.tar", weights, round(options.most * 1e6))
    size = (kit / "data.tar").stat().st_size
    print(f"{size / 1e6:.1f} MB of images:", ", ".join(f"{k} {v}" for k, v in packed.items()))
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "tests", kit / "tests", ignore=ignored)
    shutil.copyfile(ROOT / "pyproject.toml", kit / "pyproject.toml")
    shutil.copyfile(Path(__file__).with_name("run.py"), kit / "run.py")
    if not options.no_wheels:
        _wheels(kit / "wheels", options)


def versions_to_pack() -> dict[str, str]:
    """Return name and version of each package that the kit needs and the machine lacks."""
    present: dict[str, str] = {}
    _close(["torch"], present)
    wanted = dict.fromkeys(map(canonicalize_name, PRESENT), "")
    wanted |= present
    _close(NEEDED, wanted)
    return {name: version for name, version in wanted.items() if version and name not in present}


def _close(names: Sequence[str], found: dict[str, str]) -> None:
    """Add packages and all that they require to `found`."""
    for name in names:
        if canonicalize_name(name) in found:
            continue
        distribution = importlib.metadata.distribution(name)
        found[canonicalize_name(name)] = distribution.version
        for required in map(Requirement, distribution.requires or []):
            if required.marker is None or required.marker.evaluate({"extra": ""}):
                _close([required.name], found)


def _wheels(folder: Path, options: Namespace) -> None:
    pip = [sys.executable, "-m", "pip"]
    versions = versions_to_pack()
    del versions[PRODUCT]
    own = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(own, check=True)
    others = [*pip, "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
    if options.python:
        others += ["--python-version", options.python, "--implementation", "cp"]
    for platform in options.platform or ():
        others += ["--platform", platform]
    subprocess.run([*others, *(f"{name}=={versions[name]}" for name in versions)], check=True)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(versions) + 1} wheels in {size / 1e6:.0f} MB")


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, and pack."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kit", type=Path, help="Folder to create.")
    parser.add_argument("--data", type=Path, required=True, help="Folder of the image groups.")
    parser.add_argument(
        "--training",
        nargs="+",
        action="append",
        required=True,
        metavar=("RECIPE", "KEY=VALUE"),
        help="A recipe, run=FOLDER with its last state, from=NAME of the recipe it starts from; "
        "may be repeated, in the order of training.",
    )
    parser.add_argument("--most", type=float, default=MOST_DATA, help="MB of images at most.")
    parser.add_argument("--no-wheels", action="store_true", help="Pack no wheels.")
    parser.add_argument("--python", help="Python of the machine, such as 3.12.")
    parser.add_argument("--platform", action="append", help="Platform of the machine's wheels.")
    pack(parser.parse_args(arguments))


if __name__ == "__main__":
    main()
