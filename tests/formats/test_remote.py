"""Stores behind a URL."""

import re
import threading
from base64 import b64encode
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from napari_clip_denoise.cli.app import main
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import create_writer, open_again, open_stack
from napari_clip_denoise.formats.detect import as_url
from napari_clip_denoise.formats.fingerprint import source_fingerprint
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings

AUTHORIZED = f"Basic {b64encode(b'reader:pa55word').decode()}"
VALUES = np.random.default_rng(0).integers(0, 999, (3, 40, 50), np.uint16)


class Handler(SimpleHTTPRequestHandler):
    """Serves files and parts of files, as the servers of stores do."""

    def do_GET(self):
        if "secret" in self.path and self.headers.get("Authorization") != AUTHORIZED:
            self.send_error(401)
            return
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not asked or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, last = asked.groups()
        start = int(first) if first else max(0, len(content) - int(last))
        stop = int(last) + 1 if first and last else len(content)
        part = content[start:stop]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def url(tmp_path):
    """The address of a folder with an OME-Zarr store, served to this machine."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    stack = as_stack(VALUES, "cyx")
    for version in ("0.4", "0.5"):
        path = tmp_path / f"{version}.ome.zarr"
        writer = create_writer(path, stack, stack.dtype, ome_version=version)
        for region in split(stack.shape, writer.region_shape):
            writer.write(region, stack.read(region))
        writer.finish()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_store_is_read_through_http(url, version, kind):
    stack = open_stack(kind(f"{url}/{version}.ome.zarr"))
    assert (stack.axes, stack.shape, stack.path) == ("cyx", VALUES.shape, None)
    np.testing.assert_array_equal(stack.read(whole(stack.shape)), VALUES)
    again = open_again(stack.opening)
    np.testing.assert_array_equal(again.read(whole(again.shape)), VALUES)


def test_a_store_behind_a_url_is_denoised(url, tiny, tmp_path):
    settings = make_settings(device="cpu", intensity=(0, 999))
    stack = open_stack(f"{url}/0.5.ome.zarr")
    remote = open_stack(denoise_to_file(stack, tmp_path / "r.zarr", settings, model=tiny))
    local = open_stack(
        denoise_to_file(as_stack(VALUES, "cyx"), tmp_path / "l.zarr", settings, model=tiny)
    )
    np.testing.assert_array_equal(remote.read(whole(VALUES.shape)), local.read(whole(VALUES.shape)))


@pytest.mark.parametrize("place", ["missing.ome.zarr", ""])
def test_what_is_not_there_is_one_sentence(url, place):
    with pytest.raises(InputError, match=r"not a readable zarr store|not an OME-Zarr image"):
        open_stack(f"{url}/{place}")
    with pytest.raises(InputError):
        open_stack("nonsense://somewhere/a.zarr")


def test_a_password_in_a_url_stays_there(url, tiny, tmp_path):
    (tmp_path / "0.5.ome.zarr").rename(tmp_path / "secret.ome.zarr")
    with pytest.raises(InputError):
        open_stack(f"{url}/secret.ome.zarr")
    secret = url.replace("http://", "http://reader:pa55word@")
    source = open_stack(f"{secret}/secret.ome.zarr")
    assert (source.origin, source.name) == (f"{url}/secret.ome.zarr", "secret")
    result = denoise_to_file(source, tmp_path / "r.zarr", make_settings(device="cpu"), model=tiny)
    written = b"".join(file.read_bytes() for file in result.rglob("*") if file.is_file())
    assert f"{url}/secret.ome.zarr".encode() in written
    assert b"pa55word" not in written
    for shown in (repr(source), str(source_fingerprint(source))):
        assert "pa55word" not in shown
    for place in (f"{secret}/missing.ome.zarr", f"{secret}/secret.ome.zarr/9?signature=abc123"):
        with pytest.raises(InputError) as refused:
            open_stack(place)
        assert "pa55word" not in str(refused.value)
        assert "abc123" not in str(refused.value)


def test_the_traceback_shows_no_password(url, monkeypatch, capsys):
    monkeypatch.setenv("CLIP_DENOISE_TRACEBACK", "1")
    source = url.replace("http://", "http://reader:pa55word@") + "/missing.ome.zarr"
    monkeypatch.setattr("sys.argv", ["clip-denoise", "denoise", source, "out.ome.zarr"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "pa55word" not in told


def test_urls_are_told_from_paths():
    chain = "zip://a.zarr::s3://bucket/a.zip"
    assert as_url(chain) == as_url(Path(chain)) == chain
    assert as_url(Path("file:///tmp/a.zarr")) == "file:///tmp/a.zarr"
    assert as_url("https://a.org/b.zarr") == "https://a.org/b.zarr"
    assert as_url(Path("https://a.org/b.zarr")) == "https://a.org/b.zarr"
    assert as_url("s3://bucket/b.zarr") == "s3://bucket/b.zarr"
    assert as_url("folder/b.zarr") is None
    assert as_url("C:/data/b.zarr") is None
    assert as_url("C:\\data\\b.zarr") is None
