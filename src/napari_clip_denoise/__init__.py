"""Denoise microscopy and medical images with frozen CLIP features.

The network is that of Cheng, Liang, Tan, "Transfer CLIP for Generalizable Image Denoising",
CVPR 2024. Importing this package loads neither torch nor napari; the first use does.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_clip_denoise.evaluation.features import feature_similarity
    from napari_clip_denoise.evaluation.scores.evaluate import evaluate
    from napari_clip_denoise.inference.api import denoise, denoise_to_zarr
    from napari_clip_denoise.inference.batch import denoise_files
    from napari_clip_denoise.inference.plates.api import denoise_plate
    from napari_clip_denoise.inference.runs import denoise_to_file
    from napari_clip_denoise.models.checkpoint import Model
    from napari_clip_denoise.models.checkpoint import save_model as save
    from napari_clip_denoise.models.export import export_model
    from napari_clip_denoise.models.library import install
    from napari_clip_denoise.models.paper_checkpoint import import_published
    from napari_clip_denoise.models.registry import load
    from napari_clip_denoise.training.finetune.api import fine_tune

__version__ = version("napari-clip-denoise")
__all__ = [
    "Model",
    "__version__",
    "denoise",
    "denoise_files",
    "denoise_plate",
    "denoise_to_file",
    "denoise_to_zarr",
    "evaluate",
    "export_model",
    "feature_similarity",
    "fine_tune",
    "import_published",
    "install",
    "load",
    "save",
]

_HOMES = {
    "Model": ("models.checkpoint", "Model"),
    "denoise": ("inference.api", "denoise"),
    "denoise_files": ("inference.batch", "denoise_files"),
    "denoise_plate": ("inference.plates.api", "denoise_plate"),
    "denoise_to_file": ("inference.runs", "denoise_to_file"),
    "denoise_to_zarr": ("inference.api", "denoise_to_zarr"),
    "evaluate": ("evaluation.scores.evaluate", "evaluate"),
    "export_model": ("models.export", "export_model"),
    "feature_similarity": ("evaluation.features", "feature_similarity"),
    "fine_tune": ("training.finetune.api", "fine_tune"),
    "import_published": ("models.paper_checkpoint", "import_published"),
    "install": ("models.library", "install"),
    "load": ("models.registry", "load"),
    "save": ("models.checkpoint", "save_model"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
