"""Fixtures for the command line."""

import sys

import pytest

from napari_clip_denoise.cli.app import main


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run ``clip-denoise`` and give exit code, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["clip-denoise", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        streams = capsys.readouterr()
        return stop.value.code or 0, streams.out, streams.err

    return call
