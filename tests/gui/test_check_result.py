import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.gui.viewer.layers import METADATA
from napari_clip_denoise.gui.viewer.origin import guess_pair, offset_in
from napari_clip_denoise.gui.viewer.pairs import pair_of, settings_of
from napari_clip_denoise.gui.widgets.check_result import CheckResultWidget
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

PLACE = {"scale": (2, 0.5, 0.5), "translate": (5, 1, 2), "units": ("micrometer",) * 3}


@pytest.fixture(scope="module")
def taken():
    """A noisy stack (3, 160, 170) with its truth."""
    return acquire(fluorescence((3, 160, 170), seed=3), seed=3)


@pytest.fixture
def panel(viewer):
    """The Check result widget beside the Denoise widget."""
    _, panel = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Check result")
    assert isinstance(panel, CheckResultWidget)
    return panel


@pytest.fixture
def check(panel, qtbot):
    """Press a button and wait until its work is done."""

    def press(button=panel.check_button):
        button.click()
        qtbot.waitUntil(lambda: not panel.is_running, timeout=60_000)

    return press


def test_a_result_is_preselected_and_checked(viewer, panel, run, check, taken):
    source = viewer.add_image(taken.noisy, name="cells", **PLACE)
    result = run()
    assert panel.noisy.value == source
    assert panel.denoised.value == result
    viewer.add_image(taken.truth, name="truth", **PLACE)
    panel.reference.value = viewer.layers["truth"]
    check()
    assert panel.checked.report.verdict in panel.verdict.text()
    assert "scale-invariant SSIM" in panel.figures.text()
    residual = viewer.layers["cells denoised, tiny residual"]
    expected = taken.noisy.astype(np.float32) - result.data
    np.testing.assert_allclose(np.asarray(residual.data), expected)
    np.testing.assert_allclose(residual.translate, source.translate)
    made = residual.metadata["napari_clip_denoise"]
    assert (made["is"], made["noisy"], made["denoised"]) == ("residual", "cells", result.name)
    assert made["denoised_by"]["model"] == "tiny"


@pytest.mark.parametrize("everywhere", [False, True])
def test_what_a_blur_removed_is_marked_on_the_image(viewer, panel, check, taken, everywhere):
    noisy = viewer.add_image(taken.noisy, **PLACE)
    blurred = gaussian_filter(taken.noisy.astype(np.float32), (0, 4, 4))
    panel.noisy.value, panel.denoised.value = noisy, viewer.add_image(blurred, name="b", **PLACE)
    panel.scope.value = everywhere
    viewer.dims.set_current_step(0, 1)
    check()
    assert panel.checked.report.is_flagged
    marks = viewer.layers["b removed structure"]
    planes = {0, 1, 2} if everywhere else {1}
    assert set(marks.data[:, 0]) == planes
    np.testing.assert_allclose(marks.data_to_world((1, 0, 0)), noisy.data_to_world((1, 0, 0)))
    n_layers = len(viewer.layers)
    check()
    assert len(viewer.layers) == n_layers


def test_it_says_that_neighbouring_planes_show_through(viewer, panel, check):
    truth = np.stack([fluorescence((128, 128), ("nuclei",), seed=seed) for seed in range(20, 23)])
    noisy = (truth + np.random.default_rng(0).normal(0, 0.1, truth.shape)).astype(np.float32)
    panel.noisy.value = viewer.add_image(noisy, name="movie")
    panel.denoised.value = viewer.add_image(truth.mean(0, keepdims=True) + 0 * truth, name="mean")
    panel.scope.value = True
    check()
    assert "The planes before and after show through" in panel.verdict.text()
    assert "% of what differs" in panel.figures.text()
    panel.denoised.value = viewer.add_image(truth, name="truth")
    check()
    assert "only noise was removed" in panel.verdict.text()
    assert "Mixed in from neighbouring planes: nothing seen" in panel.figures.text()


def test_the_truth_is_trusted(viewer, panel, check, taken):
    noisy, truth = viewer.add_image(taken.noisy), viewer.add_image(taken.truth, name="t")
    panel.noisy.value, panel.denoised.value = noisy, truth
    check()
    assert "only noise was removed" in panel.verdict.text()
    assert "t removed structure" not in viewer.layers


def test_a_single_denoised_plane_is_found_in_its_stack(viewer, widget, panel, run, check, taken):
    viewer.add_image(taken.noisy, **PLACE)
    widget.form.scope.value = "plane"
    viewer.dims.set_current_step(0, 2)
    result = run()
    assert offset_in(panel.noisy.value, result) == (2, 0, 0)
    check()
    residual = np.asarray(viewer.layers[f"{result.name} residual"].data)
    np.testing.assert_allclose(residual[0], taken.noisy[2].astype(np.float32) - result.data[0])


def test_the_uncertainty_lies_on_the_image(viewer, widget, panel, run, check, taken):
    source = viewer.add_image(taken.noisy, **PLACE)
    run()
    viewer.dims.set_current_step(0, 1)
    check(panel.spread_button)
    layer = viewer.layers[-1]
    assert layer.name.endswith("uncertainty")
    assert layer.data.shape == (1, 160, 170)
    assert layer.data.std() > 0
    assert layer.metadata["napari_clip_denoise"]["passes"] == 16
    np.testing.assert_allclose(layer.data_to_world((0, 3, 4)), source.data_to_world((1, 3, 4)))


def test_rgb_pairs(viewer, panel, check):
    image = np.random.default_rng(0).integers(0, 250, (90, 100, 3)).astype(np.uint8)
    noisy = viewer.add_image(image, rgb=True)
    smooth = viewer.add_image(gaussian_filter(image, (2, 2, 0)), rgb=True, name="smooth")
    panel.noisy.value, panel.denoised.value = noisy, smooth
    check()
    assert panel.checked.report.residual.shape == (1, 90, 100)


def test_layers_that_do_not_match_are_refused(viewer, panel, check, errors, taken):
    a = viewer.add_image(taken.noisy)
    b = viewer.add_image(taken.truth, name="b", translate=(0, 0.5, 0))
    panel.noisy.value, panel.denoised.value = a, b
    check()
    panel.denoised.value = a
    check()
    assert "are not aligned" in errors()[0]
    assert "Choose two different images" in errors()[1]
    with pytest.raises(InputError, match="is not known how"):
        settings_of(a)
    assert guess_pair([a, b]) == (None, None)


def test_of_a_result_with_aligned_neighbours_moved_ones_are_compared_too(viewer):
    planes = np.zeros((3, 32, 32), np.float32)
    noisy = viewer.add_image(planes, name="movie")
    made = {"context": 1, "context_align": True}
    aligned = viewer.add_image(planes, name="a", metadata={METADATA: {"settings": made}})
    assert pair_of(noisy, aligned, None)["context_align"]
    assert not pair_of(noisy, viewer.add_image(planes, name="b"), None)["context_align"]
