"""Tensors of a TorchScript archive, read without running the code that it holds."""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
DATA = "/data.pkl"
CONSTANTS = "/constants.pkl"


def is_jit_archive(path: Path) -> bool:
    """Return whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(CONSTANTS) for name in archive.namelist())


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a TorchScript archive under the names that its state dict has.

    Parameters
    ----------
    path : Path
        The archive.

    Raises
    ------
    pickle.UnpicklingError
        If it holds anything but modules of tensors and plain values.
    """
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(DATA))
        with archive.open(name) as file:
            root = _Reader(file, archive, name.removesuffix(DATA)).load()
    tensors: dict[str, Tensor] = {}
    _collect(root, "", tensors)
    return tensors


class _Module:
    """Stands for a scripted module: keeps its attributes and runs nothing."""

    attributes: Any = None

    def __setstate__(self, state: Any) -> None:
        self.attributes = state


class _Reader(pickle.Unpickler):
    """Unpickles modules, tensors and plain values only."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str):
        super().__init__(file)
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":
            return _plain
        raise pickle.UnpicklingError(f"{module}.{name} is not a tensor")

    def persistent_load(self, reference: Any) -> Tensor:
        _, dtype, key, _, count = reference
        content = bytearray(self._archive.read(f"{self._folder}/data/{key}"))
        return torch.frombuffer(content, dtype=dtype, count=count)


def _tensor(
    storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _plain(value: Any, *_: Any) -> Any:
    return value


def _collect(value: Any, name: str, into: dict[str, Tensor]) -> None:
    if isinstance(value, Tensor):
        into[name] = value
    elif isinstance(value, _Module) and isinstance(value.attributes, dict):
        for key, inner in value.attributes.items():
            _collect(inner, f"{name}.{key}" if name else str(key), into)
