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
    user.work_through = script.work_through
    return user


@pytest.fixture
def endless(monkeypatch):
    """Lets a run come no further than its first tiles, until it is cancelled."""
    calls, original = [], Runner.__call__

    def call(self, batch, cancel=None):
        if calls:
            cancel._event.wait(60)
        calls.append(batch)
        return original(self, batch, cancel)

    def begin():
        monkeypatch.setattr(Runner, "__call__", call)

    def end():
        monkeypatch.setattr(Runner, "__call__", original)

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
    assert "24 planes in 1 region ·" in panel("Denoise").plan.label.text()
    until("the store is written")
    with pytest.raises(StopIteration):
        next(story)
    stored = open_stack(tmp_path / "denoised.ome.zarr")
    expected = denoise(noisy.data, load(name), device="cpu")
    np.testing.assert_array_equal(np.asarray(stored.array), expected)
    attributes = zarr.open_group(tmp_path / "denoised.ome.zarr", mode="r").attrs.asdict()
    assert name in str(attributes)
