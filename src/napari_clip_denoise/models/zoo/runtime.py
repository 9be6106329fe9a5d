"""Running of a package's weights by the library that they are made for."""

import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from napari_clip_denoise.errors import ClipDenoiseError, ModelError
from napari_clip_denoise.optional import from_extra

LONGEST_DETAIL = 160
LOG_ERRORS = 3
FLOAT32 = "tensor(float)"
Call = Callable[[Tensor], Tensor]


def onnx_call(content: bytes, axes: str, threads: int) -> tuple[Call, bool]:
    """Load a network from ONNX, for the CPU.

    Parameters
    ----------
    content : bytes
        The file.
    axes : str
        Axes of its input, see `ForeignConfig`.
    threads : int
        Number of threads.

    Returns
    -------
    call : callable
        Runs the network on a tensor in its own layout.
    is_single : bool
        Whether it takes one image at a time.

    Raises
    ------
    ModelError
        If it cannot be loaded, or has not one float32 image as input and one as output.
    InputError
        If onnxruntime is not installed.
    """
    with from_extra("zoo", "ONNX networks of others"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = LOG_ERRORS
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no public base class
        raise ModelError(f"The ONNX network cannot be loaded: {_detail(error)}.") from error
    given, results = session.get_inputs(), session.get_outputs()
    if len(given) != 1 or len(results) != 1 or given[0].type != FLOAT32:
        raise ModelError(
            f"The ONNX network has {len(given)} inputs, of {given[0].type if given else 'nothing'},"
            f" and {len(results)} outputs; only one of {FLOAT32} each can be used."
        )
    if len(given[0].shape) != len(axes):
        raise ModelError(
            f"The ONNX network takes {len(given[0].shape)} axes where its description has "
            f"{len(axes)}; ask its authors for a corrected one."
        )

    def call(batch: Tensor) -> Tensor:
        try:
            (result,) = session.run(None, {given[0].name: batch.numpy()})
        except Exception as error:
            raise _failed(error, batch) from error
        return torch.from_numpy(result)

    return call, "n" in axes and given[0].shape[axes.index("n")] == 1


def torchscript_call(content: bytes, device: torch.device) -> Call:
    """Load a network from TorchScript, which runs code that it holds; ask the user before.

    Parameters
    ----------
    content : bytes
        The file.
    device : torch.device
        Device to load it to.

    Raises
    ------
    ModelError
        If it cannot be loaded.
    """
    try:
        module = torch.jit.load(io.BytesIO(content), map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"The TorchScript cannot be loaded: {_detail(error)}.") from error

    def call(batch: Tensor) -> Tensor:
        try:
            result: Any = module(batch)
        except RuntimeError as error:
            raise _failed(error, batch) from error
        if isinstance(result, (tuple, list)) and len(result) == 1:
            result = result[0]
        if not isinstance(result, Tensor):
            raise ModelError("The TorchScript returns something else than one image.")
        return result

    return call


def _failed(error: Exception, batch: Tensor) -> Exception:
    """Return what to raise if a network fails: the error itself if memory is low or it is ours."""
    text = str(error).lower()
    if isinstance(error, ClipDenoiseError) or "out of memory" in text:
        return error
    if "alloc" in text and "memory" in text:
        return RuntimeError(f"not enough memory: {_detail(error)}")
    shape = " x ".join(map(str, batch.shape))
    return ModelError(
        f"The network of the package fails on an input of {shape} values: {_detail(error)}; ask "
        "its authors, or choose another model."
    )


def _detail(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text if len(text) <= LONGEST_DETAIL else f"{text[:LONGEST_DETAIL]} …"
