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
    "denoise a.npy out.png --dtype float32": "uint8",
    "denoise a.npy out.jpg --dtype uint16": "uint8",
    "denoise a.npy out.mrc --dtype uint32": "MRC",
    "denoise a.npy out.nii --dtype float16": "NIfTI",
    "denoise a.npy out.ome.tif --dtype int64": "OME-TIFF",
    "denoise a.npy out.dcm": "DICOM",
    "denoise a.npy out": "no ending",
    "denoise a.npy out.zarr --axes yq": "axes",
    "plan a.npy out.jpg --dtype uint16": "uint8",
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
    "evaluate --data . --model compact --card nowhere/a.safetensors": "no folder nowhere",
    "train nothing.yaml --data . --run run": "nothing",
    "models show nobody": "nobody",
    "models delete nobody --yes": "nobody",
    "models rename nobody somebody": "nobody",
    "models export nobody a.onnx": "nobody",
    "models build somebody": "somebody",
    "info --loud": "loud",
    "finetune compact a.npy": "'compact' comes with the program",
    "finetune mine no.npy --model nobody": "nobody",
    "finetune mine no.npy --model pack.zip": "pack.zip",
    "finetune mine no.npy --devices 3": "3 devices",
    "finetune mine a.npy --noise 2,100,3": "--noise is only for",
    "finetune mine a.npy --clean a.npy --repeats a.npy": "--repeats is only for",
    "finetune mine a.npy --objective noise2void --repeat-axis t": "--repeat-axis is only for",
    "finetune mine a.npy --objective noise2void --clean a.npy": "--clean is only for",
    "finetune mine a.npy --clip-weights a.npy": "--clip-weights is only for",
    "denoise a.npy out.zarr --measure plate": "--measure is only for plates",
    "denoise a.npy out.zarr --no-labels --skip-missing": "--no-labels and --skip-missing are only",
    "denoise a.npy out.zarr --profile --workers 2": "--profile is only for single images",
    "denoise a.npy out.tif --ome-version 0.5": "--ome-version is only for OME-Zarr",
    "denoise a.npy out.tif --clip-weights a.npy": "--clip-weights is only for",
    "plan a.npy --clip-weights a.npy": "--clip-weights is only for",
    "batch a.npy -o out --keep-folders": "--keep-folders is only for folders",
    "batch a.npy -o out --pattern *.npy": "--pattern is only for folders",
    "batch a.npy -o out --clip-weights a.npy": "--clip-weights is only for",
    "evaluate --data . --baseline gaussian --self-ensemble": "--self-ensemble is only for models",
    "features --data . --encoder compact --seed 1": "--seed is only for random",
    "features --data . --clip-weights a.npy": "--clip-weights is only for",
    "train compact --data . --run run --clip-weights a.npy": "--clip-weights is only for",
    "models import a.npy --trust": "--trust is only for packages",
    "models export compact a.onnx --author Ada": "--author is only for packages",
    "models export compact a --clip-weights a.npy": "--clip-weights is only for ONNX",
    "models export compact a.onnx --clip-weights a.npy": "--clip-weights is only for models",
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
