"""Intensity mapping and noise of a whole plate, measured once."""

from collections.abc import Sequence

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import IntensityMapping
from napari_clip_denoise.images.sampling import evenly
from napari_clip_denoise.images.stack import Stack, as_dask, as_stack
from napari_clip_denoise.inference.engine.job import mapping_for
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.card import ModelCard

MOST_FIELDS = 64


def plate_mapping(
    fields: Sequence[Stack], card: ModelCard, settings: DenoiseSettings
) -> IntensityMapping:
    """Estimate one mapping for all fields, from a sample spread evenly over them.

    Parameters
    ----------
    fields : sequence of Stack
        The fields, well by well.
    card : ModelCard
        Card of the model.
    settings : DenoiseSettings
        Settings of the run.

    Returns
    -------
    IntensityMapping
        One mapping per channel.

    Raises
    ------
    InputError
        If the fields differ in their axes, type or channels.
    """
    chosen = [fields[i] for i in evenly(len(fields), MOST_FIELDS)]
    return mapping_for(as_one(chosen), card, settings)


def as_one(fields: Sequence[Stack]) -> Stack:
    """Return fields as one lazy stack, with a first axis for the fields.

    Fields that differ in size are cut to the size that all have, and only for this purpose.

    Raises
    ------
    InputError
        If the fields differ in their axes, type or channels.
    """
    import dask.array as da

    first = fields[0]
    for other in fields[1:]:
        if _kind(other) != _kind(first):
            raise InputError(
                f"The fields of the plate differ: {first.origin} has {_told(first)}, "
                f"{other.origin} {_told(other)}; measure each field by itself (--measure field)."
            )
    smallest = tuple(map(min, zip(*(field.shape for field in fields), strict=True)))
    cut = tuple(slice(0, size) for size in smallest)
    chunks = (1,) * len(first.leading_shape) + smallest[len(first.leading_shape) :]
    arrays = [as_dask(field.array, getattr(field.array, "chunks", chunks))[cut] for field in fields]
    letter = next(each for each in "nfqpijk" if each not in first.axes)
    return as_stack(da.stack(arrays), f"{letter}{first.axes}", name="plate")


def _kind(stack: Stack) -> tuple[object, ...]:
    n_channels = stack.shape[stack.axes.index("c")] if "c" in stack.axes else 1
    return stack.axes, stack.dtype, n_channels


def _told(stack: Stack) -> str:
    return f"{' x '.join(map(str, stack.shape))} {stack.axes} of {stack.dtype}"
