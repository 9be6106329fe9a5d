"""Import and export of models, which take too long for the main thread."""

from pathlib import Path

from napari_clip_denoise.errors import UntrustedCode
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.models.export import Format, export_model
from napari_clip_denoise.models.folder import CLIP_MODEL, SUFFIX
from napari_clip_denoise.models.library import add_file, install
from napari_clip_denoise.models.zoo.files import is_package


def import_model(path: Path, trust: bool = False) -> str | None:
    """Add a model file, a package, or a checkpoint of the paper's authors, to the user's models.

    Parameters
    ----------
    path : Path
        The file.
    trust : bool
        See `add_file`.

    Returns
    -------
    str or None
        Name of the model; None if it holds code, and `trust` is False.
    """
    if path.suffix == SUFFIX:
        return add_file(path)
    keep_triton_out()
    if is_package(path):
        try:
            return add_file(path, trust=trust)
        except UntrustedCode:
            return None
    from napari_clip_denoise.models.paper_checkpoint import import_published

    install(import_published(path, CLIP_MODEL))
    return CLIP_MODEL


def write_model(name: str, path: Path, format: Format | None, overwrite: bool) -> Path:  # noqa: A002
    """Write a model to a file.

    Parameters
    ----------
    name, path, format, overwrite :
        See `export_model`.

    Returns
    -------
    Path
        The written file.
    """
    keep_triton_out()
    return export_model(name, path, format=format, overwrite=overwrite)
