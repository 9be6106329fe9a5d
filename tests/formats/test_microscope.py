"""CZI, ND2, LIF and DV files, opened through bioio."""

import importlib
import sys
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import tifffile
import xarray as xr

import microscopes
from microscopes import COLOURS, INTERVAL, PIXEL_SIZES, noisy, write_czi, write_lif, write_nd2
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import open_again, open_stack
from napari_clip_denoise.formats.discover import find_sources
from napari_clip_denoise.formats.fingerprint import source_fingerprint
from napari_clip_denoise.formats.outputs import each_image, plan_outputs
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.training.data.sources import open_sources

Reader = pytest.importorskip("bioio_base.reader").Reader

WRITERS = {".czi": write_czi, ".lif": write_lif, ".nd2": write_nd2}
SCENES = {"left": noisy((3, 2, 4, 40, 48)), "right": noisy((3, 2, 4, 40, 48), 1)}
READ_A_PLANE = {
    ".czi": ("aicspylibczi.CziFile", "read_image"),
    ".lif": ("liffile.LifImageFrames", "asarray"),
    ".nd2": ("nd2.ND2File", "read_frame"),
}
"""The method of each library that reads pixels."""
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}


@pytest.fixture(params=WRITERS)
def file(request, tmp_path):
    """A file of two scenes of TCZYX."""
    path = tmp_path / f"cells{request.param}"
    WRITERS[request.param](path, SCENES)
    return path


@pytest.fixture
def plugin(monkeypatch):
    """Let a reader class be the only one that is installed, for a suffix."""

    def install(reader, suffix):
        entry = SimpleNamespace(
            entrypoint=SimpleNamespace(name="bioio-other"),
            metadata=SimpleNamespace(get_reader=lambda: reader),
        )
        plugins = {suffix: [entry]} if reader else {}
        monkeypatch.setattr("bioio.plugins.get_plugins", lambda use_cache: plugins)

    return install


def pixels(stack):
    return stack.read(whole(stack.shape))


def in_order(stack, axes="tczyx"):
    return np.transpose(pixels(stack), [stack.axes.index(axis) for axis in axes])


def test_each_scene_has_its_pixels_sizes_and_channels(file):
    for number, (name, expected) in enumerate(SCENES.items()):
        stack = open_stack(file, series=name)
        np.testing.assert_array_equal(in_order(stack), expected)
        np.testing.assert_array_equal(pixels(open_stack(file, series=number)), pixels(stack))
        np.testing.assert_array_equal(pixels(open_again(stack.opening)), pixels(stack))
        assert stack.opening.series == number
        known = dict(zip(stack.axes, stack.metadata.scale, strict=True))
        units = dict(zip(stack.axes, stack.metadata.units, strict=True))
        times = {} if file.suffix == ".czi" else {"t": INTERVAL}  # the writer records no times
        assert {axis: known[axis] for axis in PIXEL_SIZES} == pytest.approx(PIXEL_SIZES)
        assert {axis: known[axis] for axis in times} == times
        assert {axis: units[axis] for axis in (*PIXEL_SIZES, *times)} == {
            axis: UNITS[axis] for axis in (*PIXEL_SIZES, *times)
        }
        if file.suffix == ".lif":  # its channels are named after their look-up tables
            assert stack.metadata.channel_names == ("Green", "Red")
        else:
            assert stack.metadata.channel_names == tuple(COLOURS)
            assert stack.metadata.channel_colors == tuple(COLOURS.values())


