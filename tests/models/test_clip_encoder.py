import pickle
import zipfile
from pathlib import Path

import open_clip
import pytest
import torch

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.models.clip_encoder import load_clip_encoder


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    return open_clip.create_model("RN50", pretrained=None)


@pytest.mark.parametrize("layout", ["state_dict", "safetensors"])
def test_the_encoder_comes_from_a_local_file(clip, tmp_path, layout):
    if layout == "safetensors":
        from safetensors.torch import save_file

        path = tmp_path / "clip.safetensors"
        save_file(clip.state_dict(), path)
    else:
        path = tmp_path / "clip.pt"
        torch.save(clip.state_dict(), path)
    encoder = load_clip_encoder(path)
    image = torch.rand(1, 3, 64, 64)
    visual = clip.visual.eval()
    with torch.no_grad():
        expected = visual.layer3(visual.layer2(visual.layer1(visual.stem(image))))
        features = encoder(image)
    torch.testing.assert_close(features[3], expected)
    assert not any(p.requires_grad for p in encoder.parameters())


def test_a_torchscript_archive_is_read_as_openai_offers_it(clip, tmp_path):
    path = tmp_path / "RN50.pt"

    class Archive(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.visual = clip.visual

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.visual.conv1(x)

    torch.jit.trace(Archive().eval(), torch.rand(1, 3, 32, 32)).save(path)
    encoder = load_clip_encoder(path)
    assert torch.equal(encoder.conv2.weight, clip.visual.conv2.weight)


def test_the_code_in_an_archive_is_never_run(clip, tmp_path, monkeypatch):
    class Malicious(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.visual = torch.jit.trace(clip.visual.conv1, torch.rand(1, 3, 32, 32))

        @torch.jit.export
        def __getstate__(self) -> tuple[int, bool]:
            return 1, self.training

        @torch.jit.export
        def __setstate__(self, state: tuple[int, bool]) -> None:
            print("RUN")
            self.training = state[1]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.visual(x)

    torch.jit.script(Malicious().eval()).save(tmp_path / "RN50.pt")

    def run(*arguments, **options):
        raise AssertionError("the archive is run")

    monkeypatch.setattr(torch.jit, "load", run)
    monkeypatch.setattr(torch._C, "import_ir_module", run)
    with pytest.raises(ModelError, match="does not hold the weights of CLIP"):
        load_clip_encoder(tmp_path / "RN50.pt")


def test_an_archive_with_a_foreign_pickle_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path(tmp_path / "run").touch, ())

    with zipfile.ZipFile(tmp_path / "RN50.pt", "w") as archive:
        archive.writestr("a/constants.pkl", pickle.dumps(()))
        archive.writestr("a/data.pkl", pickle.dumps(Evil()))
    with pytest.raises(ModelError, match="does not hold the weights of CLIP"):
        load_clip_encoder(tmp_path / "RN50.pt")
    assert not (tmp_path / "run").exists()


def test_wrong_files_are_refused(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"visual.conv1.weight": torch.zeros(3)}, tmp_path / "other.pt")
    for name in ("text.pt", "other.pt"):
        with pytest.raises(ModelError, match="does not hold the weights of CLIP"):
            load_clip_encoder(tmp_path / name)
    with pytest.raises(ModelError, match="no CLIP weights file"):
        load_clip_encoder(tmp_path / "missing.pt")


def test_offline_with_an_empty_cache_names_both_remedies(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"connect to the internet once, or .*--clip-weights"):
        load_clip_encoder()
