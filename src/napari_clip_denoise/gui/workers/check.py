"""Check of a result, with the imports that it needs, away from the main thread."""

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.progress import CancelToken

if TYPE_CHECKING:
    import dask.array as da

    from napari_clip_denoise.evaluation.trust.sample import CheckedSample, Pair


def check_pair(
    layers: dict[str, Any], plane: Region, everywhere: bool, cancel: CancelToken
) -> "tuple[CheckedSample, Any]":
    """Check planes of a pair of layers.

    Parameters
    ----------
    layers : dict
        Arguments of `evaluation.trust.sample.Pair`.
    plane : tuple of slice
        The plane of the denoised layer that is shown.
    everywhere : bool
        Whether to spread planes over the layer instead.
    cancel : CancelToken
        Token that stops the check.

    Returns
    -------
    checked : CheckedSample
        The report and the planes.
    residual : dask.array.Array
        Noisy minus denoised, read on demand.
    """
    from napari_clip_denoise.evaluation.trust.sample import Pair, check_sample, choose_planes

    pair = Pair(**layers)
    regions = choose_planes(pair.denoised, plane, everywhere=everywhere)
    return check_sample(pair, regions, cancel), residual_of(pair)


def residual_of(pair: "Pair") -> "da.Array":
    """Return noisy minus denoised, float32, read on demand."""
    index = tuple(
        slice(shift, shift + size)
        for shift, size in zip(pair.offset, pair.denoised.shape, strict=True)
    )
    noisy, denoised = (_lazy(stack.array) for stack in (pair.noisy, pair.denoised))
    return noisy[index].astype(np.float32) - denoised.astype(np.float32)


def _lazy(array: Any) -> "da.Array":
    import dask.array as da

    return array if isinstance(array, da.Array) else da.from_array(array, name=False)
