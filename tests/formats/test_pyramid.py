import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import as_stack


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(store_layout, "WHOLE_CHUNK_SIDE", 8)
    monkeypatch.setattr(store_layout, "CHUNK_SIDE", 4)
    monkeypatch.setattr(store_layout, "REGION_SIDE", 8)
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 100)


def store_and_read(array, path, version="0.5"):
    writer = create_writer(path, as_stack(array), array.dtype, ome_version=version)
    for region in split(array.shape, writer.region_shape):
        writer.write(region, array[region])
    return open_stack(writer.finish()).read(whole(array.shape))


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 21), st.integers(1, 21)),
    dtype=st.sampled_from(["u1", "<u2", ">i4", "<f4", "f8"]),
    version=st.sampled_from(["0.5", "0.4"]),
)
def test_what_was_stored_region_by_region_is_read_again(shape, dtype, version):
    array = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        read = store_and_read(array, Path(folder, "a.ome.zarr"), version)
    np.testing.assert_array_equal(read, array)


def test_pixels_need_not_be_contiguous(tmp_path):
    array = np.arange(6 * 20 * 9, dtype="u2").reshape(9, 20, 6).transpose(2, 1, 0)
    np.testing.assert_array_equal(store_and_read(array, tmp_path / "a.ome.zarr"), array)


def test_zarr_may_be_configured_to_encode_with_zarrs(tmp_path):
    pytest.importorskip("zarrs")
    array = np.random.default_rng(0).integers(0, 99, (5, 21, 13)).astype(">u2")
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        read = store_and_read(array, tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(read, array)
    np.testing.assert_array_equal(zarr.open(tmp_path / "a.ome.zarr")["0"][:], array)
