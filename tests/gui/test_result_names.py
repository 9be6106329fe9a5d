"""Names of results say what differs, in the words of the form."""

import numpy as np
import pytest
from napari.layers import Image

from napari_clip_denoise.gui.viewer.naming import free_name, result_name
from napari_clip_denoise.images.regions import whole

DEFAULTS = {"strength": 1.0, "intensity": "anscombe", "self_ensemble": False}


@pytest.fixture
def cells():
    return Image(np.zeros((4, 9, 9)), name="cells", axis_labels=("z", "y", "x"))


@pytest.mark.parametrize(
    ("model", "settings", "name"),
    [
        ("compact", {}, "cells denoised"),
        ("my-microscope", {"strength": 0.5}, "cells denoised 50 %, my-microscope"),
        ("compact", {"intensity": "minmax"}, "cells denoised, smallest to largest"),
        ("compact", {"intensity": "window"}, "cells denoised, CT window (HU)"),
        ("compact", {"intensity": (0.0, 255.0)}, "cells denoised, 0 to 255"),
        ("compact", {"self_ensemble": True}, "cells denoised, self-ensemble"),
    ],
)
def test_what_differs_from_the_defaults_is_named(cells, model, settings, name):
    made = {"model": model, "settings": DEFAULTS | settings}
    assert result_name(cells, made, whole(cells.data.shape)) == name


def test_a_plane_is_named_by_its_place(cells):
    region = (slice(3, 4), slice(0, 9), slice(0, 9))
    made = {"model": "compact", "settings": DEFAULTS}
    assert result_name(cells, made, region) == "cells denoised, z 3"


def test_the_same_run_again_is_numbered(viewer, widget, run, noisy):
    viewer.add_image(noisy, name="cells")
    names = [run().name for _ in range(3)]
    first = "cells denoised, tiny"
    assert names == [first, f"{first}, run 2", f"{first}, run 3"]
    assert free_name("cells", {"mice"}) == "cells"
