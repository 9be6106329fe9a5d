import json
import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_clip_denoise import load, save
from napari_clip_denoise.errors import ModelError, OutputError
from napari_clip_denoise.models.card import EncoderCard
from napari_clip_denoise.models.card_file import CARD_KEY, read_card
from napari_clip_denoise.models.checkpoint import Model, load_model
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from tiny_network import TINY


def test_a_saved_model_comes_back_as_it_was(tiny, tmp_path):
    saved = save(tiny, tmp_path / "copy.safetensors")
    loaded = load(tmp_path / "copy.safetensors")
    assert loaded.card == saved.card == read_card(tmp_path / "copy.safetensors")
    assert loaded.sha256 == tiny.sha256
    image = torch.rand(1, 1, 32, 32)
    assert torch.equal(loaded.denoiser(image), tiny.denoiser(image))


def test_loading_a_model_does_not_import_the_compiler_of_torch(tiny_file):
    work = "import sys, napari_clip_denoise as n; n.load(sys.argv[1])"
    code = f"{work}; print('torch._dynamo' in sys.modules)"
    command = [sys.executable, "-c", code, str(tiny_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_half_precision_storage_halves_the_file(tiny, tmp_path):
    save(tiny, tmp_path / "full.safetensors")
    saved = save(tiny, tmp_path / "half.safetensors", dtype=torch.float16)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "full")]
    assert sizes[0] < 0.7 * sizes[1]
    assert load(tmp_path / "half.safetensors").sha256 == saved.sha256


def test_a_decoder_alone_is_paired_with_its_encoder(tiny, tmp_path):
    encoder_card = EncoderCard(source="somewhere", included=False)
    card = tiny.card.model_copy(update={"encoder": encoder_card})
    path = tmp_path / "decoder.safetensors"
    save(Model(card, tiny.denoiser), path)
    assert path.stat().st_size < 0.8 * tiny.path.stat().st_size

    assert load_model(path, encoder=lambda _: tiny.denoiser.encoder).sha256 == tiny.sha256
    torch.manual_seed(9)
    with pytest.raises(ModelError, match="The encoder does not match"):
        load_model(path, encoder=lambda _: Encoder(TINY.encoder))
    with pytest.raises(ModelError, match="needs the encoder 'somewhere'"):
        load_model(path)


def test_files_that_are_no_models_are_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no model")
    with pytest.raises(ModelError, match="has no model card"):
        load(tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="damaged"):
        load(tmp_path / "text.safetensors")
    with pytest.raises(ModelError, match="There is no model file"):
        load(tmp_path / "missing.safetensors")


def test_a_truncated_file_is_refused(tiny, tmp_path):
    data = tiny.path.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="damaged"):
        load(tmp_path / "cut.safetensors")


def test_a_folder_that_is_not_there_is_reported(tiny, tmp_path):
    with pytest.raises(OutputError, match="could not be written"):
        save(tiny, tmp_path / "missing" / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_model_travels_as_its_path(tiny):
    travelled = pickle.dumps(tiny)
    assert len(travelled) < 1000
    assert pickle.loads(travelled).sha256 == tiny.sha256
    loose = Model(tiny.card, Denoiser(TINY))
    assert pickle.loads(pickle.dumps(loose)).sha256 == loose.sha256


def rewritten(model, path, *, change=lambda tensors: None, card=None):
    """Copy a model file with other tensors or another card, as damage or malice would."""
    tensors = load_file(model.path)
    change(tensors)
    metadata = {CARD_KEY: card or read_card(model.path).model_dump_json()}
    save_file(tensors, path, metadata=metadata)
    return path


def one_weight(tensors):
    next(value for name, value in tensors.items() if "decoder" in name).flatten()[0] += 1


def not_a_number(tensors):
    next(value for name, value in tensors.items() if "encoder" in name).flatten()[0] = torch.nan


def another_shape(tensors):
    name = next(name for name in tensors if "decoder" in name and tensors[name].ndim == 4)
    tensors[name] = tensors[name][..., :1].clone()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (one_weight, "decoder .* is not the one of its card"),
        (not_a_number, "not finite"),
        (another_shape, "do not fit its card"),
        (lambda tensors: tensors.popitem(), "do not fit its card"),
    ],
)
def test_other_weights_than_those_of_the_card_are_refused(tiny, tmp_path, change, message):
    path = rewritten(tiny, tmp_path / "m.safetensors", change=change)
    with pytest.raises(ModelError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 10**9),
        ("width", 4096),
        ("layers", [10**9, 1, 1]),
        ("layers", [0, 1, 1]),
        ("decoder_channels", [10**6] * 5),
        ("decoder_depth", 10**6),
        ("halo", 2**40),
        ("pad_multiple", 2**40),
    ],
)
def test_absurd_networks_are_refused_before_they_are_built(tiny, tmp_path, field, value):
    content = json.loads(read_card(tiny.path).model_dump_json())
    for part in (content, content["network"], content["network"]["encoder"]):
        if field in part:
            part[field] = value
    path = rewritten(tiny, tmp_path / "m.safetensors", card=json.dumps(content))
    with pytest.raises(ModelError, match=r"m\.safetensors"):
        load(path)


@pytest.mark.parametrize("length", [2**25, 2**40, 2**63])
def test_headers_that_are_too_long_are_refused(tiny, tmp_path, length):
    path = tmp_path / "m.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + tiny.path.read_bytes()[8:])
    with pytest.raises(ModelError, match="damaged"):
        load(path)


def test_a_model_that_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(ModelError, match="There is no model file"):
        read_card(tmp_path / "folder.safetensors")
