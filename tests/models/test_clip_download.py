"""The download of CLIP's encoder, from a server that answers as the hub does."""

import errno
import os
import shutil
import socket
import subprocess
import sys

import huggingface_hub
import pytest
import torch

from hub_server import FILE
from napari_clip_denoise.errors import Cancelled, ModelError
from napari_clip_denoise.models.clip_cache import is_at_hand
from napari_clip_denoise.models.clip_encoder import keep_clip_encoder, load_clip_encoder


def test_the_first_use_downloads_and_the_second_needs_no_server(hub, weights):
    encoder = load_clip_encoder()
    assert torch.equal(encoder.conv2.weight, weights[1])
    assert hub.gets() == [0]
    hub.server.shutdown()
    hub.server.server_close()
    again = load_clip_encoder()
    assert torch.equal(again.conv2.weight, encoder.conv2.weight)


def test_a_kept_encoder_needs_no_weights(hub, weights):
    assert not is_at_hand()
    encoder = load_clip_encoder()
    assert is_at_hand()
    keep_clip_encoder(encoder)
    shutil.rmtree(huggingface_hub.constants.HF_HUB_CACHE)
    hub.files.clear()
    assert is_at_hand()
    again = load_clip_encoder().state_dict()
    assert all(torch.equal(again[name], value) for name, value in encoder.state_dict().items())


def test_a_download_tells_how_far_it_is_and_can_be_cancelled(hub, weights):
    seen = []

    def stop_half_way(done, total):
        seen.append((done, total))
        if done > total / 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        load_clip_encoder(advance=stop_half_way)
    assert seen[-1][1] == len(weights[0])
    assert not is_at_hand()
    load_clip_encoder(advance=lambda *told: seen.append(told))
    assert seen[-1] == (len(weights[0]), len(weights[0]))


def test_the_endpoint_and_the_cache_come_from_the_environment(hub, weights, tmp_path):
    code = (
        "from napari_clip_denoise.models.clip_encoder import load_clip_encoder\n"
        "print(load_clip_encoder().conv2.weight.sum().item())"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home")}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(weights[1].sum().item(), abs=1e-3)
    assert list((tmp_path / "home").rglob("open_clip_model.safetensors"))


def test_a_connection_that_breaks_once_goes_on_where_it_stopped(hub, weights):
    half = len(weights[0]) // 2
    hub.behave = lambda number, size: half if number == 1 else size
    assert torch.equal(load_clip_encoder().conv2.weight, weights[1])
    first, second = hub.gets()
    assert first == 0
    assert 0 < second <= half


def test_a_connection_that_stays_broken_is_one_sentence_and_a_later_try_ends_well(hub, weights):
    half = len(weights[0]) // 2
    hub.behave = lambda number, size: half if number == 1 else 0
    with pytest.raises(ModelError, match=r"broke off .*try again, or .*--clip-weights"):
        load_clip_encoder()
    hub.behave = lambda number, size: size
    assert torch.equal(load_clip_encoder().conv2.weight, weights[1])


def test_a_full_disk_is_named(hub, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(ModelError, match=r"no room .*HF_HOME"):
        load_clip_encoder()


def test_a_wrong_file_is_named_so_that_it_can_be_deleted(hub):
    hub.files[FILE] = b"<html>Sign in to the hotel's network</html>"
    with pytest.raises(ModelError, match=r"was downloaded and does not hold .*delete it") as caught:
        load_clip_encoder()
    name = str(caught.value).split(" was downloaded")[0]
    assert os.path.exists(name)  # noqa: PTH110


def test_a_refusal_is_told_with_its_status(hub):
    hub.files.clear()
    with pytest.raises(ModelError, match=r"refused .*HTTP 404"):
        load_clip_encoder()


def test_no_server_and_no_cache_name_both_remedies(hub, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        with pytest.raises(ModelError, match=r"connect to the internet once, or .*--clip-weights"):
            load_clip_encoder()
