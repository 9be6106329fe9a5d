import numpy as np
import pytest
import torch

import reference
from napari_clip_denoise import denoise, import_published, load
from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.models.library import install


@pytest.mark.parametrize(
    ("channels", "shape"),
    [(3, (70, 97, 3)), (3, (31, 45, 3)), (1, (70, 97)), (1, (64, 33))],
    ids=["rgb", "small rgb", "ct", "ct 64x33"],
)
def test_the_import_reproduces_the_papers_network(tmp_path, channels, shape):
    state = reference.random_checkpoint(channels)
    path = tmp_path / "net_g_latest.pth"
    torch.save({"params": state}, path)
    model = import_published(path, name="paper")
    image = np.random.default_rng(1).random(shape, np.float32)
    expected = reference.denoise(state, image)
    axes = "yxs" if channels == 3 else "yx"
    result = denoise(image, model, axes=axes, intensity=(0.0, 1.0), device="cpu")
    assert 0.05 < expected.mean() < 0.95
    assert expected.std() > 0.05
    np.testing.assert_allclose(result, expected, atol=1e-4)
    assert model.card.network.channels == channels


def test_an_imported_model_survives_its_file(tmp_path):
    state = reference.random_checkpoint(3, layers=(1, 2, 1, 1), width=8)
    torch.save({"params": state}, tmp_path / "net_g_latest.pth")
    install(import_published(tmp_path / "net_g_latest.pth", name="clip-rn50"))
    image = np.random.default_rng(1).random((40, 50, 3), np.float32)
    result = denoise(image, load("clip-rn50"), axes="yxs", intensity=(0.0, 1.0), device="cpu")
    np.testing.assert_allclose(result, reference.denoise(state, image), atol=1e-4)


@pytest.mark.parametrize(
    "content",
    [{"params": {"encoder.conv1.weight": torch.zeros(3)}}, {"something": 1}, [1, 2]],
    ids=["incomplete", "other", "list"],
)
def test_other_pickles_are_refused(tmp_path, content):
    path = tmp_path / "net.pth"
    torch.save(content, path)
    with pytest.raises(ModelError, match="not a checkpoint of the published format"):
        import_published(path)


def test_code_in_a_pickle_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("touched").touch, ())

    path = tmp_path / "net.pth"
    torch.save({"params": Evil()}, path)
    with pytest.raises(ModelError):
        import_published(path)
    assert not (tmp_path / "touched").exists()


def test_damaged_and_missing_files_are_refused(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"not a pickle")
    with pytest.raises(ModelError, match="not a checkpoint"):
        import_published(tmp_path / "net.pth")
    with pytest.raises(ModelError, match="There is no checkpoint file"):
        import_published(tmp_path / "missing.pth")
