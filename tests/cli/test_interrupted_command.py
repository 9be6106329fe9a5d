"""Ctrl-C on the command line, and folders that cannot be written."""

import os
import sys

import numpy as np
import pytest

from napari_clip_denoise.cli import start
from napari_clip_denoise.inference import runs


class Interrupted:
    """A module whose import is cut short by Ctrl-C."""

    def __getattr__(self, name):
        raise KeyboardInterrupt


def test_ctrl_c_while_the_commands_are_imported_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "napari_clip_denoise.cli.app", Interrupted())
    with pytest.raises(SystemExit) as stop:
        start.main()
    assert stop.value.code == 130
    assert capsys.readouterr().err == "Cancelled; nothing was started.\n"


@pytest.mark.parametrize(
    ("shard", "told"), [("0/1", "nothing was written"), ("0/2", "what is finished is kept")]
)
def test_ctrl_c_says_what_is_left(cli, tiny_file, tmp_path, monkeypatch, shard, told):
    np.save(tmp_path / "a.npy", np.zeros((2, 40, 50), np.uint16))

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "run_to_writer", interrupt)
    where = tmp_path / "a.npy", tmp_path / "out.zarr"
    options = ("--model", tiny_file, "--device", "cpu", "--shard", shard)
    code, _, err = cli("denoise", *where, *options)
    assert code == 130
    assert f"Cancelled; {told}." in err


def test_a_folder_that_cannot_be_written_is_told_at_once(cli, tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((2, 40, 50), np.uint16))
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    for name in ("out.zarr", "out.tif"):
        code, _, err = cli("plan", tmp_path / "a.npy", tmp_path / name)
        assert code == 2
        assert f"The folder {tmp_path} cannot be written" in err


def test_a_plan_without_an_output_needs_no_folder_that_can_be_written(
    cli, tiny_file, tmp_path, monkeypatch
):
    source, here = tmp_path / "shared", tmp_path / "here"
    source.mkdir()
    here.mkdir()
    np.save(source / "a.npy", np.zeros((2, 40, 50), np.uint16))
    monkeypatch.chdir(here)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK or str(path) == str(here))
    code, out, err = cli("plan", source / "a.npy", "--model", tiny_file, "--device", "cpu")
    assert code == 0, err
    assert f"{here / 'a-denoised.ome.zarr'} (default)" in out
