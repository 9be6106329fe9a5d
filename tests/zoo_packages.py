"""Packages of the BioImage Model Zoo as other authors make them: by hand, without our exporter."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
import yaml
from onnx import TensorProto, helper, numpy_helper

SIDE = 5
"""Side of the box whose mean a pixel becomes."""
CITED = "Lovelace, Notes on smoothing, 1843"


def box_onnx(*, valid=False, batch="n", sides=("h", "w"), n_inputs=1, extra=()):
    """Return a network as ONNX: the mean of 5x5 pixels, beyond the edges 0."""
    weights = numpy_helper.from_array(np.full((1, 1, SIDE, SIDE), SIDE**-2, np.float32), "weights")
    border = 0 if valid else SIDE // 2
    nodes = [
        helper.make_node("Conv", ["raw0", "weights"], ["mean"], pads=[border] * 4),
        *extra,
    ]
    last = nodes[-1].output[0]
    given = [
        helper.make_tensor_value_info(f"raw{i}", TensorProto.FLOAT, [batch, 1, *sides])
        for i in range(n_inputs)
    ]
    result = helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, 1, "r", "c"])
    graph = helper.make_graph(nodes, "box", given, [result], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def box_torchscript(tmp_path):
    """Return the same network as TorchScript."""
    network = torch.nn.Conv2d(1, 1, SIDE, padding=SIDE // 2, bias=False).requires_grad_(False)
    torch.nn.init.constant_(network.weight, SIDE**-2)
    path = tmp_path / "box.pt"
    torch.jit.script(network).save(path)
    return path.read_bytes()


def space(name, size):
    """Describe an input axis."""
    return {"type": "space", "id": name, "size": size}


def like(name, offset=0, halo=None):
    """Describe an output axis that is as long as the input's, or longer by an offset."""
    size = {"tensor_id": "raw", "axis_id": name, "offset": offset}
    return {"type": "space", "id": name, "size": size} | ({} if halo is None else {"halo": halo})


ANY = {"min": 8, "step": 1}
BATCH, CHANNEL = {"type": "batch"}, {"type": "channel", "channel_names": ["signal"]}


def describe(
    *,
    pre=(),
    post=(),
    sizes=(ANY, ANY),
    given=None,
    result=None,
    kind="onnx",
    weights="net.onnx",
    sha256=None,
    more_inputs=(),
):
    """Return the description of a package, as its authors would write it."""
    given = given or [BATCH, CHANNEL, space("y", sizes[0]), space("x", sizes[1])]
    result = result or [BATCH, CHANNEL, like("y"), like("x")]
    entry = {"source": weights} | ({} if sha256 is None else {"sha256": sha256})
    entry |= {"opset_version": 17} if kind == "onnx" else {"pytorch_version": "2.1.0"}
    return {
        "format_version": "0.5.3",
        "type": "model",
        "name": "Box of the lab",
        "description": "Means of 5x5 pixels",
        "authors": [{"name": "Ada Lovelace"}, {"name": "Charles Babbage"}],
        "cite": [{"text": CITED, "doi": "10.1234/box"}],
        "license": "MIT",
        "documentation": "README.md",
        "timestamp": "2024-01-01T00:00:00",
        "tags": ["denoising"],
        "training_data": {"id": "affable-shark"},
        "inputs": [
            {
                "id": "raw",
                "axes": given,
                "test_tensor": {"source": "in.npy"},
                "data": {"type": "float32"},
                "preprocessing": list(pre),
            },
            *more_inputs,
        ],
        "outputs": [
            {
                "id": "smooth",
                "axes": result,
                "test_tensor": {"source": "out.npy"},
                "postprocessing": list(post),
            }
        ],
        "weights": {kind: entry},
    }


def write(path: Path, description, content: bytes):
    """Write a package, and return its path."""
    kind = next(iter(description["weights"]))
    entry = description["weights"][kind]
    entry.setdefault("sha256", hashlib.sha256(content).hexdigest())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rdf.yaml", yaml.safe_dump(description))
        archive.writestr("README.md", "# Box\n")
        archive.writestr(entry["source"], content)
        for name in ("in.npy", "out.npy"):
            archive.writestr(name, b"")
    return path


def box(path: Path, content=None, **described):
    """Write the package of the box, with whatever is different about it."""
    return write(path, describe(**described), content or box_onnx())
