import json

import numpy as np
import pytest

from bundled_outputs import STORED, fixed_image, output
from napari_clip_denoise.models.registry import entries, load
from napari_clip_denoise.training.pretrain.recipe import Recipe, load_recipe

BUNDLED = [entry.name for entry in entries() if entry.origin == "bundled"]


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_gives_what_it_gave(name):
    stored = np.array(json.loads(STORED.read_text())[name])
    np.testing.assert_allclose(output(load(name)), stored, atol=1e-3)


@pytest.mark.parametrize("name", BUNDLED)
def test_the_stored_output_is_that_of_a_denoiser(name):
    image = fixed_image(load(name).card.network.channels)
    noisy = image[6::12, 6::12]
    stored = np.array(json.loads(STORED.read_text())[name])
    assert 0.02 < np.abs(stored - noisy).mean() < 0.1


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_is_small_and_tells_where_it_comes_from(name):
    entry = next(entry for entry in entries() if entry.name == name)
    card = entry.card
    assert entry.path.stat().st_size < 10e6
    shipped = load_recipe(name)
    assert card.network == shipped.network
    assert Recipe.model_validate(card.recipe) == shipped
    for field in ("description", "data", "noise", "licence", "scores", "software"):
        assert getattr(card, field), field
