import threading

import numpy as np
import pytest

from napari_clip_denoise.gui.workers.preview import Failure, Previewer
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.preview import Preview, View
from napari_clip_denoise.inference.settings import make_settings


@pytest.fixture(scope="module")
def stack():
    return as_stack(np.random.default_rng(0).integers(0, 999, (1, 400, 420), "u2"), "zyx")


def test_only_the_latest_view_is_delivered(stack, tiny_file):
    made, arrived = [], threading.Event()

    def deliver(preview):
        made.append(preview)
        arrived.set()

    previewer = Previewer(deliver)
    settings = make_settings(model=str(tiny_file), device="cpu")
    views = [
        View(stack, (slice(0, 1), slice(0, 400), slice(start, 420)), settings)
        for start in (0, 100, 200)
    ]
    for each in views:
        previewer.request(each)
    assert arrived.wait(60)
    assert [preview.view for preview in made] == views[-1:]
    assert isinstance(made[0], Preview)


def test_what_cannot_be_made_says_why(stack):
    made, arrived = [], threading.Event()
    previewer = Previewer(lambda failure: (made.append(failure), arrived.set()))
    settings = make_settings(model="clip-rn50")
    previewer.request(View(stack, (slice(0, 1), slice(0, 9), slice(0, 9)), settings))
    assert arrived.wait(60)
    assert isinstance(made[0], Failure)
    assert "no decoder yet" in made[0].message
