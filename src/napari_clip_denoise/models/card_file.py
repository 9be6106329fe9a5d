"""Reading and replacing the card of a model file, without importing torch."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.models.card import ModelCard
from napari_clip_denoise.models.whole_file import whole_file

CARD_KEY = "card"
LENGTH_BYTES = 8
MOST_HEADER_BYTES = 2**24


def read_card(path: str | Path) -> ModelCard:
    """Read only the card of a model file.

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a model file of this package.
    """
    _check_header(Path(path))
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(CARD_KEY)
        if text is None:
            raise ModelError(f"{path} has no model card, so it is not a model of this program.")
        return ModelCard.model_validate_json(text)
    except FileNotFoundError as error:
        raise ModelError(f"There is no model file {path}.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(
            f"{path} is damaged or not a model of this program; get the file again."
        ) from error


def copy_model(path: Path, target: Path, card: ModelCard) -> None:
    """Copy a model file with a new card; the tensors are copied exactly.

    Parameters
    ----------
    path : Path
        The model file.
    target : Path
        The copy, written completely or not at all.
    card : ModelCard
        Card of the copy.

    Raises
    ------
    OutputError
        If the copy cannot be written.
    """
    with whole_file(target) as partial:
        save_file(load_file(path), partial, metadata={CARD_KEY: card.model_dump_json()})


def _check_header(path: Path) -> None:
    """Check that a file is one, and that the header which it announces is not absurdly long.

    Raises
    ------
    ModelError
        If it is not.
    """
    if not path.is_file():
        raise ModelError(f"There is no model file {path}.")
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    if length > MOST_HEADER_BYTES:
        raise ModelError(
            f"{path} announces a header of {length} bytes, so it is damaged or no model; get the "
            "file again."
        )
