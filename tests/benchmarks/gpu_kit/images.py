"""Lossless packing of a folder of training images into one small file.

JPEG files become JPEG XL and come back byte for byte. TIFF files of 8 or 16 bits become JPEG 2000
and come back with the same pixels, axes and order of planes. All other files
come back byte for byte, but those of gzip, which are compressed anew.
"""

import gzip
import io
import json
import lzma
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import imagecodecs
import numpy as np
import tifffile

INDEX = "index.json"
CODED_TYPES = ("uint8", "uint16")


def pack_images(folder: Path, target: Path, weights: dict[str, float], most: int) -> dict[str, str]:
    """Pack the image groups of a folder, as many of their files as fit.

    Parameters
    ----------
    folder : Path
        Folder that contains a folder for each group.
    target : Path
        The file to write, a tar archive.
    weights : dict
        Weight of each group in the training, by the name of its folder. Groups that are too large
        for their part of the space lose files at random.
    most : int
        Space for all groups in bytes.

    Returns
    -------
    dict
        Packed files of all files, by group, such as ``"20 of 50"``.
    """
    coded = {group: [(path, *_coded(path)) for path in _files(folder / group)] for group in weights}
    budgets = divide(
        {group: sum(len(content) for *_, content in files) for group, files in coded.items()},
        weights,
        most,
    )
    index: list[dict[str, Any]] = []
    packed = {}
    with tarfile.open(target, "w") as archive:
        for group, files in coded.items():
            before, left = len(index), budgets[group]
            for place in np.random.default_rng(0).permutation(len(files)):
                path, how, content = files[place]
                if len(content) <= left:
                    left -= len(content)
                    member = str(len(index))
                    _add(archive, member, content)
                    name = path.relative_to(folder).as_posix()
                    index.append({"name": name, "member": member} | how)
            packed[group] = f"{len(index) - before} of {len(files)}"
        _add(archive, INDEX, json.dumps(index).encode())
    return packed


def divide(sizes: dict[str, int], weights: dict[str, float], most: int) -> dict[str, float]:
    """Divide space by weight among groups; what a small group leaves goes to the others.

    Parameters
    ----------
    sizes : dict
        Space that each group needs.
    weights : dict
        Weight of each group.
    most : int
        Space for all.
    """
    given: dict[str, float] = {}
    left = float(most)
    for group in sorted(sizes, key=lambda name: sizes[name] / weights[name]):
        open_weights = sum(weights[name] for name in sizes if name not in given)
        given[group] = min(sizes[group], left * weights[group] / open_weights)
        left -= given[group]
    return given


def unpack_images(source: Path, folder: Path) -> int:
    """Write the images of a packed file to a folder.

    Parameters
    ----------
    source : Path
        File written by `pack_images`.
    folder : Path
        The folder, created if needed.

    Returns
    -------
    int
        Number of written files.
    """
    with tarfile.open(source) as archive:
        index = json.loads(_member(archive, INDEX))
        for entry in index:
            name = PurePosixPath(entry["name"])
            if name.is_absolute() or ".." in name.parts:
                raise ValueError(f"{source} names a file outside the folder: {name}")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, entry, _member(archive, entry["member"]))
    return len(index)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _coded(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return how a file is coded, and its bytes."""
    content = path.read_bytes()
    if path.suffix in (".jpg", ".jpeg"):
        return {"code": "jpeg"}, imagecodecs.jpegxl_encode_jpeg(content)
    if path.suffix == ".gz":
        return {"code": "gzip"}, lzma.compress(gzip.decompress(content))
    if path.suffix in (".tif", ".tiff"):
        with tifffile.TiffFile(path) as file:
            pixels, axes = file.asarray(), file.series[0].axes
        if pixels.dtype.name in CODED_TYPES and pixels.ndim == len(axes):
            return _coded_pixels(pixels, axes)
    return {"code": "lzma"}, lzma.compress(content)


def _coded_pixels(pixels: np.ndarray, axes: str) -> tuple[dict[str, Any], bytes]:
    plane = pixels.shape[axes.index("Y") :]
    planes = [
        imagecodecs.jpeg2k_encode(np.ascontiguousarray(each), level=0, reversible=True)
        for each in pixels.reshape(-1, *plane)
    ]
    how = {"code": "planes", "shape": pixels.shape, "axes": axes, "sizes": [*map(len, planes)]}
    return how, b"".join(planes)


def _write(target: Path, entry: dict[str, Any], content: bytes) -> None:
    if entry["code"] == "jpeg":
        target.write_bytes(imagecodecs.jpegxl_decode_jpeg(content))
    elif entry["code"] == "gzip":
        target.write_bytes(gzip.compress(lzma.decompress(content), mtime=0))
    elif entry["code"] == "planes":
        parts = io.BytesIO(content)
        planes = [imagecodecs.jpeg2k_decode(parts.read(size)) for size in entry["sizes"]]
        pixels = np.stack(planes).reshape(entry["shape"])
        axes = entry["axes"]
        tifffile.imwrite(
            target,
            pixels,
            photometric="rgb" if axes.endswith("S") else "minisblack",
            metadata=None if "Q" in axes else {"axes": axes},
        )
    else:
        target.write_bytes(lzma.decompress(content))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()
