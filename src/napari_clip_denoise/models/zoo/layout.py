"""Axes and sizes of a package's tensors."""

from dataclasses import dataclass
from typing import Any

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.network.config import STRIDE, InputSizes

LETTERS = {"batch": "n", "channel": "c"}
CHANNELS = (1, 3)


@dataclass(frozen=True)
class Layout:
    """Layout of the input and the output of a package.

    Attributes
    ----------
    channels : int
        Channels of both.
    input_axes, output_axes : str
        Order of the axes, one letter each: n, c, y and x.
    sizes : (InputSizes, InputSizes)
        Lengths along Y and X, without the border.
    border : (int, int)
        Rows and columns that the output lacks at each side.
    halo : int
        Pixels at each edge of a tile that the package asks to discard, with the border.
    one_by_one : bool
        Whether a batch holds a single image.
    """

    channels: int
    input_axes: str
    output_axes: str
    sizes: tuple[InputSizes, InputSizes]
    border: tuple[int, int]
    halo: int
    one_by_one: bool


def layout_of(given: Any, result: Any) -> Layout:
    """Return the layout of an input and its output, as `bioimageio.spec` describes them.

    Raises
    ------
    ModelError
        If they are not one 2D image each, of the same kind.
    """
    ins, outs = _by_letter(given), _by_letter(result)
    channels, channels_out = (_channels(axes) for axes in (ins, outs))
    if channels not in CHANNELS or channels_out != channels:
        raise ModelError(
            f"The network makes {channels_out} channels from {channels}; only networks that "
            "denoise one channel, or the three of RGB, can be run."
        )
    borders = {letter: _border(letter, given, ins[letter], outs[letter]) for letter in "yx"}
    margins = [(getattr(outs[letter], "halo", 0) or 0) + borders[letter] for letter in "yx"]
    return Layout(
        channels,
        "".join(ins),
        "".join(outs),
        (_sizes(ins["y"].size, borders["y"]), _sizes(ins["x"].size, borders["x"])),
        (borders["y"], borders["x"]),
        max(margins),
        "n" in ins and ins["n"].size == 1,
    )


def _by_letter(tensor: Any) -> dict[str, Any]:
    axes = {LETTERS.get(axis.type, str(axis.id)): axis for axis in tensor.axes}
    if not {"y", "x"} <= set(axes) <= set("ncyx"):
        names = ", ".join(str(axis.id) for axis in tensor.axes)
        raise ModelError(
            f"The package has the axes {names}; only packages for 2D images can be run."
        )
    return axes


def _channels(axes: dict[str, Any]) -> int:
    return int(axes["c"].size) if "c" in axes else 1


def _sizes(size: Any, border: int) -> InputSizes:
    """Return the lengths of an input axis from its description, without the border."""
    if isinstance(size, int):
        if size <= 2 * border:
            raise ModelError("The network takes images that its output has no pixels of.")
        least = size - 2 * border
        return InputSizes(least, STRIDE, STRIDE, least)
    if not hasattr(size, "step"):
        raise ModelError(
            "The network takes images whose rows and columns depend on each other; only those of "
            "any rows and columns can be run."
        )
    least = size.min - 2 * border
    if least < 1:
        least += -(least - 1) // size.step * size.step
        least += 0 if least > 0 else size.step
    return InputSizes(least, size.step, size.step)


def _border(letter: str, given: Any, axis: Any, made: Any) -> int:
    """Return how many pixels the output lacks at each side along an axis.

    Raises
    ------
    ModelError
        If the output has other pixels than the input.
    """
    lost: int | None = None
    size = made.size
    if isinstance(size, int) and isinstance(axis.size, int):
        lost = axis.size - size
    elif hasattr(size, "tensor_id") and (size.tensor_id, size.axis_id) == (given.id, axis.id):
        lost = -size.offset
    if lost is None or lost < 0 or lost % 2 or made.scale != axis.scale:
        raise ModelError(
            f"The output is not the input denoised, pixel by pixel: its size along {letter} is "
            "another one; only packages that keep the pixels can be run."
        )
    return lost // 2
