"""The folder of the user's models, and the names of the bundled ones."""

import os
from pathlib import Path

from platformdirs import user_data_path

from napari_clip_denoise.errors import OutputError

SUFFIX = ".safetensors"
FOLDER_VARIABLE = "CLIP_DENOISE_MODELS"
DEFAULT_MODEL = "compact"
RGB_MODEL = "compact-rgb"
BUNDLED = (DEFAULT_MODEL, RGB_MODEL)
AUTO = "auto"
"""Selects the bundled model that suits an image, see `find`."""
CLIP_MODEL = "clip-rn50"


def models_folder() -> Path:
    """Return the folder of the user's models, which ``CLIP_DENOISE_MODELS`` overrides."""
    override = os.environ.get(FOLDER_VARIABLE)
    return Path(override) if override else user_data_path("napari-clip-denoise") / "models"


def make_folder(folder: Path) -> None:
    """Create the models folder, or one within it, if it does not exist.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The models folder {folder} cannot be made: {error.strerror}; set "
            f"{FOLDER_VARIABLE} to a folder that can be written."
        ) from error
