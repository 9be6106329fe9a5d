"""Small files of microscopes: CZI by Zeiss's own writer, LIF and ND2 byte by byte."""

import struct
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

for _library in ("bioio_czi", "bioio_lif", "bioio_nd2", "bioio_dv", "pylibCZIrw"):
    pytest.importorskip(_library, reason="the extra test-more is not installed")

PIXEL_SIZES = {"z": 0.5, "y": 0.1, "x": 0.1}
"""In micrometres."""
INTERVAL = 2.5
"""Seconds between two time points."""
COLOURS = {"DAPI": "0000FF", "GFP": "00FF00"}
METERS = 1e-6


def noisy(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return photons of shot noise, uint16."""
    return np.random.default_rng(seed).poisson(200, shape).astype(np.uint16)


def write_czi(path: Path, scenes: dict[str, np.ndarray], *, tiles: int = 1) -> None:
    """Write a CZI file.

    Parameters
    ----------
    path : Path
        The file.
    scenes : dict of str to numpy.ndarray
        Image of each scene by its name: TCZYX, or TCZYXS with the samples in the order RGB.
    tiles : int
        Number of tiles of a mosaic, side by side, into which each plane is cut.
    """
    from pylibCZIrw import czi

    with czi.create_czi(str(path)) as file:
        for number, image in enumerate(scenes.values()):
            for t, c, z in np.ndindex(image.shape[:3]):
                plane = image[t, c, z]
                plane = plane[..., ::-1] if image.ndim == 6 else plane[..., None]
                at = number * 1000
                for tile in np.array_split(plane, tiles, axis=1):
                    place = {"T": t, "C": c, "Z": z}
                    file.write(np.ascontiguousarray(tile), (at, 0), place, scene=number)
                    at += tile.shape[1]
        file.write_metadata(
            channel_names=dict(enumerate(COLOURS)),
            **{f"scale_{axis}": size * METERS for axis, size in PIXEL_SIZES.items()},
        )
    with czi.edit_czi(str(path)) as editor, editor.edit_session() as builder:
        builder.set_xml(_with_scenes(builder.get_xml(), list(scenes), image.shape[1]))


def _with_scenes(text: str, names: list[str], n_channels: int) -> str:
    """Add the names of the scenes and the colours of the channels, as a microscope does."""
    root = ElementTree.fromstring(text)
    dimensions = root.find("./Metadata/Information/Image/Dimensions")
    scenes = ElementTree.SubElement(ElementTree.SubElement(dimensions, "S"), "Scenes")
    for number, name in enumerate(names):
        ElementTree.SubElement(scenes, "Scene", Index=str(number), Name=name)
    shown = ElementTree.SubElement(root.find("./Metadata"), "DisplaySetting")
    channels = ElementTree.SubElement(shown, "Channels")
    for number, (name, colour) in enumerate(list(COLOURS.items())[:n_channels]):
        channel = ElementTree.SubElement(channels, "Channel", Id=f"Channel:{number}", Name=name)
        ElementTree.SubElement(channel, "Color").text = f"#FF{colour}"
    return ElementTree.tostring(root, encoding="unicode")


def write_lif(path: Path, scenes: dict[str, np.ndarray]) -> None:
    """Write a LIF file: an XML header, then the pixels of each image as a block of memory.

    Parameters
    ----------
    path : Path
        The file.
    scenes : dict of str to numpy.ndarray
        Image of each scene by its name, TCZYX of uint16.
    """
    images = "".join(_lif_image(name, i, image) for i, (name, image) in enumerate(scenes.items()))
    header = (
        '<LMSDataContainerHeader Version="2"><Element Name="test"><Children>'
        f"{images}</Children></Element></LMSDataContainerHeader>"
    )
    blocks = [_lif_text(header)]
    for number, image in enumerate(scenes.values()):
        name = f"MemBlock_{number}"
        text = name.encode("utf-16-le")
        head = struct.pack("<BQBI", 0x2A, image.nbytes, 0x2A, len(name))
        blocks.append(struct.pack("<II", 0x70, len(head) + len(text)) + head + text)
        blocks.append(np.moveaxis(image, 1, 2).astype("<u2").tobytes())
    path.write_bytes(b"".join(blocks))


def _lif_text(text: str) -> bytes:
    encoded = text.encode("utf-16-le")
    return struct.pack("<IIBI", 0x70, len(encoded) + 5, 0x2A, len(text)) + encoded


def _lif_image(name: str, number: int, image: np.ndarray) -> str:
    n_times, n_channels, n_planes, height, width = image.shape
    plane = height * width * 2
    steps = {
        1: (width, PIXEL_SIZES["x"] * METERS, "m", 2),
        2: (height, PIXEL_SIZES["y"] * METERS, "m", width * 2),
        3: (n_planes, PIXEL_SIZES["z"] * METERS, "m", plane * n_channels),
        4: (n_times, INTERVAL, "s", plane * n_channels * n_planes),
    }
    dimensions = "".join(
        f'<DimensionDescription DimID="{axis}" NumberOfElements="{size}" Origin="0" '
        f'Length="{step * (size - 1)}" Unit="{unit}" BytesInc="{stride}" BitInc="0"/>'
        for axis, (size, step, unit, stride) in steps.items()
        if size > 1
    )
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" '
        f'NameOfMeasuredQuantity="" Min="0" Max="65535" Unit="" LUTName="{colour}" '
        f'IsLUTInverted="0" BytesInc="{i * plane}" BitInc="0"/>'
        for i, colour in zip(range(n_channels), ("Green", "Red"), strict=False)
    )
    return (
        f'<Element Name="{name}"><Data><Image><ImageDescription><Channels>{channels}</Channels>'
        f"<Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{image.nbytes}" MemoryBlockID="MemBlock_{number}"/></Element>'
    )


def write_nd2(path: Path, scenes: dict[str, np.ndarray]) -> None:
    """Write an ND2 file of version 3: chunks, and a map of them at the end.

    Parameters
    ----------
    path : Path
        The file.
    scenes : dict of str to numpy.ndarray
        Image of each position by its name, TCZYX of uint16, all of one shape.
    """
    images = list(scenes.values())
    n_times, n_channels, n_planes, height, width = images[0].shape
    frames = [
        np.moveaxis(image[t, :, z], 0, -1)
        for t, image, z in product(range(n_times), images, range(n_planes))
    ]
    attributes = {
        "uiWidth": width,
        "uiHeight": height,
        "uiWidthBytes": width * n_channels * 2,
        "uiComp": n_channels,
        "uiBpcInMemory": 16,
        "uiBpcSignificant": 16,
        "uiSequenceCount": len(frames),
        "eCompression": 2,
    }
    planes = {
        f"a{i}": {
            "sDescription": name,
            "uiColor": _bgr(colour),
            "uiCompCount": 1,
            "pFluorescentProbe": {"m_sName": name},
        }
        for i, (name, colour) in zip(range(n_channels), COLOURS.items(), strict=False)
    }
    picture = {
        "bCalibrated": True,
        "dCalibration": PIXEL_SIZES["x"],
        "sPicturePlanes": {"uiCount": n_channels, "sPlaneNew": planes},
    }
    chunks = {
        "ImageAttributesLV!": _lite({"SLxImageAttributes": attributes}),
        "ImageMetadataSeqLV|0!": _lite({"SLxPictureMetadata": picture}),
        "ImageMetadataLV!": _lite({"SLxExperiment": _loops(n_times, list(scenes), n_planes)}),
        "CustomData|AcqTimesCache!": np.arange(len(frames), dtype="<f8").tobytes(),
    }
    for number, frame in enumerate(frames):
        chunks[f"ImageDataSeq|{number}!"] = struct.pack("<d", 0) + frame.astype("<u2").tobytes()
    _write_chunks(path, chunks)


def _bgr(colour: str) -> int:
    return int.from_bytes(bytes.fromhex(colour), "little")


def _loops(n_times: int, names: list[str], n_planes: int) -> dict:
    """Describe the order of the frames: times, in them positions, in them planes."""
    points = {
        f"p{i}": {"dPosX": 0.0, "dPosY": 0.0, "dPosZ": 0.0, "dPosName": name}
        for i, name in enumerate(names)
    }
    time = {"uiCount": n_times, "dStart": 0.0, "dPeriod": INTERVAL * 1e3, "dDuration": 0.0}
    step = PIXEL_SIZES["z"]
    depth = {"uiCount": n_planes, "dZStep": step, "dZLow": 0.0, "dZHigh": step * (n_planes - 1)}
    levels = [(1, time), (2, {"Points": points}), (4, depth)]
    nested: dict = {}
    for kind, parameters in reversed(levels):
        inner = {"ppNextLevelEx": {"i0": nested}} if nested else {}
        nested = {"eType": kind, "uLoopPars": parameters, **inner}
    return nested


def _lite(values: dict) -> bytes:
    """Encode nested values: type, length of the name, name and value of each."""
    parts = []
    for name, value in values.items():
        named = bytes([len(name) + 1]) + (name + "\0").encode("utf-16-le")
        if isinstance(value, dict):
            inner = _lite(value)
            head = struct.pack("<IQ", len(value), 1 + len(named) + 12 + len(inner))
            parts.append(b"\x0b" + named + head + inner + bytes(8 * len(value)))
        elif isinstance(value, bool):
            parts.append(b"\x01" + named + struct.pack("<B", value))
        elif isinstance(value, int):
            parts.append(b"\x03" + named + struct.pack("<I", value))
        elif isinstance(value, float):
            parts.append(b"\x06" + named + struct.pack("<d", value))
        else:
            parts.append(b"\x08" + named + (value + "\0").encode("utf-16-le"))
    return b"".join(parts)


def _write_chunks(path: Path, chunks: dict[str, bytes]) -> None:
    """Write chunks, and the map that finds them; pixels start 4096 bytes after their chunk."""
    signature = b"ND2 FILE SIGNATURE CHUNK NAME01!"
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!"
    places = b""
    with path.open("wb") as file:
        file.write(struct.pack("<IIQ", 0x0ABECEDA, 32, 64) + signature + b"Ver3.0".ljust(64, b"\0"))
        for name, data in chunks.items():
            places += name.encode() + struct.pack("<QQ", file.tell(), len(data))
            file.write(_chunk(name.encode(), data, 4096 - 24))
        start = file.tell()
        places += end + struct.pack("<Q", start)
        file.write(_chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", places, 32))


def _chunk(name: bytes, data: bytes, space: int) -> bytes:
    return struct.pack("<IIQ", 0x0ABECEDA, space, len(data)) + name.ljust(space, b"\0") + data
