import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest
import yaml
from qtpy.QtWidgets import QLabel, QStyle, QStyleOptionComboBox, QTabBar

from napari_clip_denoise.gui.viewer.layers import is_derived
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY
from napari_clip_denoise.images.intensity_methods import INTENSITIES


@pytest.mark.parametrize("options", [[], ["--imports"]], ids=["manifest", "imports"])
def test_the_manifest_is_valid(options):
    command = [sys.executable, "-m", "npe2", "validate", *options, "napari-clip-denoise"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout


def test_the_preferences_offer_every_intensity_mapping():
    manifest = yaml.safe_load(files("napari_clip_denoise").joinpath("napari.yaml").read_text())
    choice = manifest["contributions"]["configurations"]["denoise"]["properties"]["intensity"]
    assert choice["enum"] == [method.label for method in INTENSITIES.values()]
    assert choice["default"] == INTENSITIES[DEFAULT_INTENSITY].label


@pytest.mark.parametrize(("key", "ndim"), [("noisy_plane", 2), ("noisy_stack", 3)])
def test_the_samples_open(make_napari_viewer, key, ndim):
    viewer = make_napari_viewer()
    (layer,) = viewer.open_sample("napari-clip-denoise", key)
    assert layer.data.ndim == ndim
    assert layer.data.dtype == np.uint16
    assert layer.axis_labels == ("z", "y", "x")[-ndim:]
    assert {str(unit) for unit in layer.units} == {"micrometer"}
    assert layer.data.std() > 10


@pytest.mark.parametrize(
    ("key", "shape", "scale"),
    [
        ("nuclear_envelopes", (14, 224, 305), (1, 0.24165, 0.24165)),
        ("chromosomes", (40, 152, 126), (0.15, 0.033854, 0.033854)),
    ],
)
def test_the_recorded_samples_keep_their_pixel_size_and_credit(
    make_napari_viewer, key, shape, scale
):
    viewer = make_napari_viewer()
    (layer,) = viewer.open_sample("napari-clip-denoise", key)
    assert layer.data.shape == shape
    assert layer.axis_labels == ("z", "y", "x")
    np.testing.assert_allclose(layer.scale, scale)
    assert {str(unit) for unit in layer.units} == {"micrometer"}
    assert layer.metadata["licence"].startswith("CC BY 4.0")
    assert "European Molecular Biology Laboratory" in layer.metadata["copyright"]
    assert not is_derived(layer)


@pytest.mark.parametrize(
    "module", ["denoise", "batch", "check_result", "compare", "fine_tune", "models"]
)
def test_opening_a_widget_does_not_load_what_only_its_work_needs(module):
    heavy = "{'torch', 'skimage.metrics', 'scipy.stats', 'dask.array', 'pandas'}"
    code = (
        "import sys, napari.layers, napari_clip_denoise.gui.widgets." + module + "; "
        f"print(*{heavy} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    "name", ["Denoise", "Denoise files", "Check result", "Fine-tune", "Compare", "Models"]
)
def test_a_panel_fits_into_330_pixels(make_napari_viewer, qtbot, name):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((4, 20, 20)), name="a name that is far too long for any narrow panel")
    _, panel = viewer.window.add_plugin_dock_widget("napari-clip-denoise", name)
    qtbot.waitUntil(lambda: panel.minimumSizeHint().width() <= 330, timeout=20_000)


def test_a_panel_opens_wide_enough_for_the_choices_in_its_menus(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    _, panel = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Denoise files")

    def is_whole(box):
        option = QStyleOptionComboBox()
        box.initStyleOption(option)
        place = QStyle.SubControl.SC_ComboBoxEditField
        field = box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, place, box)
        return box.fontMetrics().horizontalAdvance(box.currentText()) <= field.width()

    for menu in (panel.form.intensity, panel.form.format, panel.form.existing):
        qtbot.waitUntil(lambda box=menu.native: is_whole(box), timeout=20_000)


def test_six_tabs_show_their_whole_names_and_every_label_has_a_tooltip(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    for name in ("Denoise", "Denoise files", "Check result", "Fine-tune", "Compare", "Models"):
        _, panel = viewer.window.add_plugin_dock_widget("napari-clip-denoise", name)
        labels = [label for label in panel.findChildren(QLabel) if label.buddy() and label.text()]
        assert [label.text() for label in labels if not label.toolTip()] == []
        qtbot.wait(100)

    def tabs():
        bars = viewer.window._qt_window.findChildren(QTabBar)
        return next((bar for bar in bars if bar.count() == 6), None)

    qtbot.waitUntil(lambda: tabs() is not None, timeout=60_000)
    bar = tabs()
    names = [bar.tabText(place) for place in range(6)]
    assert set(names) == {"Denoise", "Files", "Check", "Fine-tune", "Compare", "Models"}
    for place, name in enumerate(names):
        assert bar.tabRect(place).width() > bar.fontMetrics().horizontalAdvance(name)
