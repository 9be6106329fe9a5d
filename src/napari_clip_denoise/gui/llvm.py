"""Protection against two copies of LLVM in one process.

Mesa's OpenGL drivers load LLVM, and so does Triton, which torchvision and torch import on Linux
although it is not used here. If Triton is imported when Mesa's LLVM is already loaded, the process
crashes with a segmentation fault (seen with Mesa 22.3 and Triton of torch 2.15).
"""

import sys
from pathlib import Path

MAPPED_FILES = Path("/proc/self/maps")


def keep_triton_out() -> None:
    """Prevent the import of Triton if a driver has loaded LLVM; torch then works without it."""
    if "triton" not in sys.modules and _has_llvm():
        sys.modules["triton"] = None  # type: ignore[assignment]


def _has_llvm() -> bool:
    return MAPPED_FILES.exists() and "libLLVM" in MAPPED_FILES.read_text()
