import json
import warnings

import numpy as np
import pytest
import torch

from napari_clip_denoise import denoise
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.runs import denoise_to_file, denoise_to_memory
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.network import fusion
from napari_clip_denoise.noise.simulation import fluorescence

TRUTH = np.where((np.add.outer(np.arange(96), np.arange(96))) % 2, 300.0, 100.0)
CHECKERS = np.random.default_rng(0).poisson(TRUTH).astype(np.uint16)
"""Texture far above the noise, which a network that was never trained on it turns grey."""
SETTINGS = make_settings(device="cpu")


def kept(store):
    return json.loads((store / "zarr.json").read_text())["attributes"]["napari_clip_denoise"]


def test_the_verdict_stands_in_the_record_and_is_handed_over(tmp_path, tiny):
    found = []
    path = denoise_to_file(
        as_stack(CHECKERS), tmp_path / "a.ome.zarr", SETTINGS, model=tiny, on_checked=found.append
    )
    assert kept(path)["check"] == found[0].record()["check"]
    assert [window["shape"] for window in found[0].record()["check"]["windows"]] == [[64, 64]]


def test_a_check_that_was_switched_off_leaves_no_trace(tmp_path, tiny):
    settings = make_settings(device="cpu", check=False)
    found = []
    path = denoise_to_file(
        as_stack(CHECKERS), tmp_path / "a.ome.zarr", settings, model=tiny, on_checked=found.append
    )
    assert not found
    assert "check" not in kept(path)


def test_python_warns_of_changed_structure_and_only_of_that(tiny):
    with pytest.warns(UserWarning, match="Structure was added"):
        denoise(CHECKERS, tiny, device="cpu")
    flat = np.random.default_rng(0).poisson(np.full((96, 96), 200.0)).astype(np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        denoise(flat, "compact", device="cpu")
        denoise(CHECKERS, tiny, device="cpu", check=False)


def test_a_check_that_fails_does_not_cost_the_result(monkeypatch, tiny):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("napari_clip_denoise.residual.run_verdict.check_result", fail)
    found = []
    result = denoise_to_memory(as_stack(CHECKERS), SETTINGS, model=tiny, on_checked=found.append)
    assert result.shape == CHECKERS.shape
    assert found[0].sentence.startswith("Not checked: ")


def test_planes_that_were_averaged_though_they_differ_are_told_and_others_are_not(monkeypatch):
    clean = np.stack(
        [fluorescence((128, 128), ("membranes",), seed=seed) for seed in range(20, 24)]
    )
    noisy = (clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)).astype(np.float32)
    settings = make_settings(device="cpu", context=1, noise_level=0.1, model="compact")

    def verdict():
        found = []
        denoise_to_memory(as_stack(noisy, "zyx"), settings, on_checked=found.append)
        return found[0]

    assert not verdict().is_flagged
    ones = torch.ones(1, *clean.shape[1:])
    monkeypatch.setattr(fusion, "weigh", lambda *planes: (ones, ones))
    assert "the planes before and after show through" in verdict().sentence
