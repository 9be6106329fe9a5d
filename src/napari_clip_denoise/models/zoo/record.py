"""What is kept beside a package in the user's folder: its card, and whether its code is trusted."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_clip_denoise.models.folder import models_folder
from napari_clip_denoise.models.whole_file import whole_file
from napari_clip_denoise.models.zoo.card import ZooCard
from napari_clip_denoise.models.zoo.files import record_path, stem


class Record(BaseModel):
    """What is known of an imported package.

    Attributes
    ----------
    card : ZooCard
        Its card, with the halo that was measured.
    trusted : bool
        Whether the user has agreed that code of these weights is run; other weights have another
        SHA-256 and are refused.
    """

    model_config = ConfigDict(frozen=True)

    card: ZooCard
    trusted: bool = False


def read_record(package: Path) -> Record | None:
    """Return the record of a package; None if it was not imported, or its record is unreadable."""
    if package.resolve().parent != models_folder().resolve():
        return None
    try:
        record = Record.model_validate_json(record_path(package).read_bytes())
    except (OSError, ValidationError):
        return None
    card = record.card.model_copy(update={"name": stem(package)})
    return record.model_copy(update={"card": card})


def write_record(package: Path, record: Record) -> None:
    """Write the record of a package.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with whole_file(record_path(package)) as partial:
        partial.write_text(record.model_dump_json(), encoding="utf-8")
