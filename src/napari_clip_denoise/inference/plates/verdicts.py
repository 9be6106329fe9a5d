"""The verdicts on the images of a plate, in one line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_clip_denoise.formatting import counted
from napari_clip_denoise.residual.run_verdict import ADVICE

MOST_NAMED = 5


@dataclass(frozen=True)
class PlateVerdict:
    """The verdict on all images of a plate.

    Attributes
    ----------
    sentence : str
        The verdict in one line.
    flagged : dict of str to str
        The verdict on each image of which something other than noise was removed, by its name.
    """

    sentence: str
    flagged: dict[str, str]

    def record(self) -> dict[str, Any]:
        """Return the verdict as plain values, for the record of how a result was made."""
        return {"verdict": self.sentence, "flagged": sorted(self.flagged)}


def summarise(checks: Mapping[str, dict[str, Any]], n_images: int) -> PlateVerdict:
    """Summarise the recorded verdicts.

    Parameters
    ----------
    checks : mapping of str to dict
        Record of the verdict on each checked image, by its name.
    n_images : int
        Number of all images.
    """
    checked = {name: check for name, check in checks.items() if check.get("windows")}
    flagged = {n: str(check["verdict"]) for n, check in checked.items() if check.get("flagged")}
    if not checked:
        return PlateVerdict("No image was checked.", {})
    rest = n_images - len(checked)
    unchecked = f"; {counted(rest, 'image')} could not be checked" if rest else ""
    if not flagged:
        told = f"Checked {counted(len(checked), 'image')}: only noise was removed{unchecked}."
        return PlateVerdict(told, {})
    names = list(flagged)
    named = ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
    return PlateVerdict(
        f"More than noise was removed from {len(flagged)} of {len(checked)} images ({named})"
        f"{unchecked}; {ADVICE} on them.",
        flagged,
    )
