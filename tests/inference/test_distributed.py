import os
import pickle
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from napari_clip_denoise.errors import Cancelled, InputError, OutputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.distributed import local_client
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings
from stores import files_of

SETTINGS = make_settings(device="cpu", output_dtype="float32")


@pytest.fixture(scope="module")
def client():
    with local_client(2) as client:
        yield client


@pytest.fixture(autouse=True)
def _a_plane_a_region(monkeypatch):
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 1)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "noisy.npy"
    np.save(path, np.random.default_rng(0).integers(0, 999, (9, 70, 50), "u2"))
    return open_stack(path)


@pytest.fixture(scope="module")
def expected(source, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("expected") / "local.ome.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_layout, "REGION_PIXELS", 1)
        return files_of(denoise_to_file(source, path, SETTINGS, model=tiny))


def test_workers_give_the_bytes_of_a_local_run(client, source, tiny, tmp_path, expected):
    seen = []
    path = tmp_path / "a.ome.zarr"
    denoise_to_file(source, path, SETTINGS, model=tiny, client=client, progress=seen.append)
    assert files_of(path) == expected
    assert seen[-1].done == pytest.approx(9)


def test_workers_compute_with_the_threads_of_the_process_that_began(client, source, tiny, tmp_path):
    settings = SETTINGS.model_copy(update={"threads": 3})
    local = denoise_to_file(source, tmp_path / "local.ome.zarr", settings, model=tiny)
    path = tmp_path / "a.ome.zarr"
    torch.set_num_threads(3)
    try:
        denoise_to_file(source, path, SETTINGS, model=tiny, client=client)
    finally:
        torch.set_num_threads(1)
    sent, kept = (open_stack(place).read(whole(source.shape)) for place in (path, local))
    np.testing.assert_array_equal(sent, kept)


def test_shards_give_the_bytes_of_a_local_run(source, tiny, tmp_path, expected):
    path = tmp_path / "a.ome.zarr"
    seen = []
    for i in (2, 0, 1):
        assert not path.exists()
        denoise_to_file(source, path, SETTINGS, model=tiny, shard=(i, 3), progress=seen.append)
    assert files_of(path) == expected
    assert {progress.total for progress in seen if not progress.message} == {3}
    assert {progress.total for progress in seen if progress.message} == {9}


def test_shards_may_run_at_the_same_time(source, tiny, tmp_path, expected):
    path = tmp_path / "a.ome.zarr"

    def shard(i):
        denoise_to_file(source, path, SETTINGS, model=tiny, shard=(i, 3))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(shard, range(3)))
    assert files_of(path) == expected
    assert list(tmp_path.iterdir()) == [path]


def test_a_cancelled_shard_leaves_the_others_work(source, tiny, tmp_path, expected):
    path = tmp_path / "a.ome.zarr"
    denoise_to_file(source, path, SETTINGS, model=tiny, shard=(1, 2))
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        denoise_to_file(source, path, SETTINGS, model=tiny, shard=(0, 2), cancel=cancel)
    denoise_to_file(source, path, SETTINGS, model=tiny, shard=(0, 2))
    assert files_of(path) == expected


def test_another_division_is_refused_while_one_is_at_work(source, tiny, tmp_path):
    path = tmp_path / "a.ome.zarr"
    refused = []

    def second(progress):
        with pytest.raises(OutputError, match="Another run is writing") as error:
            denoise_to_file(source, path, SETTINGS, model=tiny, shard=(1, 3))
        refused.append(error)

    denoise_to_file(source, path, SETTINGS, model=tiny, shard=(1, 2), progress=second)
    assert refused
    denoise_to_file(source, path, SETTINGS, model=tiny)
    assert path.exists()


@pytest.mark.parametrize("n_killed", [1, 2], ids=["one of two", "all"])
def test_killed_workers_cost_only_their_regions(client, source, tiny, tmp_path, expected, n_killed):
    path = tmp_path / "a.ome.zarr"
    client.wait_for_workers(2)
    victims = list(client.run(os.getpid).values())
    done = []

    def kill(progress):
        if not done:
            for victim in victims[:n_killed]:
                os.kill(victim, signal.SIGKILL)
        done.append(progress.done)

    denoise_to_file(source, path, SETTINGS, model=tiny, client=client, progress=kill)
    assert files_of(path) == expected
    assert done == sorted(done)


def test_a_cancelled_cluster_run_leaves_nothing(client, source, tiny, tmp_path):
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        denoise_to_file(
            source,
            tmp_path / "a.ome.zarr",
            SETTINGS,
            model=tiny,
            client=client,
            progress=lambda _: cancel.cancel(),
            cancel=cancel,
        )
    assert not list(tmp_path.iterdir())


def test_a_model_travels_as_its_path(tiny):
    assert len(pickle.dumps(tiny)) < 1000


def test_what_cannot_be_shared_is_refused(client, source, tiny, tmp_path):
    for options in ({"shard": (0, 2)}, {"client": client}, {"ome_version": "0.4"}):
        with pytest.raises(InputError, match=r"OME-Zarr.* let .* end in .ome.zarr"):
            denoise_to_file(source, tmp_path / "a.tif", SETTINGS, model=tiny, **options)
        assert not list(tmp_path.iterdir())


def test_an_array_without_a_file_is_sent_to_the_workers(client, tiny, tmp_path):
    noisy = np.random.default_rng(0).integers(0, 999, (3, 40, 50), "u2")
    path = tmp_path / "a.ome.zarr"
    denoise_to_file(as_stack(noisy), path, SETTINGS, model=tiny, client=client)
    local = denoise_to_file(as_stack(noisy), tmp_path / "b.ome.zarr", SETTINGS, model=tiny)
    sent, kept = (open_stack(place).read(whole(noisy.shape)) for place in (path, local))
    np.testing.assert_allclose(sent, kept, rtol=1e-4, atol=0.01)
