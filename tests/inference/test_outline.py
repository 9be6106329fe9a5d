import dask.array as da
import numpy as np

from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.outline import make_outline


def test_planes_regions_and_bytes_are_counted(tmp_path):
    stack = as_stack(da.zeros((3, 40, 1000, 1000), dtype=np.uint8), "tzyx")
    in_memory = make_outline(stack, None, "float32")
    assert (in_memory.planes, in_memory.regions) == (120, 30)
    assert in_memory.result_bytes == 120 * 4 * 10**6
    assert in_memory.free_bytes > 0
    stored = make_outline(stack, tmp_path / "a.zarr")
    assert stored.regions == 9
    assert stored.result_bytes == 120 * 10**6 * 4 // 3
