"""The level of noise that neighbouring pixels share and that grows with the value."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.images.channel_sample import ChannelSample
from napari_clip_denoise.images.stack import as_stack


@pytest.mark.parametrize("width", [0.6, 0.8])
def test_the_level_of_blurred_shot_noise(width):
    rng = np.random.default_rng(0)
    truth = 20 + 400 * gaussian_filter((rng.random((400, 400)) > 0.998) * 30.0, 12)
    blurred = gaussian_filter(rng.standard_normal(truth.shape), width)
    noisy = truth + np.sqrt(2 * truth) * blurred / blurred.std()
    found = ChannelSample(as_stack(noisy.astype(np.float32))).noise(None)
    for value in np.quantile(truth, (0.1, 0.5, 0.9)):
        assert found.variance(value) == pytest.approx(2 * value, rel=0.2)


def test_some_planes_of_a_recorded_stack_are_as_noisy_as_all():
    folder = Path(str(resources.files("napari_clip_denoise.gui") / "sample_images"))
    stack = open_stack(folder / "nuclear_envelopes.ome.tif")
    some = as_stack(np.asarray(stack.array)[6:9], "zyx")
    of_all, of_some = (
        float(np.sqrt(ChannelSample(part).noise(None).variance(50.0))) for part in (stack, some)
    )
    assert of_some == pytest.approx(of_all, rel=0.2)
