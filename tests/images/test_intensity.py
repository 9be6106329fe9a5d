import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images import channel_sample
from napari_clip_denoise.images.channel_sample import MAX_PLANES, WINDOW_SIDE
from napari_clip_denoise.images.intensity import ChannelMapping, estimate_mapping, parse_intensity
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.anscombe import AnscombeTransform
from napari_clip_denoise.noise.estimate import estimate_noise
from napari_clip_denoise.noise.simulation import fluorescence


def pairs(stack, intensity):
    mapping = estimate_mapping(stack, intensity)
    return tuple((channel.low, channel.high) for channel in mapping.channels)


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).gamma(2, 500, (40, 64, 64)).astype(np.uint16)


def test_percentiles_of_a_sample_are_those_of_the_stack(values):
    ((low, high),) = pairs(as_stack(values), "percentile")
    np.testing.assert_allclose((low, high), np.percentile(values, (1, 99)), rtol=0.03)


def test_extremes_are_exact(values):
    values = values.copy()
    values[17, 3, 5] = 60000
    assert pairs(as_stack(values), "minmax") == ((values.min(), 60000),)


def test_large_planes_are_sampled_in_pieces():
    plane = np.random.default_rng(0).normal(100, 10, (3000, 2500))
    ((low, high),) = pairs(as_stack(plane), "percentile")
    np.testing.assert_allclose((low, high), np.percentile(plane, (1, 99)), rtol=0.01)


@pytest.mark.parametrize(
    ("intensity", "dtype", "expected"),
    [
        ("dtype", "u1", (0, 255)),
        ("dtype", "i2", (-32768, 32767)),
        ("dtype", "f4", (0, 1)),
        ("window", "i2", (-1024, 3072)),
        ((3.0, 9.0), "u2", (3, 9)),
    ],
)
def test_fixed_ranges(intensity, dtype, expected):
    stack = as_stack(np.zeros((4, 5), dtype))
    assert pairs(stack, intensity) == (expected,)


def test_channels_are_measured_apart(values):
    both = np.stack([values[:3], values[:3] // 100], axis=1)
    first, second = pairs(as_stack(both, "zcyx"), "percentile")
    assert first[1] > 50 * second[1]


def test_values_that_are_not_finite_do_not_count():
    image = np.linspace(0, 1, 10000).reshape(100, 100)
    image[0, :50] = np.nan
    image[1, :50] = np.inf
    ((low, high),) = pairs(as_stack(image), "percentile")
    assert 0 < low < 0.1
    assert 0.9 < high < 1


def test_a_mostly_constant_channel_falls_back_to_its_extremes():
    image = np.zeros((100, 100))
    image[50, 50] = 7
    assert pairs(as_stack(image), "percentile") == ((0, 7),)


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6))
def test_a_pair_is_read_back(low, span):
    assert parse_intensity(f"{low!r},{low + span!r}") == (low, low + span)


@pytest.mark.parametrize("text", ["best", "1", "1,2,3", "5,5", "9,2", "nan,1", "0,inf", ""])
def test_unusable_settings_are_refused(text):
    with pytest.raises(InputError, match=r"give (one of|two finite)"):
        parse_intensity(text)


def shot_noise(gain=8.0, photons=20.0):
    clean = fluorescence((300, 300), seed=3)
    return acquire(clean, gain=gain, photons=photons, offset=100)


def test_shot_noise_is_found_and_stabilised():
    (channel,) = estimate_mapping(as_stack(shot_noise().noisy), "anscombe").channels
    assert channel.anscombe.gain == pytest.approx(8, rel=0.15)
    taken = shot_noise()
    error = channel.normalize(taken.noisy) - channel.normalize(taken.truth.astype(np.uint16))
    dim, bright = taken.truth < 150, taken.truth > 230
    assert error[bright].std() == pytest.approx(error[dim].std(), rel=0.2)
    raw = taken.noisy - taken.truth
    assert raw[bright].std() > 1.5 * raw[dim].std()


def test_noise_is_measured_in_as_many_pixels_of_large_planes_as_of_small_ones(monkeypatch):
    ramp = np.linspace(10, 400, 32) * np.ones((20, 4000, 1))
    measured = []

    def measure(planes):
        measured.extend(planes)
        return estimate_noise(measured)

    monkeypatch.setattr(channel_sample, "estimate_noise", measure)
    stack = as_stack(np.random.default_rng(0).poisson(ramp).astype(np.uint16))
    (channel,) = estimate_mapping(stack, "anscombe").channels
    assert [plane.shape for plane in measured] == [(WINDOW_SIDE, 32)] * MAX_PLANES
    assert channel.anscombe.gain == pytest.approx(1, rel=0.1)


