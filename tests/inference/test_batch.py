import numpy as np
import pytest
from PIL import Image

from medical import hounsfield, write_series
from napari_clip_denoise import denoise, denoise_files, load
from napari_clip_denoise.errors import Cancelled, InputError, ModelError
from napari_clip_denoise.formats import create_writer, open_stack
from napari_clip_denoise.formats.discover import find_sources
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.inference.settings import make_settings

SETTINGS = make_settings(device="cpu")


def image(seed, shape=(40, 50)):
    return np.random.default_rng(seed).integers(0, 999, shape, np.uint16)


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    stack = as_stack(values)
    writer = create_writer(path, stack, stack.dtype)
    writer.write(whole(stack.shape), values)
    return writer.finish()


@pytest.fixture
def folder(tmp_path):
    """Images of many kinds, in folders of their own too, and things that are none."""
    data = tmp_path / "data"
    for seed, name in enumerate(("b.tif", "a.ome.tif", "c.npy", "sub/d.tif", "e.ome.zarr")):
        save(data / name, image(seed))
    (data / "notes.txt").write_text("no image")
    (data / ".hidden.tif").touch()
    write_series(data / "scan.1", hounsfield((2, 30, 30)))
    return data


def test_every_file_is_denoised_as_it_would_be_alone(folder, tiny, tmp_path):
    out = tmp_path / "new" / "out"
    results = list(denoise_files(find_sources([folder]), out, SETTINGS, model=tiny))
    assert [result.state for result in results] == ["done"] * 5
    for result in results:
        expected = denoise(open_stack(result.source), tiny, device="cpu").clip(-1024, 3071)
        stack = open_stack(result.output)
        np.testing.assert_array_equal(stack.read(whole(stack.shape)), expected)
    assert sorted(path.name for path in out.iterdir()) == sorted(r.output.name for r in results)


def test_a_file_that_fails_does_not_stop_the_rest(folder, tiny, tmp_path, monkeypatch):
    (folder / "a.ome.tif").write_bytes(b"no image at all")
    Image.new("P", (20, 20)).save(folder / "f.png")
    sources = find_sources([folder], "[abcf].*")
    results = list(denoise_files(sources, tmp_path / "out", SETTINGS, model=tiny, axes="yx"))
    assert [result.state for result in results] == ["failed", "done", "done", "failed"]
    assert "may be damaged" in results[0].message
    assert "name 2 dimensions, but the image has 3" in results[3].message
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.tif", "c.npy"]

    def explode(*_, **__):
        raise MemoryError("none left")

    monkeypatch.setattr("napari_clip_denoise.inference.runs.denoise_to_file", explode)
    (result,) = denoise_files([folder / "b.tif"], tmp_path / "other", SETTINGS, model=tiny)
    assert "needs more memory than there is" in result.message


def test_what_is_there_is_skipped_or_replaced(folder, tiny, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.tif").write_bytes(b"older")
    sources = [folder / "b.tif", folder / "c.npy"]
    results = list(denoise_files(sources, out, SETTINGS, model=tiny))
    assert [result.state for result in results] == ["skipped", "done"]
    assert (out / "b.tif").read_bytes() == b"older"
    results = list(denoise_files(sources, out, SETTINGS, model=tiny, existing="replace"))
    assert [result.state for result in results] == ["done", "done"]
    assert open_stack(out / "b.tif").shape == (40, 50)
    with pytest.raises(InputError, match="no choice 'ask'"):
        list(denoise_files(sources, out, SETTINGS, model=tiny, existing="ask"))


def test_images_are_never_replaced_by_their_results(folder, tiny):
    before = (folder / "b.tif").read_bytes()
    options = {"model": tiny, "existing": "replace"}
    (result,) = denoise_files([folder / "b.tif"], folder, SETTINGS, **options)
    assert "is the input" in result.message
    assert (folder / "b.tif").read_bytes() == before


def test_progress_grows_over_all_files_and_tells_the_time_left(folder, tiny, tmp_path):
    seen = []
    sources = find_sources([folder], "[abc].*")
    list(denoise_files(sources, tmp_path / "out", SETTINGS, model=tiny, progress=seen.append))
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert [progress.source for progress in seen if progress.done % 1 == 0] == sources
    assert {progress.total for progress in seen} == {3}
    assert seen[0].seconds_left is None
    assert seen[-1].seconds_left < seen[-1].seconds


def test_cancel_keeps_what_is_finished(folder, tiny, tmp_path):
    token = CancelToken()
    run = denoise_files(
        find_sources([folder], "[abc].*"), tmp_path / "out", SETTINGS, model=tiny, cancel=token
    )
    assert next(run).state == "done"
    token.cancel()
    with pytest.raises(Cancelled):
        next(run)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.ome.tif"]


def write_image(path, *shape):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, shape, np.uint8)).save(path)
    return path


@pytest.fixture
def loaded(monkeypatch):
    """Names of the models that a batch loads."""
    names = []

    def spy(*given, **options):
        model = load(*given, **options)
        names.append(model.card.name)
        return model

    monkeypatch.setattr("napari_clip_denoise.inference.batch.load", spy)
    return names


@pytest.mark.parametrize(
    ("shape", "model"), [((40, 50), "compact"), ((40, 50, 3), "compact-rgb")], ids=["grey", "rgb"]
)
def test_only_the_model_that_suits_the_files_is_loaded_and_once(shape, model, loaded, tmp_path):
    files = [write_image(tmp_path / name, *shape) for name in ("a.png", "b.png")]
    results = list(denoise_files(files, tmp_path / "out", SETTINGS))
    assert [result.state for result in results] == ["done", "done"]
    assert loaded == [model]


def test_a_model_that_is_named_serves_all_files(loaded, tiny_file, tmp_path):
    files = [write_image(tmp_path / "a.png", 40, 50), write_image(tmp_path / "b.png", 40, 50, 3)]
    settings = make_settings(model=str(tiny_file), device="cpu")
    list(denoise_files(files, tmp_path / "out", settings))
    assert loaded == ["tiny"]
    with pytest.raises(ModelError, match="There is no model 'gone'"):
        list(denoise_files(files, tmp_path / "other", make_settings(model="gone")))


def test_each_file_gets_the_model_that_suits_it(tmp_path):
    files = [write_image(tmp_path / "grey.png", 40, 50)]
    files.append(write_image(tmp_path / "colour.png", 40, 50, 3))
    results = denoise_files(files, tmp_path / "out", SETTINGS)
    for file, model, result in zip(files, ("compact", "compact-rgb"), results, strict=True):
        stack = open_stack(file)
        expected = denoise(stack, model, device="cpu")
        np.testing.assert_array_equal(open_stack(result.output).read(whole(stack.shape)), expected)
