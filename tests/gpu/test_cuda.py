"""What only a CUDA device can show; run by ``pytest -m gpu``."""

import gc

import numpy as np
import pytest
import torch

from napari_clip_denoise import denoise, fine_tune, load
from napari_clip_denoise.errors import Cancelled
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import prepare
from napari_clip_denoise.inference.estimate import make_plan
from napari_clip_denoise.inference.preview import PreviewMaker, View
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.runs import denoise_to_memory
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

pytestmark = pytest.mark.gpu
GIB = 2**30


@pytest.fixture(scope="module")
def stack():
    planes = [acquire(fluorescence((512, 640), seed=i), seed=i).noisy for i in range(6)]
    return np.stack(planes)


def error(result, expected):
    return np.abs(result.astype(float) - expected).max() / np.ptp(expected)


@pytest.mark.parametrize(
    ("precision", "most"), [("float32", 1e-3), ("bfloat16", 2e-2), ("float16", 5e-3)]
)
@pytest.mark.parametrize("options", [{}, {"tile": 320, "batch": 3}, {"self_ensemble": True}])
def test_each_precision_agrees_with_the_cpu(stack, precision, most, options):
    if precision == "bfloat16" and not torch.cuda.is_bf16_supported():
        pytest.skip("this GPU has no bfloat16")
    planes = stack[:2]
    expected = denoise(planes, device="cpu", output_dtype="float32", **options)
    result = denoise(planes, device="cuda", precision=precision, output_dtype="float32", **options)
    assert error(result, expected) < most


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_told_network_gets_its_level_on_the_gpu(stack, told, precision):
    expected = denoise(stack[0], told, device="cpu", output_dtype="float32")
    result = denoise(stack[0], told, device="cuda", precision=precision, output_dtype="float32")
    assert error(result, expected) < 1e-2
    blind = denoise(stack[0], told, device="cuda", noise_level="blind", output_dtype="float32")
    assert error(blind, expected) > 1e-2


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_types_come_back_as_from_the_cpu(stack, dtype):
    planes = (stack[:1] // 256 if dtype == "uint8" else stack[:1] // 4).astype(dtype)
    expected = denoise(planes, device="cpu")
    result = denoise(planes, device="cuda", precision="float32")
    assert result.dtype == expected.dtype
    assert np.abs(result.astype(float) - expected).max() <= max(1, 1e-3 * np.ptp(planes))


def test_what_is_not_finite_stays(stack):
    plane = stack[0].astype(np.float32)
    plane[100:120, 200:230] = np.nan
    plane[300, 300] = np.inf
    result = denoise(plane, device="cuda")
    np.testing.assert_array_equal(np.isfinite(result), np.isfinite(plane))
    assert np.isinf(result[300, 300])


def test_too_little_memory_ends_in_smaller_batches_not_in_an_error(stack):
    expected = denoise(stack, device="cuda", output_dtype="float32")
    total = torch.cuda.get_device_properties(0).total_memory
    settings = make_settings(device="cuda", tile=1024, batch=64, output_dtype="float32")
    large = np.tile(stack[:2], (1, 4, 3))
    words = []
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2 * GIB / total))
    try:
        result = denoise_to_memory(as_stack(large), settings, notify=words.append)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert any("at a time" in word or "tiles of" in word or "the CPU" in word for word in words)
    part = (slice(0, 2), slice(0, 400), slice(0, 500))
    assert error(result[part], expected[part]) < 2e-2


def test_a_cancelled_run_ends_and_gives_its_memory_back(stack):
    load("compact")
    denoise(stack[:1], device="cuda")
    torch.cuda.synchronize()
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        denoise(
            np.tile(stack, (8, 1, 1)),
            device="cuda",
            batch=1,
            cancel=cancel,
            progress=lambda done: cancel.cancel() if done.done >= 2 else None,
        )
    torch.cuda.synchronize()
    gc.collect()
    assert torch.cuda.memory_allocated() <= before + 64 * 2**20


def test_runs_do_not_pile_up_memory(stack):
    for _ in range(2):
        denoise(stack, device="cuda")
    gc.collect()
    before = torch.cuda.memory_allocated()
    for _ in range(3):
        denoise(stack, device="cuda")
    gc.collect()
    assert torch.cuda.memory_allocated() <= before + 2**20


def test_a_preview_is_a_part_of_the_run(stack):
    settings = make_settings(device="cuda", precision="float32", output_dtype="float32")
    region = (slice(2, 3), slice(100, 300), slice(50, 350))
    preview = PreviewMaker()(View(as_stack(stack), region, settings), CancelToken())
    whole_run = denoise_to_memory(as_stack(stack), settings)
    assert error(preview.pixels(1.0), whole_run[region]) < 1e-3


def test_the_plan_knows_the_device(stack):
    settings = make_settings(device="cuda")
    plan = make_plan(as_stack(stack), None, settings, load("compact"))
    assert plan.device.startswith("cuda")
    assert 0 < plan.device_bytes < plan.device_free
    job = prepare(as_stack(stack), load("compact"), settings)
    assert plan.batch == job.batch


def test_fine_tuning_steps_on_the_gpu(stack):
    seen = []
    result = fine_tune(
        stack[:3],
        model="compact",
        name="on-the-gpu",
        objective="noise2void",
        steps=8,
        batch=4,
        patch=64,
        validate_every=4,
        held_out=8,
        device="cuda",
        on_progress=seen.append,
    )
    assert [entry.step for entry in seen] == list(range(1, 9))
    assert np.isfinite([entry.loss for entry in seen]).all()
    assert np.isfinite(result.start)
