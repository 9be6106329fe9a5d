"""Damaged and odd files through the library and the command line.

``pytest tests/fuzz --hypothesis-profile=long`` tries all of them by both ways.
"""

import subprocess
import sys
import time

import pytest
from hypothesis import settings

from fuzz.damaged_files import damaged_files
from napari_clip_denoise.cli.app import app, main
from napari_clip_denoise.errors import ClipDenoiseError, UnexpectedError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.inference.runs import denoise_to_file
from napari_clip_denoise.inference.settings import make_settings

IS_LONG = settings.default.max_examples >= 10_000
SECONDS = 5


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return list(damaged_files(tmp_path_factory.mktemp("damaged") / "files"))


def attempt(path, output, model):
    try:
        stack = open_stack(path)
        denoise_to_file(stack, output, make_settings(device="cpu"), model=model)
    except UnexpectedError:
        raise
    except ClipDenoiseError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_give_one_sentence_or_a_result(files, tiny, tmp_path):
    assert len(files) >= 300
    refused = []
    for number, path in enumerate(files):
        started = time.monotonic()
        message = attempt(path, tmp_path / f"{number}.zarr", tiny)
        assert time.monotonic() - started < SECONDS, path
        if message:
            assert message.endswith("."), (path, message)
            assert "\n" not in message, (path, message)
            refused.append(path)
    assert len(refused) > len(files) / 2
    assert {path.suffix for path in tmp_path.iterdir()} == {".zarr"}


def test_the_command_line_tells_it_in_one_sentence(files, tiny_file, tmp_path, capsys, monkeypatch):
    for number, path in enumerate(files if IS_LONG else files[::40]):
        output = tmp_path / f"{number}.ome.zarr"
        words = ["denoise", str(path), str(output), "--model", str(tiny_file), "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", ["clip-denoise", *words])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        assert code in (0, 2, None), (path, err)
        assert "Traceback" not in out + err
        assert output.exists() == (code != 2)
        if code == 2:
            assert err.strip().splitlines()[-1].startswith("Error: "), (path, err)


def test_a_process_ends_with_one_sentence(files, tiny_file, tmp_path):
    path = next(path for path in files if path.suffix == ".tif")
    words = ["denoise", path, tmp_path / "a.tif", "--model", tiny_file]
    command = [sys.executable, "-m", "napari_clip_denoise", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("Error: ")


def test_an_error_that_nobody_foresaw_is_told_how_to_report(monkeypatch, capsys):
    def fail(*arguments):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("napari_clip_denoise.cli.app.app", fail)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    _, err = capsys.readouterr()
    assert err.startswith(
        "Error: ZeroDivisionError: division by zero. This is not foreseen; please"
    )
    assert "Traceback" not in err
    monkeypatch.setenv("CLIP_DENOISE_TRACEBACK", "1")
    with pytest.raises(SystemExit):
        main()
    assert "Traceback" in capsys.readouterr().err
    assert app is not fail
