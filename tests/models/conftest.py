"""CLIP's weights with random values, and a server that has them."""

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from hub_server import FILE, Hub


@pytest.fixture(scope="session")
def tower():
    """State of the image tower of a CLIP RN50 with random weights, in half precision."""
    torch.manual_seed(0)
    state = open_clip.create_model("RN50", pretrained=None).visual.state_dict()
    return {
        f"visual.{name}": value.half() if value.is_floating_point() else value
        for name, value in state.items()
    }


@pytest.fixture(scope="session")
def clip(tower):
    """The same without the parts that are not used."""
    unused = ("visual.layer4", "visual.attnpool")
    return {name: value for name, value in tower.items() if not name.startswith(unused)}


@pytest.fixture(scope="session")
def weights(tower, tmp_path_factory):
    """Bytes of a file with these weights, and one of its tensors."""
    path = tmp_path_factory.mktemp("clip") / "clip.safetensors"
    save_file(tower, path)
    content = path.read_bytes()
    path.unlink()
    return content, tower["visual.conv2.weight"].float()


@pytest.fixture
def hub(weights, tmp_path, monkeypatch):
    served = Hub({FILE: weights[0]})
    served.point_to(monkeypatch, tmp_path / "hub")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield served
    served.stop()