def test_a_plane_is_read_without_the_others(file, monkeypatch):
    owner, method = READ_A_PLANE[file.suffix]
    module, name = owner.split(".")
    original = getattr(getattr(importlib.import_module(module), name), method)
    sizes = []

    def counted(*args, **options):
        result = original(*args, **options)
        sizes.append((result[0] if isinstance(result, tuple) else result).size)
        return result

    stack = open_stack(file, series=1)
    monkeypatch.setattr(f"{owner}.{method}", counted)
    index = dict.fromkeys(stack.axes, slice(1, 2)) | {"y": slice(3, 9), "x": slice(40, 48)}
    part = stack.read(tuple(index[axis] for axis in stack.axes))
    np.testing.assert_array_equal(part.squeeze(), SCENES["right"][1, 1, 1, 3:9, 40:48])
    n_together = 2 if file.suffix == ".nd2" else 1  # its channels are interleaved
    assert sizes == [n_together * 40 * 48]


def test_what_is_not_chosen_or_not_there_is_said(file):
    with pytest.raises(
        InputError, match=r"holds 2 images; .*--series 0 to 1 .*its name \(left, right\)\."
    ):
        open_stack(file)
    with pytest.raises(InputError, match="has no image 2; it holds 2"):
        open_stack(file, series=2)
    with pytest.raises(InputError, match="has no image 'middle'; it holds left, right"):
        open_stack(file, series="middle")


def test_a_changed_file_or_another_scene_has_another_fingerprint(file):
    first = source_fingerprint(open_stack(file, series="left"))
    assert source_fingerprint(open_stack(file, series=0)) == first
    assert source_fingerprint(open_stack(file, series=1))["source"] != first["source"]
    file.unlink()
    WRITERS[file.suffix](file, {name: image + 1 for name, image in SCENES.items()})
    changed = source_fingerprint(open_stack(file, series=0))
    assert {key for key in first if first[key] != changed[key]} >= {"source files", "source pixels"}


def test_axes_of_length_1_are_left_out_but_a_named_channel_stays(tmp_path):
    write_czi(tmp_path / "a.czi", {"only": noisy((4, 1, 1, 40, 48))})
    stack = open_stack(tmp_path / "a.czi")
    assert (stack.axes, stack.shape) == ("tcyx", (4, 1, 40, 48))
    assert stack.metadata.channel_names == ("DAPI",)
    assert open_stack(tmp_path / "a.czi", "zcyx").axes == "zcyx"


def test_a_mosaic_is_put_together(tmp_path):
    expected = noisy((1, 2, 1, 40, 150))
    write_czi(tmp_path / "a.czi", {"only": expected}, tiles=3)
    stack = open_stack(tmp_path / "a.czi")
    assert stack.axes == "cyx"
    np.testing.assert_array_equal(pixels(stack), expected[0, :, 0])
    assert stack.array.chunksize == (1, 40, 50)  # a window reads only the tiles beneath it


def test_colours_that_would_be_mixed_up_are_refused(tmp_path):
    write_czi(tmp_path / "a.czi", {"only": noisy((1, 1, 1, 40, 48, 3)).astype("u1")})
    with pytest.raises(InputError, match=r"a\.czi holds RGB colours, which bioio-czi mixes up"):
        open_stack(tmp_path / "a.czi")


def test_a_deltavision_file(tmp_path):
    import mrc

    expected = noisy((3, 4, 40, 48)).astype(np.int16)
    sizes = {f"d{axis}": size for axis, size in PIXEL_SIZES.items()}
    mrc.save(expected, str(tmp_path / "a.dv"), zAxisOrder="t z", metadata=sizes)
    stack = open_stack(tmp_path / "a.dv")
    assert in_order(stack, "tczyx").shape == (3, 1, 4, 40, 48)
    np.testing.assert_array_equal(in_order(stack, "tczyx")[:, 0], expected)
    known = dict(zip(stack.axes, stack.metadata.scale, strict=True))
    assert {axis: known[axis] for axis in "zyx"} == pytest.approx(PIXEL_SIZES)
    assert stack.metadata.units[-3:] == ("micrometer",) * 3


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_damaged_file_is_told(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"no image at all" * 99)
    with pytest.raises(InputError, match=rf"No reader reads .*a\{suffix} .*bioio-{suffix[1:]}"):
        open_stack(path)


