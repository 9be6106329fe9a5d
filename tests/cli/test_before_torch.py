import json
import os
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import contextlib, io, json, sys

class Torch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise AssertionError("torch was loaded")

sys.meta_path.insert(0, Torch())
from napari_clip_denoise.cli.app import main

def run(arguments):
    sys.argv = ["clip-denoise", *arguments]
    output = io.StringIO()
    with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        except BaseException as error:
            return repr(error), output.getvalue()
    return code, output.getvalue()

json.dump([run(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
"""

WRONG = {
    "denoise no.tif out.tif": "no.tif",
    "denoise a.npy out.tif --strength 2": "strength",
    "denoise a.npy out.tif --intensity often": "often",
    "denoise a.npy out.tif --preset mri": "mri",
    "denoise a.npy out.tif --device gpu": "device",
    "denoise a.npy out.tif --precision int8": "precision",
    "denoise a.npy out.tif --tile 100": "tile",
    "denoise a.npy out.tif --batch 0": "batch",
    "denoise a.npy out.tif --threads 0": "threads",
    "denoise a.npy out.tif --axes qq": "qq",
    "denoise a.npy out.tif --shard 8/8": "8/8",
    "denoise a.npy out.tif --shard 0/8": ".ome.zarr",
    "denoise a.npy out.tif --ome-version 0.6": "0.6",
    "denoise a.npy out.tif --dtype uint99": "uint99",
    "denoise a.npy out.tif --model nobody": "nobody",
    "denoise a.npy out.xyz": "out.xyz",
    "denoise a.npy there.tif": "there.tif",
    "denoise a.npy nowhere/out.tif": "nowhere",
    "denoise a.npy a.npy --overwrite": "is the input",
    "plan no.tif": "no.tif",
    "plan a.npy --model nobody": "nobody",
    "plan a.npy --intensity often": "often",
    "plan a.npy --tile 100": "tile",
    "batch no.tif -o out": "no.tif",
    "batch a.npy -o out --existing keep": "keep",
    "batch a.npy -o out --format .xyz": ".xyz",
    "batch a.npy -o out --strength 2": "strength",
    "denoise a.npy b.npy --destripe diagonal": "destripe",
    "batch a.npy -o out --model nobody": "nobody",
    "finetune mine a.npy --objective luck": "objective",
    "finetune mine a.npy --noise pink": "pink",
    "finetune mine a.npy --device gpu": "device",
    "finetune mine a.npy --model nobody": "nobody",
    "finetune mine no.npy": "no.npy",
    "finetune mine": "noisy",
    "evaluate --data nowhere": "nowhere",
    "evaluate --data . --suite dreams": "dreams",
    "evaluate --data . --noise pink": "pink",
    "evaluate --data . --baseline magic": "magic",
    "evaluate --data . --model nobody": "nobody",
    "evaluate --data . --device gpu": "gpu",
    "train nothing.yaml --data . --run run": "nothing",
    "models show nobody": "nobody",
    "models delete nobody --yes": "nobody",
    "models rename nobody somebody": "nobody",
    "models export nobody a.onnx": "nobody",
    "models build somebody": "somebody",
    "info --loud": "loud",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Exit code and output of each command, in a process that cannot import torch."""
    folder = tmp_path_factory.mktemp("before_torch")
    np.save(folder / "a.npy", np.zeros((32, 32), np.uint8))
    (folder / "there.tif").touch()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([command.split() for command in WRONG]),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "CLIP_DENOISE_MODELS": str(folder), "COLUMNS": "200"},
        check=True,
    )
    return dict(zip(WRONG, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("command", WRONG)
def test_a_wrong_option_is_told_before_torch_is_loaded(outcomes, command):
    code, output = outcomes[command]
    assert code == 2, (code, output)
    assert WRONG[command] in output
