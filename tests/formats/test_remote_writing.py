"""Stores that are written behind a URL: in memory, and on an S3 server of this machine."""

import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from napari_clip_denoise import denoise_plate, denoise_to_file, denoise_to_zarr, load
from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.formats import create_writer, is_complete, open_stack
from napari_clip_denoise.formats.ome_zarr import layout as store_layout
from napari_clip_denoise.formats.ome_zarr.remote import lock as remote_lock
from napari_clip_denoise.formats.ome_zarr.remote.files import RemoteFiles
from napari_clip_denoise.formats.ome_zarr.remote.lock import RemoteLock
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.settings import make_settings
from plates import write_plate
from stores import files_of

fsspec = pytest.importorskip("fsspec")
HERE = Path(__file__).parent.parent
VALUES = np.random.default_rng(0).integers(0, 999, (4, 40, 50), np.uint16)
STACK = as_stack(VALUES, "zyx")
SECRET = "s3cr3t-of-the-lab"


@pytest.fixture
def url():
    return f"memory://{uuid4().hex}/a.ome.zarr"


@pytest.fixture(scope="module")
def server():
    """The address of an S3 server with the bucket ``lab``."""
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    started = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    yield "http://{}:{}".format(*started.get_host_and_port())
    started.stop()


@pytest.fixture
def s3(server, monkeypatch):
    """The URL of a bucket, with the credentials in the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lab")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = f"lab-{uuid4().hex[:8]}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(bucket)
    return f"s3://{bucket}"


@pytest.fixture
def _a_plane_a_region(monkeypatch):
    monkeypatch.setattr(store_layout, "REGION_PIXELS", 1)


def begin(url, **options):
    return create_writer(url, STACK, STACK.dtype, fingerprint={"a": 1}, **options)


def write(writer, n=None):
    for region in list(writer.regions())[:n]:
        if not writer.has(region):
            writer.write(region, STACK.read(region))


def contents(url):
    """All files of a store with their bytes."""
    files = RemoteFiles(url)
    return {name: files.read(name) for name in files.names()}


def pixels(place):
    stack = open_stack(place)
    return stack.read(whole(stack.shape))


@pytest.mark.usefixtures("_a_plane_a_region")
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_a_store_has_the_bytes_of_one_on_a_disk(url, tmp_path, version):
    places = (url, tmp_path / "a.ome.zarr")
    for place in places:
        writer = begin(place, ome_version=version)
        write(writer)
        assert writer.finish() == place
    assert contents(url) == files_of(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(pixels(url), VALUES)
    assert open_stack(url).origin == url


@pytest.mark.usefixtures("_a_plane_a_region")
def test_half_a_store_never_opens_as_a_whole_one_and_is_resumed(url):
    writer = begin(url)
    write(writer, 2)
    with pytest.raises(InputError, match="unfinished result of an interrupted run"):
        open_stack(url)
    assert not is_complete(url)
    writer.pause()
    again = begin(url)
    assert [again.has(region) for region in again.regions()] == [True, True, False, False]
    write(again)
    again.finish()
    np.testing.assert_array_equal(pixels(url), VALUES)
    assert not any(name.startswith(".progress") for name in contents(url))


@pytest.mark.usefixtures("_a_plane_a_region")
def test_a_region_that_is_gone_is_done_again(url):
    writer = begin(url)
    write(writer, 3)
    writer.pause()
    RemoteFiles(url).remove("0/c/1/0/0")
    again = begin(url)
    assert [again.has(region) for region in again.regions()] == [True, False, True, False]
    again.pause()


@pytest.mark.usefixtures("_a_plane_a_region")
def test_parts_write_one_store(url):
    writers = [begin(url, shard=(part, 2)) for part in range(2)]
    for writer in writers:
        write(writer)
    assert not is_complete(url)
    with pytest.raises(OutputError, match="Another run is writing"):
        begin(url, shard=(0, 3))
    for writer in writers:
        writer.finish()
    np.testing.assert_array_equal(pixels(url), VALUES)


def test_a_live_run_keeps_others_out(url):
    writer = begin(url)
    with pytest.raises(OutputError, match=r"Another run is writing memory://.*two minutes"):
        begin(url)
    writer.abort()
    assert contents(url) == {}
    begin(url).abort()


def test_what_is_there_is_not_touched(url):
    writer = begin(url)
    write(writer)
    writer.finish()
    before = contents(url)
    with pytest.raises(OutputError, match="already exists"):
        begin(url)
    RemoteFiles(url).write("thesis.txt", b"all of it")
    with pytest.raises(OutputError, match="did not write"):
        begin(url, overwrite=True)
    RemoteFiles(url).remove("thesis.txt")
    again = begin(url, overwrite=True)
    write(again)
    again.finish()
    assert contents(url) == before


def test_only_ome_zarr_goes_to_a_url(url):
    with pytest.raises(InputError, match="Only OME-Zarr is written to a URL"):
        create_writer("memory://x/a.tif", STACK, STACK.dtype)
    with pytest.raises(InputError, match="install what is missing"):
        create_writer("nonsense://x/a.ome.zarr", STACK, STACK.dtype)


def test_a_lock_is_taken_over_once_its_owner_is_gone(url, monkeypatch):
    monkeypatch.setattr(remote_lock, "SETTLING_SECONDS", 0)
    files = RemoteFiles(url)
    first, second = RemoteLock(files, "a.lock"), RemoteLock(files, "a.lock")
    assert first.acquire()
    assert second.is_held
    assert not second.acquire()
    owner = json.loads(files.read("a.lock"))
    for change in ({"renewed": 0.0}, {"started": 1.0}):
        files.write("a.lock", json.dumps({**owner, **change}).encode())
        assert second.acquire()
        second.release()
    assert files.read("a.lock") is None
    first.release()


def test_a_run_that_lost_its_lock_stops(url, monkeypatch):
    monkeypatch.setattr(remote_lock, "BEAT_SECONDS", 0.01)
    writer = begin(url)
    name = ".progress/0-of-1.lock"
    owner = json.loads(RemoteFiles(url).read(name))
    lock = writer._record._part
    while not lock.is_lost:
        RemoteFiles(url).write(name, json.dumps({**owner, "token": "another"}).encode())
        time.sleep(0.01)
    with pytest.raises(OutputError, match="Another run is writing"):
        write(writer)


@pytest.mark.usefixtures("_a_plane_a_region")
def test_s3_is_written_and_a_killed_run_is_resumed_to_the_same_bytes(s3, tiny_file, tmp_path):
    source = tmp_path / "noisy.npy"
    np.save(source, VALUES)
    killed, whole_run = f"{s3}/a.ome.zarr", f"{s3}/b.ome.zarr"
    script = [sys.executable, HERE / "s3_run.py", tiny_file, source, killed, "3"]
    assert subprocess.run(script, check=False).returncode == 9
    assert not is_complete(killed)
    model, reports = load(tiny_file), []
    for url in (killed, whole_run):
        denoise_to_zarr(source, url, model, device="cpu", check=False, progress=reports.append)
    assert next(report for report in reports if not report.message).done >= 2
    assert len(contents(whole_run)) == 6
    assert contents(killed) == contents(whole_run)
    assert not any(SECRET.encode() in content for content in contents(killed).values())


def test_a_plate_on_s3_is_denoised_there(s3, tiny, tmp_path):
    from zarr.storage import FsspecStore

    small = {"n_fields": 1, "listed": ("A/1",)}
    write_plate(FsspecStore.from_url(f"{s3}/plate.ome.zarr"), **small)
    write_plate(tmp_path / "plate.ome.zarr", **small)
    options = {"device": "cpu", "check": False}
    result = denoise_plate(f"{s3}/plate.ome.zarr", f"{s3}/out.ome.zarr", tiny, **options)
    assert result.path == f"{s3}/out.ome.zarr"
    local = denoise_plate(tmp_path / "plate.ome.zarr", tmp_path / "out.ome.zarr", tiny, **options)
    assert set(contents(result.path)) == set(files_of(local.path))
    np.testing.assert_array_equal(pixels(f"{result.path}/A/1/0"), pixels(local.path / "A/1/0"))


def test_a_bucket_that_is_not_there_is_one_sentence_without_credentials(s3, tiny, monkeypatch):
    options = {"key": "lab", "secret": SECRET, "token": SECRET}
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    for place in ("s3://nowhere-at-all/a.ome.zarr", f"s3://lab:{SECRET}@nowhere-at-all/a.ome.zarr"):
        with pytest.raises(OutputError, match="check the address, the cred") as refused:
            denoise_to_zarr(STACK, place, tiny, device="cpu")
        assert SECRET not in str(refused.value)


def test_storage_options_are_not_recorded(s3, tiny, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setitem(fsspec.config.conf, "s3", {"key": "lab", "secret": SECRET})
    told = []
    settings = make_settings(device="cpu")
    denoise_to_file(STACK, f"{s3}/a.ome.zarr", settings, model=tiny, notify=told.append)
    again = denoise_to_file(
        open_stack(f"{s3}/a.ome.zarr"),
        f"{s3}/b.ome.zarr",
        settings,
        model=tiny,
        notify=told.append,
        on_checked=lambda verdict: told.append(verdict.sentence),
    )
    assert again == f"{s3}/b.ome.zarr"
    assert SECRET not in "".join(told)
    for name, content in contents(again).items():
        assert SECRET.encode() not in content, name
