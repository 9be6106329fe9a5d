import errno
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_clip_denoise import denoise_to_zarr
from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr import pyramid
from napari_clip_denoise.formats.ome_zarr.writer import OmeZarrWriter
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.models.checkpoint import save_model
from stores import files_of

HERE = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _a_plane_a_region(monkeypatch):
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 1)


@pytest.fixture
def source(tmp_path):
    np.save(tmp_path / "noisy.npy", np.random.default_rng(0).integers(0, 999, (6, 40, 50), "u2"))
    return tmp_path / "noisy.npy"


@pytest.fixture
def fail_at(monkeypatch):
    """Let the writing of the n-th region fail, once."""
    write = OmeZarrWriter.write

    def arm(n):
        seen = []

        def failing(self, index, block):
            seen.append(index)
            if len(seen) == n:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(self, index, block)

        monkeypatch.setattr(OmeZarrWriter, "write", failing)
        return seen

    return arm


def run(source, store, model, **options):
    return denoise_to_zarr(source, store, model, device="cpu", **options)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
@pytest.mark.parametrize(("context", "n_kills"), [(0, 24), (1, 6)])
def test_killed_runs_end_with_the_bytes_of_one_that_was_not(
    tiny_file, told, tmp_path, tmp_path_factory, context, n_kills
):
    model = tiny_file
    if context:
        model = tmp_path_factory.mktemp("told") / "told.safetensors"
        save_model(told, model)
    command = [sys.executable, HERE / "killed_runs.py", model, tmp_path, str(n_kills), str(context)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills, resumed, _ = map(int, done.stdout.split()[-3:])
    assert kills == n_kills
    assert resumed
    whole, killed = (files_of(tmp_path / f"{name}.ome.zarr") for name in ("whole", "killed"))
    assert len(whole) > 20
    assert killed == whole
    assert {path.name for path in tmp_path.iterdir()} == {"whole.ome.zarr", "killed.ome.zarr"}


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_runs_that_die_at_any_step_leave_old_or_new_and_are_completed(tiny_file, tmp_path):
    command = [sys.executable, HERE / "dying_runs.py", tiny_file, tmp_path, "8"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 8


def test_a_full_disk_loses_nothing(tiny, source, tmp_path, fail_at):
    store = tmp_path / "a.ome.zarr"
    seen = fail_at(4)
    with pytest.raises(OutputError, match="make room and run it again, it goes on where it stop"):
        run(source, store, tiny)
    progress = []
    first = len(seen)
    run(source, store, tiny, progress=progress.append)
    progress = [report for report in progress if not report.message]
    assert 1 <= len(seen) - first <= 3
    assert progress[0].done >= 3
    assert progress[0].planes_per_second == 0
    assert progress[-1].done == pytest.approx(6)
    assert files_of(store) == files_of(run(source, tmp_path / "b.ome.zarr", tiny))


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"strength": 0.5}, "strength 1.0 then, 0.5 now"),
        ({"self_ensemble": True}, "self-ensemble false then, true now"),
        ({"output_dtype": "float32"}, "type uint16 then, float32 now"),
        ({"intensity": (0.0, 9.0)}, "intensity "),
        ({"batch": 2}, "batch "),
        ({"tile": 256}, None),
    ],
)
def test_other_settings_are_refused_by_name(tiny, source, tmp_path, fail_at, options, difference):
    store = tmp_path / "a.ome.zarr"
    fail_at(4)
    with pytest.raises(OutputError):
        run(source, store, tiny)
    if difference is None:
        assert run(source, store, tiny, **options) == store
        return
    with pytest.raises(OutputError, match=f"started differently .{difference}") as refused:
        run(source, store, tiny, **options)
    assert "--overwrite" in str(refused.value)
    assert run(source, store, tiny, overwrite=True, **options) == store
    fresh = run(source, tmp_path / "b.ome.zarr", tiny, **options)
    assert files_of(store) == files_of(fresh)


def test_another_model_and_a_changed_source_are_refused(tiny, source, tmp_path, fail_at):
    store = tmp_path / "a.ome.zarr"
    fail_at(4)
    with pytest.raises(OutputError):
        run(source, store, tiny)
    with pytest.raises(OutputError, match=r"started differently \(model tiny"):
        run(source, store, "compact")
    changed = np.load(source)
    changed[5, 0, 0] += 1
    np.save(source, changed)
    with pytest.raises(OutputError, match=r"started differently \(source files"):
        run(source, store, tiny)


def test_a_finished_file_that_was_damaged_since_is_done_again(tiny, source, tmp_path, fail_at):
    store = tmp_path / "a.ome.zarr"
    fail_at(5)
    with pytest.raises(OutputError):
        run(source, store, tiny)
    (tmp_path / ".a.ome.zarr.partial" / "0" / "c" / "0" / "0" / "0").write_bytes(b"cut")
    run(source, store, tiny)
    assert files_of(store) == files_of(run(source, tmp_path / "b.ome.zarr", tiny))


def test_two_runs_on_one_store_are_refused(tiny, source, tmp_path):
    stack, settings = open_stack(source), make_settings(device="cpu")
    store = tmp_path / "a.ome.zarr"
    refusals = []

    def second(progress):
        with pytest.raises(OutputError, match="Another run is writing") as refused:
            denoise_to_file(stack, store, settings, model=tiny, overwrite=True)
        refusals.append(refused)

    denoise_to_file(stack, store, settings, model=tiny, progress=second)
    assert refusals
    assert open_stack(store).shape == stack.shape


