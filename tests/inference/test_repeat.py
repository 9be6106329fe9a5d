import shlex
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_clip_denoise import denoise
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.inference.settings import as_command, as_python, make_settings


def test_only_what_differs_from_the_defaults_is_written():
    settings = make_settings(
        intensity=(-1024, 3072.5), strength=0.5, self_ensemble=True, output_dtype="float32"
    )
    assert as_command(settings, "my stack.tif", "b.ome.zarr", "zyx") == (
        "clip-denoise denoise 'my stack.tif' b.ome.zarr --axes=zyx "
        "--intensity=-1024.0,3072.5 --strength=0.5 --self-ensemble --dtype=float32"
    )
    assert "model" not in as_python(make_settings(), "a.tif", "b.zarr", "yx")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {
            "intensity": (-5.0, 900.0),
            "strength": 0.7,
            "self_ensemble": True,
            "output_dtype": "float32",
            "batch": 2,
        },
    ],
    ids=["defaults", "all"],
)
def test_both_run_and_give_the_same_pixels(tmp_path, tiny, tiny_file, values):
    image = np.random.default_rng(0).integers(0, 900, (3, 60, 70), np.uint16)
    source = tmp_path / "a stack.tif"
    tifffile.imwrite(source, image)
    settings = make_settings(model=str(tiny_file), device="cpu", **values)
    by_command, by_python = tmp_path / "command.ome.zarr", tmp_path / "python.ome.zarr"
    line = as_command(settings, str(source), str(by_command), "zyx")
    main = [sys.executable, "-c", "from napari_clip_denoise.cli.app import main; main()"]
    subprocess.run([*main, *shlex.split(line)[1:]], check=True)
    exec(as_python(settings, str(source), str(by_python), "zyx"))
    expected = denoise(image, tiny, axes="zyx", device="cpu", **values)
    for store in (by_command, by_python):
        np.testing.assert_array_equal(np.asarray(open_stack(store).array), expected)
