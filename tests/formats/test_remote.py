"""Stores behind a URL."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import create_writer, open_again, open_stack
from napari_clip_denoise.formats.detect import as_url
from napari_clip_denoise.images.regions import split, whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings

VALUES = np.random.default_rng(0).integers(0, 999, (3, 40, 50), np.uint16)


class Handler(SimpleHTTPRequestHandler):
    """Serves files and parts of files, as the servers of stores do."""

    def do_GET(self):
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


def test_urls_are_told_from_paths():
    assert as_url("https://a.org/b.zarr") == "https://a.org/b.zarr"
    assert as_url(Path("https://a.org/b.zarr")) == "https://a.org/b.zarr"
    assert as_url("s3://bucket/b.zarr") == "s3://bucket/b.zarr"
    assert as_url("folder/b.zarr") is None
    assert as_url("C:/data/b.zarr") is None
    assert as_url("C:\\data\\b.zarr") is None
