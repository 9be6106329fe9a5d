"""The story of docs/scripted_user.py, with a small model: what is on screen and on disk."""

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_clip_denoise import denoise, load
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.inference.engine.engine import Runner
from napari_clip_denoise.models.folder import models_folder as user_folder

SCRIPT = Path(__file__).parents[2] / "docs" / "scripted_user.py"
MINUTES = 0.1


@pytest.fixture
def user(make_napari_viewer, tiny_model, quick_fine_tuning):
    """A user before an empty window; fine-tuning is quick."""
    spec = importlib.util.spec_from_file_location("scripted_user", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    viewer = make_napari_viewer(show=True)
    user = script.User(viewer)
    user.window.setGeometry(0, 0, 1280, 800)
    user.work_through, user.try_the_rest = script.work_through, script.try_the_rest
    return user


@pytest.fixture
def endless(monkeypatch):
    """Lets a run come no further than its first tiles, until it is cancelled."""
    calls, original = [], Runner.start

    def start(self, batch, cancel=None, **options):
        if calls:
            cancel._event.wait(60)
        calls.append(batch)
        return original(self, batch, cancel, **options)

    def begin():
        monkeypatch.setattr(Runner, "start", start)

    def end():
        monkeypatch.setattr(Runner, "start", original)

    return begin, end


def on_screen(viewer):
    return viewer.screenshot(canvas_only=True, flash=False).astype(int)


@pytest.mark.timeout(600)
def test_a_user_works_through_the_window(user, endless, tiny, tmp_path):
    viewer, pictures = user.viewer, {}
    story = user.work_through(user, tmp_path, "tiny", MINUTES)
    number = itertools.count(1)

    def until(step):
        assert next(story) == step
        pictures[step] = on_screen(viewer)
        path = tmp_path / f"{next(number)}.png"
        user.record(path)
        assert path.stat().st_size > 10_000

    def panel(name):
        docks = viewer.window.dock_widgets
        return next(docks[title] for title in docks if title.startswith(f"{name} ("))

    until("a stack is opened")
    (noisy,) = viewer.layers
    assert pictures["a stack is opened"].std() > 5
    until("the Denoise widget")
    form = panel("Denoise").form
    assert (form.layer.value, form.model.value) == (noisy, "tiny")

    until("a preview")
    assert [layer.name for layer in viewer.layers] == [noisy.name, f"{noisy.name} preview"]
    assert not np.array_equal(pictures["a preview"], pictures["the Denoise widget"])
    until("the curtain is drawn")
    changed = pictures["the curtain is drawn"] != pictures["a preview"]
    columns = changed.any(axis=(0, 2)).nonzero()[0]
    assert columns.size
    assert columns.max() < 0.6 * changed.shape[1]
    until("the preview follows")
    preview = panel("Denoise").preview.preview
    assert preview.layer.translate[0] == viewer.dims.point[0]
    assert preview.layer.data.shape[1] < noisy.data.shape[1]

    endless[0]()
    form.batch.value = 1
    until("a run")
    assert "left" in panel("Denoise").progress.label.text()
    assert not viewer.layers[-1].visible
    until("the run is cancelled")
    endless[1]()
    form.batch.value = None
    assert list(viewer.layers) == [noisy]
    assert "nothing was kept" in panel("Denoise").progress.label.text()
    until("the stack is denoised")
    expected = denoise(noisy.data, tiny, device="cpu")
    np.testing.assert_array_equal(viewer.layers[-1].data, expected)
    assert viewer.layers[-1].visible

    until("the residual is checked")
    assert panel("Check result").verdict.text() == (
        f"<b>{panel('Check result').checked.report.verdict}</b>"
    )
    residual = next(layer for layer in viewer.layers if layer.name.endswith("residual"))
    assert not residual.visible
    until("the residual is shown")
    assert residual.visible
    np.testing.assert_array_equal(np.asarray(residual.data), noisy.data - expected.astype("f4"))

    until("a model learns")
    assert "refinement" in panel("Fine-tune").reason.text()
    until("the model is saved")
    name = "my-microscope"
    assert {path.stem for path in user_folder().glob("*.safetensors")} == {name, "tiny"}
    until("a store is named")
    assert "24 planes ·" in panel("Denoise").plan.label.text()
    until("the store is written")
    with pytest.raises(StopIteration):
        next(story)
    stored = open_stack(tmp_path / "denoised.ome.zarr")
    expected = denoise(noisy.data, load(name), device="cpu")
    np.testing.assert_array_equal(np.asarray(stored.array), expected)
    attributes = zarr.open_group(tmp_path / "denoised.ome.zarr", mode="r").attrs.asdict()
    assert name in str(attributes)


@pytest.mark.timeout(600)
def test_a_user_denoises_in_three_clicks_and_tries_the_rest(user, tiny, tmp_path):
    viewer = user.viewer
    story = user.try_the_rest(user, tmp_path, "tiny")
    assert next(story) == "a real stack is opened"
    (noisy,) = viewer.layers
    assert next(story) == "it is denoised"
    assert user.clicks <= 3
    result = viewer.layers[-1]
    np.testing.assert_array_equal(result.data, denoise(noisy.data, tiny, device="cpu"))
    shown = on_screen(viewer)
    assert next(story) == "the original is shown while the button is held"
    assert user.clicks <= 4
    assert (noisy.visible, result.visible) == (True, False)
    assert np.abs(on_screen(viewer) - shown).mean() > 1
    assert next(story) == "two layers are selected"
    assert result.visible
    assert next(story) == "two layers are denoised"
    assert "Simulated noisy 2D denoised, tiny" in viewer.layers
    n_layers = len(viewer.layers)
    assert next(story) == "methods are compared"
    names = [layer.name for layer in viewer.layers[n_layers:]]
    assert names == ["Noisy", "compact", "Gaussian filter", "Non-local means"]
    assert [layer.name for layer in viewer.layers if layer.visible] == names
    assert next(story) == "a model card"
    assert len(viewer.layers) == n_layers
    assert next(story) == "files are denoised"
    assert {path.name for path in (tmp_path / "denoised").iterdir()} == {
        *("field 1.tif", "field 2.tif")
    }
