"""Which weights are accepted as CLIP's, and that copies of the same ones are recognised."""

import open_clip
import pytest
import torch
from open_clip import constants
from safetensors.torch import save_file

from hub_server import FILE
from napari_clip_denoise import load
from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.models.checkpoint import tensors_sha256
from napari_clip_denoise.models.clip_cache import FILES, is_at_hand
from napari_clip_denoise.models.clip_encoder import load_clip_encoder
from napari_clip_denoise.models.clip_source import ARCHITECTURES, ClipSource
from napari_clip_denoise.network.config import EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.training.pretrain.encoders import load_encoder
from napari_clip_denoise.training.pretrain.package import write_model
from napari_clip_denoise.training.pretrain.recipe import load_recipe


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with OpenAI's cache, empty."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / ".cache" / "clip"
    folder.mkdir(parents=True)
    return folder


def test_the_weights_are_those_that_open_clip_takes():
    assert FILES == (constants.HF_SAFE_WEIGHTS_NAME, constants.HF_WEIGHTS_NAME)
    resnets = [name for name in open_clip.list_models() if name.startswith("RN")]
    assert {name.removesuffix("-quickgelu") for name in resnets} == set(ARCHITECTURES)
    for name in resnets:
        tower = open_clip.get_model_config(name)["vision_cfg"]
        source = ClipSource.parse(f"open_clip:{name}")
        assert source.shape == EncoderConfig(tuple(tower["layers"][:3]), tower["width"])
        assert set(source.tags) == set(open_clip.list_pretrained_tags_by_model(name))
        for tag in source.tags:
            of = ClipSource.parse(f"open_clip:{name}:{tag}")
            assert open_clip.get_pretrained_cfg(name, tag)["hf_hub"].rstrip("/") == of.repository


def test_weights_that_nobody_publishes_are_refused():
    assert ClipSource.parse("clip-rn50") == ClipSource.parse("open_clip:RN50") == ClipSource()
    assert str(ClipSource.parse("open_clip:RN101:yfcc15m")) == "open_clip:RN101:yfcc15m"
    for name in ("open_clip:RN101:cc12m", "open_clip:ViT-B-32:openai", "open_clip:"):
        with pytest.raises(ModelError, match=r"no encoder '.*open_clip:RN50:cc12m"):
            ClipSource.parse(name)


def test_a_cached_file_of_the_older_kind_needs_no_server(hub, clip, monkeypatch, tmp_path):
    older = FILE.replace(FILES[0], FILES[1])
    torch.save(clip, tmp_path / "clip.bin")
    hub.files = {older: (tmp_path / "clip.bin").read_bytes()}
    encoder = load_clip_encoder()
    assert is_at_hand()
    hub.stop()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    again = load_clip_encoder()
    assert torch.equal(again.conv2.weight, encoder.conv2.weight)


def test_the_cache_of_openais_package_is_used(hub, clip, home):
    hub.files.clear()
    torch.save(clip, home / "RN50.pt")
    assert is_at_hand()
    assert not is_at_hand(ClipSource("RN50", "yfcc15m"))
    encoder = load_clip_encoder()
    assert torch.equal(encoder.conv2.weight, clip["visual.conv2.weight"].float())
    torch.save(clip, home / "rn50-quickgelu-yfcc15m-455df137.pt")
    assert is_at_hand(ClipSource("RN50", "yfcc15m"))
    assert hub.gets() == []


def test_copies_in_half_and_in_full_precision_are_the_same_encoder(clip, tmp_path):
    torch.manual_seed(1)
    full = {k: v.float() if v.is_floating_point() else v for k, v in clip.items()}
    full["visual.bn1.running_var"] = full["visual.bn1.running_var"] * 1.2345678
    full["visual.layer1.0.bn1.bias"] = torch.randn(64)
    half = {k: v.half() if v.is_floating_point() else v for k, v in full.items()}
    mixed = {k: half[k] if full[k].ndim > 1 else full[k] for k in full}
    for name, state in (("full", full), ("half", half), ("mixed", mixed)):
        save_file(state, tmp_path / f"{name}.safetensors")
    torch.save(half, tmp_path / "half.pt")
    files = [tmp_path / name for name in
             ("full.safetensors", "half.safetensors", "mixed.safetensors", "half.pt")]  # fmt: skip
    recipe = load_recipe("paper-gaussian15")
    digests = set()
    for file in files:
        encoder = load_encoder("clip-rn50", recipe.network.encoder, clip_weights=file)
        digests.add(tensors_sha256(encoder.state_dict()))
    assert len(digests) == 1
    denoiser = Denoiser(recipe.network).eval()
    denoiser.encoder.load_state_dict(encoder.state_dict())
    recipe = recipe.model_copy(update={"batch_norm": "openai"})
    model = write_model(recipe, denoiser, tmp_path / "model.safetensors")
    for file in files:
        assert load(tmp_path / "model.safetensors", clip_weights=file).sha256 == model.sha256
    former = load_clip_encoder(files[0])
    denoiser.encoder.load_state_dict(former.state_dict())
    model = write_model(recipe, denoiser, tmp_path / "former.safetensors")
    assert load(tmp_path / "former.safetensors", clip_weights=files[0]).sha256 == model.sha256
    with pytest.raises(ModelError, match="does not match"):
        load(tmp_path / "former.safetensors", clip_weights=files[1])