def test_noise_that_does_not_grow_is_not_stabilised():
    rng = np.random.default_rng(0)
    plane = 1000 * fluorescence((200, 200), seed=1) + rng.normal(0, 60, (200, 200))
    stack = as_stack(plane)
    assert estimate_mapping(stack, "anscombe") == estimate_mapping(stack, "percentile")


def test_noise_that_neighbours_share_is_not_stabilised():
    taken = shot_noise()
    for width, is_stabilised in ((0, True), (0.8, False)):
        noise = gaussian_filter(taken.noisy - taken.truth, width)
        stack = as_stack(taken.truth + noise)
        (channel,) = estimate_mapping(stack, "anscombe").channels
        assert (channel.anscombe is not None) == is_stabilised


@pytest.mark.parametrize(
    "plane", [np.zeros((64, 64)), np.full((3, 5), 7), np.arange(12.0).reshape(3, 4), np.eye(64)]
)
def test_images_that_tell_nothing_about_noise_are_mapped_by_percentiles(plane):
    stack = as_stack(plane)
    assert estimate_mapping(stack, "anscombe") == estimate_mapping(stack, "percentile")


@pytest.mark.parametrize("intensity", ["anscombe", "percentile"])
def test_a_change_leads_from_the_noisy_to_the_clean_value(intensity):
    taken = shot_noise(photons=200.0)
    (channel,) = estimate_mapping(as_stack(taken.noisy), intensity).channels
    unit = channel.normalize(taken.noisy)
    aim = channel.normalize(np.full_like(taken.noisy, 900))
    change = channel.denormalize_change(taken.noisy, aim - unit)
    np.testing.assert_allclose(taken.noisy + change, 900, atol=0.3 * 8)
    nothing, all_of_it = np.zeros_like(unit), np.ones_like(unit)
    assert not channel.denormalize_change(taken.noisy, nothing, all_of_it).any()


@given(
    gain=st.floats(0.1, 100),
    offset=st.floats(-200, 1000),
    read_noise=st.floats(0, 10),
    photons=st.floats(0, 2000),
    share=st.floats(0, 1, width=32),
)
def test_what_was_denoised_follows_from_the_aim_alone(gain, offset, read_noise, photons, share):
    variance = read_noise**2 * gain**2
    transform = AnscombeTransform(gain, variance - gain * offset)
    channel = ChannelMapping(offset, offset + 3000 * gain, transform)
    noisy = offset + gain * (photons + np.linspace(-1, 1, 41) * np.sqrt(photons + read_noise**2))
    unit = channel.normalize(noisy)
    middle = np.full_like(unit, unit[20])
    results = noisy + channel.denormalize_change(noisy, middle - unit)
    assert (middle - unit == 0).any()
    assert np.ptp(results) < 1e-3 * gain
    nothing = np.zeros_like(unit)
    at_zero = channel.denormalize_change(noisy, nothing)
    beside = channel.denormalize_change(noisy, nothing + np.float32(1e-7))
    np.testing.assert_allclose(at_zero, beside, atol=0.01 * gain)
    assert not channel.denormalize_change(noisy, nothing, np.ones_like(unit)).any()
    partly = channel.denormalize_change(noisy, nothing, np.full_like(unit, share))
    np.testing.assert_allclose(partly, (1 - share) * at_zero, atol=1e-6 * gain)


def test_a_part_of_the_channels_keeps_its_mappings():
    both = np.stack([shot_noise().noisy, 3 * shot_noise().noisy])
    mapping = estimate_mapping(as_stack(both, "cyx"), "anscombe")
    assert mapping.part(1, 2).channel(0) == mapping.channel(1)
    assert mapping.channel(0) != mapping.channel(1)


@pytest.mark.parametrize("lowest", [-300, -1024, -2048])
def test_no_transform_lifts_low_values_to_its_floor(lowest):
    steps = np.linspace(lowest, 4095, 64).reshape(8, 8).astype(np.float32)
    chart = np.kron(steps, np.ones((32, 32), np.float32))
    (channel,) = estimate_mapping(as_stack(chart), "anscombe").channels
    change = channel.denormalize_change(chart, np.full(chart.shape, 1e-6, np.float32))
    assert np.abs(change).max() < 0.1


@pytest.mark.parametrize("read_noise", [0.5, 1.0, 3.0])
def test_a_dark_background_with_read_noise_is_stabilised(read_noise):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256]
    photons = 0.05 + 30 * np.exp(-((y - 128) ** 2 + (x - 128) ** 2) / 2000)
    noisy = 100 + 8 * (rng.poisson(photons) + rng.normal(0, read_noise, photons.shape))
    (channel,) = estimate_mapping(as_stack(noisy), "anscombe").channels
    assert channel.anscombe is not None
    assert channel.anscombe.gain == pytest.approx(8, rel=0.25)
