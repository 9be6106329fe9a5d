import pytest

from napari_clip_denoise.formats.ome_zarr.resume import Manifest


@pytest.fixture
def store(tmp_path):
    (tmp_path / "partial" / ".progress").mkdir(parents=True)
    return tmp_path / "partial"


@pytest.fixture
def manifest(store):
    manifest = Manifest(store, store.with_name("whole"), part=(0, 2))
    with manifest.claimed():
        manifest.begin({"source": "here"})
        manifest.open_list()
    yield manifest
    manifest.release()


def test_a_store_may_be_finished_once_all_regions_are(manifest, store):
    other = Manifest(store, store.with_name("whole"), part=(1, 2))
    with other.claimed():
        other.open_list()
    manifest.add(0, (10, 1))
    assert not manifest.may_finish(2)
    other.add(1, (10, 1))
    assert manifest.may_finish(2)
    assert not other.may_finish(2)
    other.release()


@pytest.mark.parametrize("when", ["before", "while waiting", "after looking", "after counting"])
def test_a_store_that_another_part_has_finished_is_left_alone(manifest, store, when, monkeypatch):
    manifest.add(0, (10, 1))
    acquire, read = manifest._setup.acquire, manifest._read

    def move():
        store.rename(store.with_name("whole"))

    def moved(**kwargs):
        move()
        if when == "while waiting":
            raise FileNotFoundError("setup.lock")
        return acquire(**kwargs)

    def counted():
        regions = read()
        move()
        return regions

    if when == "before":
        move()
    elif when == "after counting":
        monkeypatch.setattr(manifest, "_read", counted)
    else:
        monkeypatch.setattr(manifest._setup, "acquire", moved)
    assert not manifest.may_finish(1)
    assert not store.exists()
    assert (store.with_name("whole") / ".progress" / "fingerprint.json").exists()