def test_a_lock_ends_with_its_process(tiny, source, tmp_path):
    code = (
        "import sys, os; from pathlib import Path\n"
        "from napari_clip_denoise.formats.ome_zarr.resume import Manifest\n"
        "store = Path(sys.argv[1]); manifest = Manifest(store, store)\n"
        "with manifest.claimed(): pass\n"
        "os._exit(9)"
    )
    partial = tmp_path / ".a.ome.zarr.partial"
    assert subprocess.run([sys.executable, "-c", code, partial], check=False).returncode == 9
    assert (partial / ".progress" / "0-of-1.lock").exists()
    assert run(source, tmp_path / "a.ome.zarr", tiny).exists()


def test_arrays_without_a_file_are_told_apart_by_their_pixels(tiny, tmp_path, fail_at):
    store = tmp_path / "a.ome.zarr"
    noisy = np.random.default_rng(0).integers(0, 999, (6, 40, 50), "u2")
    fail_at(4)
    with pytest.raises(OutputError):
        run(noisy, store, tiny, intensity=(0, 999))
    with pytest.raises(OutputError, match="source pixels"):
        run(as_stack(noisy + 1), store, tiny, intensity=(0, 999))
    assert run(noisy, store, tiny, intensity=(0, 999)) == store


def _flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _cut(file):
    file.write_bytes(file.read_bytes()[:-3])


def _zero(file):
    file.write_bytes(bytes(file.stat().st_size))


DAMAGES = {
    "flip": _flip,
    "cut": _cut,
    "zero": _zero,
    "empty": lambda file: file.write_bytes(b""),
    "remove": lambda file: file.unlink(),
    "json": lambda file: file.write_text("[]"),
    "null": lambda file: file.write_text("null"),
    "garbage": lambda file: file.write_bytes(b"\xff\x00;garbage 1 2 3;\n"),
}


@pytest.mark.parametrize(
    ("damage", "version"),
    [*((name, "0.5") for name in DAMAGES), ("flip", "0.4"), ("remove", "0.4")],
)
def test_damage_to_any_file_is_mended(tiny, tmp_path, fail_at, monkeypatch, damage, version):
    monkeypatch.setattr(pyramid, "SMALLEST_SIDE", 16)
    stack = as_stack(np.random.default_rng(0).integers(0, 999, (4, 40, 50), "u2"), "zyx")
    settings = make_settings(device="cpu", intensity=(0, 999), model="tiny")

    def denoise(path):
        return denoise_to_file(stack, path, settings, model=tiny, ome_version=version)

    expected = files_of(denoise(tmp_path / "whole.zarr"))
    partial = tmp_path / ".a.zarr.partial"
    seen = fail_at(3)
    with pytest.raises(OutputError):
        denoise(tmp_path / "a.zarr")
    names = [
        file.relative_to(partial)
        for file in sorted(partial.rglob("*"))
        if file.is_file() and file.suffix != ".lock"
    ]
    alike = {re.sub(r"\d+/\d+/\d+$", "", name.as_posix()): name for name in names}
    assert len(alike) > 6
    copy = tmp_path / "copy"
    shutil.copytree(partial, copy)
    for name in alike.values():
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(copy, partial)
        DAMAGES[damage](partial / name)
        denoise(tmp_path / "a.zarr")
        assert files_of(tmp_path / "a.zarr") == expected, name
        shutil.rmtree(tmp_path / "a.zarr")
    assert seen


def test_stores_begun_by_the_former_version_are_resumed(tiny, source, tmp_path, fail_at):
    store = tmp_path / "a.ome.zarr"
    fail_at(4)
    with pytest.raises(OutputError):
        run(source, store, tiny)
    progress = tmp_path / ".a.ome.zarr.partial" / ".progress"
    record = json.loads((progress / "fingerprint.json").read_text())
    del record["set-up"], record["crc32"]
    (progress / "fingerprint.json").write_text(json.dumps(record))
    lines = (progress / "0-of-1.txt").read_text().splitlines()
    old = [" ".join(line.split()[:2]) + ";" if line else "" for line in lines]
    (progress / "0-of-1.txt").write_text("\n".join(old) + "\n")
    run(source, store, tiny)
    assert files_of(store) == files_of(run(source, tmp_path / "b.ome.zarr", tiny))


def test_damage_to_the_shard_of_another_run_is_told_and_mended(tiny, tmp_path):
    stack = as_stack(np.random.default_rng(0).integers(0, 999, (4, 40, 50), "u2"), "zyx")
    settings = make_settings(device="cpu", intensity=(0, 999), model="tiny")

    def shard(number, path=tmp_path / "a.zarr"):
        return denoise_to_file(stack, path, settings, model=tiny, shard=(number, 2))

    shard(0)
    _flip(tmp_path / ".a.zarr.partial" / "0" / "c" / "0" / "0" / "0")
    with pytest.raises(OutputError, match=r"damaged in 1 region .*; run all shards again"):
        shard(1)
    assert shard(0).exists()
    whole_run = denoise_to_file(stack, tmp_path / "b.zarr", settings, model=tiny)
    assert files_of(tmp_path / "a.zarr") == files_of(whole_run)
