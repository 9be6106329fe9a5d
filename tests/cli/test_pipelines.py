"""The commands of the Nextflow module, the Snakemake wrapper and the Fiji macro, as they run."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import yaml

from napari_clip_denoise import denoise
from napari_clip_denoise.formats import open_stack

PIPELINES = Path(__file__).parents[2] / "docs" / "pipelines"
MODULE = PIPELINES / "nextflow" / "clipdenoise"
WRAPPER = PIPELINES / "snakemake" / "clip-denoise"
MACRO = PIPELINES / "fiji" / "Clip_Denoise.ijm"
THREADS = 1


@pytest.fixture
def noisy(tmp_path):
    values = np.random.default_rng(0).poisson(100.0, (2, 48, 40)).astype(np.uint16)
    path = tmp_path / "noisy one.tif"
    tifffile.imwrite(path, values, imagej=True, metadata={"axes": "ZYX"})
    return path


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """Work in a folder of its own, with ``clip-denoise`` on the path."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_denoised(output, noisy, model):
    expected = denoise(tifffile.imread(noisy), model, axes="zyx", device="cpu", threads=THREADS)
    result = open_stack(output, "zyx")
    np.testing.assert_array_equal(np.asarray(result.array), expected)


def groovy(text, **values):
    """Return a Groovy string with the values of ``${name}``, and a single backslash for two."""
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", str(value))
    assert "${" not in text
    return text.replace("\\\\", "\\")


def test_the_nextflow_module(noisy, tiny_file, in_folder):
    text = (MODULE / "main.nf").read_text()
    script = re.search(r'script:.*?"""(.*?)"""', text, re.DOTALL)[1]
    values = {
        "image": shlex.quote(noisy.name),
        "prefix": "s1_denoised",
        "chosen": f"--model {tiny_file}",
        "task.cpus": THREADS,
        "args": "--device cpu",
    }
    subprocess.run(["bash", "-euo", "pipefail", "-c", groovy(script, **values)], check=True)
    assert_denoised(in_folder / "s1_denoised.ome.zarr", noisy, tiny_file)
    events = [json.loads(line) for line in (in_folder / "s1_denoised.jsonl").open()]
    assert events[-1]["event"] == "result"
    outputs = re.findall(r'path\("(.*?)"\)', text.partition("output:")[2].partition("when:")[0])
    assert all((in_folder / groovy(name, prefix="s1_denoised")).exists() for name in outputs)


def test_the_module_s_description_has_its_channels():
    text = (MODULE / "main.nf").read_text()
    meta = yaml.safe_load((MODULE / "meta.yml").read_text())
    assert list(meta["output"]) == re.findall(r"emit: (\w+)", text)
    assert list(meta["input"][0][1]) == re.findall(r"tuple val\(meta\), path\((\w+)\)", text)
    for environment in (MODULE / "environment.yml", WRAPPER / "environment.yaml"):
        yaml.safe_load(environment.read_text())


def test_the_snakemake_wrapper(noisy, tiny_file, in_folder):
    job = SimpleNamespace(
        input=[str(noisy)],
        output=[str(in_folder / "clean.ome.zarr")],
        params={"extra": f"--model '{tiny_file}' --device cpu"},
        threads=THREADS,
        log=[str(in_folder / "log.jsonl")],
    )
    runpy.run_path(str(WRAPPER / "wrapper.py"), init_globals={"snakemake": job})
    assert_denoised(in_folder / "clean.ome.zarr", noisy, tiny_file)
    assert '"event": "result"' in (in_folder / "log.jsonl").read_text()


def test_the_fiji_macro(cli, noisy, tiny_file, in_folder):
    text = MACRO.read_text()
    arguments = re.search(r"= exec\((.*)\);", text)[1].split(", ")
    values = {
        "command": "clip-denoise",
        "input": str(noisy),
        "output": str(in_folder / "clean.tif"),
        "model": str(tiny_file),
        "strength": "1.000",
    }
    text_of = " ".join(arguments).replace("d2s(strength 3)", "strength").split(" ")
    words = [word.strip('"') if word.startswith('"') else values[word] for word in text_of]
    assert words.pop(0) == "clip-denoise"
    code, _, err = cli(*words, "--threads", THREADS, "--device", "cpu")
    assert code == 0, err
    assert_denoised(in_folder / "clean.tif", noisy, tiny_file)
    with tifffile.TiffFile(in_folder / "clean.tif") as file:
        assert file.is_imagej
        assert file.series[0].axes == "ZYX"
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")
