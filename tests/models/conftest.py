"""CLIP's weights with random values, and a server that has them."""

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from hub_server import FILE, Hub


@pytest.fixture(scope="session")
def clip():
    """State of a CLIP RN50 with random weights, in half precision as OpenAI's, without its text."""
    torch.manual_seed(0)
    state = open_clip.create_model("RN50", pretrained=None).visual.state_dict()
    return {
        f"visual.{name}": value.half() if value.is_floating_point() else value
        for name, value in state.items()
        if not name.startswith(("layer4", "attnpool"))
    }


@pytest.fixture(scope="session")
def weights(clip, tmp_path_factory):
    """Bytes of a file with these weights, and one of its tensors."""
    path = tmp_path_factory.mktemp("clip") / "clip.safetensors"
    save_file(clip, path)
    content = path.read_bytes()
    path.unlink()
    return content, clip["visual.conv2.weight"].float()


@pytest.fixture
def hub(weights, tmp_path, monkeypatch):
    served = Hub({FILE: weights[0]})
    served.point_to(monkeypatch, tmp_path / "hub")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield served
    served.stop()
