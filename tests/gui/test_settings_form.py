import shutil

import numpy as np


def test_the_list_of_layers_follows_the_viewer(viewer, widget):
    form = widget.form
    assert form.layer.value is None
    image = viewer.add_image(np.zeros((9, 9)), name="a")
    viewer.add_labels(np.zeros((9, 9), int))
    assert form.layer.choices == (image,)
    assert form.layer.value.name == "a"
    viewer.layers.remove(image)
    assert form.layer.value is None


def test_a_custom_range_begins_with_the_contrast_limits(viewer, widget):
    viewer.add_image(np.arange(100.0).reshape(10, 10), contrast_limits=(3, 70))
    form = widget.form
    assert not form.low.native.isVisible()
    form.intensity.value = "custom"
    assert form.low.native.isVisible()
    form.high.value = 80
    assert form.settings().intensity == (3, 80)
    form.intensity.value = "minmax"
    assert not form.low.native.isVisible()
    assert form.settings().intensity == "minmax"


def test_every_field_reaches_the_settings(widget):
    form = widget.form
    form.noise_level.value = "custom"
    form.deviation.value = 25
    form.hot_pixels.value = "replace"
    form.destripe.value = "columns"
    form.neighbours.value = True
    form.align.value = True
    form.strength.value = 40
    form.self_ensemble.value = True
    form.device.value = "cuda"
    form.tile.value = 512
    form.batch.value = 4
    form.precision.value = "float16"
    form.output_dtype.value = "float32"
    assert form.settings().model_dump() == {
        "model": "tiny",
        "intensity": "anscombe",
        "noise_level": 25.0,
        "hot_pixels": "replace",
        "destripe": "columns",
        "context": 1,
        "context_axis": None,
        "context_align": True,
        "strength": 0.4,
        "self_ensemble": True,
        "output_dtype": "float32",
        "device": "cuda",
        "precision": "float16",
        "tile": 512,
        "batch": 4,
        "threads": None,
        "check": True,
    }


def test_a_model_dropped_into_the_folder_appears(widget, tiny_file, models_folder):
    shutil.copy(tiny_file, models_folder / "lab.safetensors")
    widget.hide()
    widget.show()
    assert "lab" in widget.form.model.choices
    assert widget.form.model.value == "tiny"


def test_a_preset_sets_fields_and_fields_name_the_preset(widget):
    form = widget.form
    assert form.preset.value == "general"
    form.preset.value = "ct"
    assert form.settings().intensity == "window"
    form.intensity.value = "minmax"
    assert form.preset.value is None
    form.intensity.value = "anscombe"
    assert form.preset.value == "general"
    form.intensity.value = "window"
    assert form.preset.value == "ct"