@pytest.mark.parametrize("is_bioio_there", [True, False])
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.czi", r"bioio-czi, .*pip install \"napari-clip-denoise\[czi\]\"\."),
        ("a.nd2", r"bioio-nd2, .*pip install \"napari-clip-denoise\[bioio\]\"\."),
        ("a.vsi", r"bioio-bioformats, .*pip install bioio bioio-bioformats\."),
    ],
)
def test_a_missing_reader_is_named(tmp_path, monkeypatch, plugin, is_bioio_there, name, advice):
    (tmp_path / name).write_bytes(b"pixels")
    if is_bioio_there:
        plugin(None, "")
    else:
        monkeypatch.setitem(sys.modules, "bioio.plugins", None)
    with pytest.raises(InputError, match=rf"needs {advice}"):
        open_stack(tmp_path / name)


class Tiles(Reader):
    """Tiles of a mosaic, by a reader that does not put them together and knows other axes."""

    dimensions = "MHYX"
    image = noisy((2, 3, 40, 48))

    def __init__(self, image):
        self.scenes_ = ("only",)

    @staticmethod
    def _is_supported_image(fs, path, **kwargs):
        return True

    @property
    def scenes(self):
        return self.scenes_

    def _read_delayed(self):
        attrs = {"unprocessed": {}}
        array = da.from_array(self.image, chunks=(1, 1, 40, 48))
        return xr.DataArray(array, dims=list(self.dimensions), attrs=attrs)

    _read_immediate = _read_delayed


def test_other_readers_are_asked_and_tiles_that_they_leave_are_refused(tmp_path, plugin):
    (tmp_path / "a.abc").write_bytes(b"pixels")
    with pytest.raises(InputError, match=r"format of .* is not known"):
        open_stack(tmp_path / "a.abc")
    plugin(Tiles, ".abc")
    with pytest.raises(InputError, match="mosaic of tiles, which bioio-other does not put"):
        open_stack(tmp_path / "a.abc")
    plugin(type("Phases", (Tiles,), {"dimensions": "THYX"}), ".abc")
    stack = open_stack(tmp_path / "a.abc")
    assert stack.axes == "thyx"
    assert stack.metadata.units == (None,) * 4
    np.testing.assert_array_equal(pixels(stack), Tiles.image)
    assert plan_outputs(each_image([tmp_path / "a.abc"]), "out")[0].name == "a.ome.zarr"


def test_names_of_scenes_do_not_choose_images_that_have_none(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noisy((30, 30)))
    with pytest.raises(InputError, match="have numbers, not names such as 'left'"):
        open_stack(tmp_path / "a.tif", series="left")


def test_folders_list_them_and_each_scene_has_its_own_result(file, tmp_path):
    assert find_sources([tmp_path]) == [file]
    images = each_image([file])
    assert [image.series for image in images] == [0, 1]
    names = [path.name for path in plan_outputs(images, "out")]
    assert names == ["cells_left.ome.zarr", "cells_right.ome.zarr"]
    assert each_image([file], "right") == each_image([file], 1) == images[1:]
    assert [stack.shape for stack in open_sources(file)] == [open_stack(file, series=0).shape] * 2


@pytest.mark.parametrize(
    ("scenes", "names"),
    [
        (("A/1", "B 2: late"), ("a_A-1.ome.zarr", "a_B-2-late.ome.zarr")),
        (("A/1", "a 1"), ("a_0.ome.zarr", "a_1.ome.zarr")),
        (("Zelle µ", "?"), ("a_0.ome.zarr", "a_1.ome.zarr")),
    ],
)
def test_any_names_of_scenes_become_names_of_files(tmp_path, scenes, names):
    image = noisy((1, 1, 1, 30, 30))
    microscopes.write_czi(tmp_path / "a.czi", dict.fromkeys(scenes, image))
    outputs = plan_outputs(each_image([tmp_path / "a.czi"]), "out")
    assert tuple(path.name for path in outputs) == names
