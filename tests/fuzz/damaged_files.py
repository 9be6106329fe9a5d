"""Small damaged and odd files of every format, made from whole ones.

``python -m fuzz.damaged_files FOLDER`` (in ``tests``) writes them.
"""

import gzip
import itertools
import json
import os
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mrcfile
import nibabel
import numpy as np
import tifffile
import zarr
from PIL import Image

from medical import hounsfield, write_frames, write_series

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 999, (4, 24, 32), np.uint16)
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
CONTENTS = (b"", b"\0" * 300, b"no image", b"[]", b"null", b"{}", b"\xff" * 64)


def whole_files(folder: Path) -> list[Path]:
    """Write an undamaged file or store of each kind."""
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / "plain.tif", STACK)
    tifffile.imwrite(folder / "lzw.tif", STACK, compression="lzw", tile=(16, 16))
    tifffile.imwrite(folder / "zlib.ome.tif", STACK, compression="zlib", metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "imagej.tif", STACK, imagej=True, metadata={"axes": "ZYX"})
    np.save(folder / "a.npy", STACK)
    plane = (STACK[0] // 4).astype(np.uint8)
    for suffix in ("png", "jpg", "bmp"):
        Image.fromarray(plane).save(folder / f"a.{suffix}")
    nibabel.Nifti1Image(STACK.astype(np.int16), np.eye(4)).to_filename(folder / "a.nii")
    nibabel.Nifti1Image(STACK.astype(np.int16), np.eye(4)).to_filename(folder / "a.nii.gz")
    mrcfile.write(folder / "a.mrc", STACK.astype(np.int16))
    write_series(folder / "ct", hounsfield((3, 24, 32)))
    write_frames(folder / "frames.dcm", STACK, ENHANCED_CT)
    for version in (2, 3):
        group = zarr.create_group(folder / f"v{version}.zarr", zarr_format=version)
        group.create_array("0", data=STACK, chunks=(2, 24, 32))
        names = [{"name": axis, "type": "space"} for axis in "zyx"]
        steps = [{"type": "scale", "scale": [1, 1, 1]}]
        datasets = [{"path": "0", "coordinateTransformations": steps}]
        image = {"multiscales": [{"axes": names, "datasets": datasets}]}
        group.attrs.update(image if version == 2 else {"ome": {"version": "0.5", **image}})
    return sorted(folder.iterdir())


def damaged_files(folder: Path) -> Iterator[Path]:
    """Write damaged copies one by one, and files that claim what they do not hold.

    Parameters
    ----------
    folder : Path
        A new folder.

    Yields
    ------
    Path
        A file, store or folder of a series.
    """
    count = itertools.count()
    for whole in whole_files(folder / "whole"):
        inner = sorted(file for file in whole.rglob("*") if file.is_file()) or [whole]
        for file in _of_each_kind(inner):
            for damage in _damages(file.read_bytes()):
                place = folder / f"{next(count)}"
                copy = place / whole.name
                place.mkdir()
                (shutil.copytree if whole.is_dir() else shutil.copy)(whole, copy)
                damage(copy / file.relative_to(whole) if whole.is_dir() else copy)
                yield copy
    yield from _claims(folder)


def _of_each_kind(files: list[Path]) -> list[Path]:
    """Return one file for each name without its numbers."""
    kinds = {"".join(letter for letter in file.as_posix() if not letter.isdigit()): file
             for file in files}  # fmt: skip
    return list(kinds.values())


def _damages(content: bytes) -> list[Callable[[Path], object]]:
    def change(new: bytes) -> Callable[[Path], object]:
        return lambda file: file.write_bytes(new)

    changes = [change(new) for new in CONTENTS]
    changes += [change(content[: int(len(content) * part)]) for part in (0.02, 0.3, 0.7, 0.98)]
    for first, last in ((0, 64), (0, 512), (0, len(content)), (len(content) // 2, len(content))):
        flipped = bytearray(content)
        for place in RNG.integers(first, min(last, len(content)), 8):
            flipped[place] ^= 1 << int(RNG.integers(8))
        changes.append(change(bytes(flipped)))
    return [*changes, lambda file: file.unlink()]


def _claims(folder: Path) -> Iterator[Path]:
    """Write odd files: huge claims, pipes, wrong types and metadata."""
    place = folder / "claims"
    place.mkdir()
    for name, values in (
        ("complex", np.zeros((4, 5), complex)),
        ("line", np.zeros(9)),
        ("empty", np.zeros((0, 5))),
        ("text", np.zeros((4, 5), "U3")),
        ("bool", np.zeros((4, 5), bool)),
        ("nan", np.full((20, 30), np.nan)),
        ("scalar", np.zeros(())),
    ):
        np.save(place / f"{name}.npy", values)
        yield place / f"{name}.npy"
    header = (folder / "whole" / "a.npy").read_bytes()
    (place / "huge.npy").write_bytes(header.replace(b"(4, 24, 32)", b"(400000000, 2400, 3200)"))
    yield place / "huge.npy"
    nifti = bytearray((folder / "whole" / "a.nii").read_bytes())
    for number, sizes in enumerate(
        ([3, 32767, 32767, 32767, 1, 1, 1, 1], [7, *[99] * 7], [3, -4, 5, 6, 1, 1, 1, 1], [0] * 8)
    ):
        nifti[40:56] = struct.pack("<8h", *sizes)
        (place / f"{number}.nii").write_bytes(nifti)
        (place / f"{number}.nii.gz").write_bytes(gzip.compress(bytes(nifti)))
        yield place / f"{number}.nii"
        yield place / f"{number}.nii.gz"
    for number, shape in enumerate([(10**9, 10**6, 10**6), (1, 10**7, 10**7)]):
        zarr.create_array(place / f"{number}.zarr", shape=shape, chunks=shape, dtype="u2")
        yield place / f"{number}.zarr"
    for tag, value in (("ImageLength", 2**31 - 1), ("ImageWidth", 2**31 - 1), ("RowsPerStrip", 0)):
        shutil.copy(folder / "whole" / "lzw.tif", place / f"{tag}.tif")
        with tifffile.TiffFile(place / f"{tag}.tif", mode="r+b") as file:
            if tag in file.pages.first.tags:
                file.pages.first.tags[tag].overwrite(value)
        yield place / f"{tag}.tif"
    for number, ome in enumerate(
        (
            {"multiscales": []},
            {"multiscales": [{}]},
            {"multiscales": [{"axes": [], "datasets": []}]},
            {"multiscales": "x"},
            {"multiscales": [{"datasets": [{"path": "0"}]}]},
            {"multiscales": [{"datasets": [{"path": "9"}]}]},
            {"plate": {}},
            {"well": {}},
            {"omero": 5, "multiscales": [{"datasets": [{"path": "0"}]}]},
            {"omero": {"channels": [None]}, "multiscales": [{"datasets": [{"path": "0"}]}]},
            [],
        )
    ):
        shutil.copytree(folder / "whole" / "v3.zarr", place / f"ome{number}.zarr")
        file = place / f"ome{number}.zarr" / "zarr.json"
        content = json.loads(file.read_bytes())
        content["attributes"] = {"ome": ome}
        file.write_text(json.dumps(content))
        yield place / f"ome{number}.zarr"
    if hasattr(os, "mkfifo"):
        for name in ("pipe.tif", "pipe.npy", "pipe.nii", "pipe.dcm"):
            os.mkfifo(place / name)
            yield place / name
    for name in ("folder.tif", "folder.npy", "folder.nii", "folder"):
        (place / name).mkdir()
        yield place / name
    (place / "folder.zarr").mkdir()
    yield place / "folder.zarr"


if __name__ == "__main__":
    print(sum(1 for _ in damaged_files(Path(sys.argv[1]))), "files")
