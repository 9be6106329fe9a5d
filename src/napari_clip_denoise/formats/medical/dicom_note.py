"""The note in a derived DICOM file on how it was made, and room in it for what is known later."""

from pathlib import Path
from typing import Any

from napari_clip_denoise.formats.medical.dicom_file import pydicom_read
from napari_clip_denoise.formats.publish import SOFTWARE

NOTE = "DerivationDescription"
LONGEST = 1024
"""Length that DICOM allows for the note, in characters."""
ROOM = 256
"""Spaces at the end of a note, which readers ignore, for the verdict of the check."""


def note(before: str, attributes: dict[str, Any]) -> str:
    """Describe in a sentence how a result was made, after what is known of its source.

    Parameters
    ----------
    before : str
        Note of the source, or an empty string.
    attributes : dict
        Record of how the result is made, from `inference.provenance`.

    Returns
    -------
    str
        The note, with spaces at its end.
    """
    parts = [f"Denoised with {attributes.get('software', SOFTWARE)}"]
    if "model" in attributes:
        parts.append(f"model {attributes['model']} ({attributes['model_sha256'][:16]})")
        settings = attributes["settings"]
        parts.append(f"intensity {settings['intensity']}, strength {settings['strength']:g}")
    whole = "; ".join(filter(None, (before, ", ".join(parts))))
    return whole[ROOM - LONGEST :] + ROOM * " "


def add_to_note(path: Path, sentence: str) -> None:
    """Write a sentence into the room at the end of a file's note; the rest of the file stays.

    Parameters
    ----------
    path : Path
        A file with a note from `note`.
    sentence : str
        The sentence; it is cut if the room is too small.
    """
    header = pydicom_read(path, stop_before_pixels=True, specific_tags=[NOTE])
    stored = header.get_item(NOTE)
    written = stored.value.rstrip(b" \0")
    longer = written + f"; {sentence}".encode("ascii", "replace")
    with path.open("r+b") as file:
        file.seek(stored.value_tell)
        file.write(longer.ljust(stored.length)[: stored.length])
