"""Import and export of models, which take too long for the main thread."""

from pathlib import Path

from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.models.export import Format, export_model
from napari_clip_denoise.models.folder import CLIP_MODEL, SUFFIX
from napari_clip_denoise.models.registry import add_file, install


def import_model(path: Path) -> str:
    """Add a model file, or a checkpoint of the paper's authors, to the user's models.

    Returns
    -------
    str
        Name of the model.
    """
    if path.suffix == SUFFIX:
        return add_file(path)
    keep_triton_out()
    from napari_clip_denoise.models.paper_checkpoint import import_published

    install(import_published(path, CLIP_MODEL))
    return CLIP_MODEL


def write_model(name: str, path: Path, format: Format | None) -> Path:  # noqa: A002
    """Write a model to a file.

    Parameters
    ----------
    name, path, format :
        See `export_model`.

    Returns
    -------
    Path
        The written file.
    """
    keep_triton_out()
    return export_model(name, path, format=format)
