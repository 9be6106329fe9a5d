"""Position and orientation of a volume in the patient."""

import numpy as np

from napari_clip_denoise.images.stack import Metadata


def volume_metadata(affine: np.ndarray, unit: str | None) -> Metadata:
    """Return the metadata of the axes z, y and x of a volume, along its own directions.

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), from voxel indices (x, y, z) to patient coordinates.
    unit : str or None
        Unit of the patient coordinates.

    Returns
    -------
    Metadata
        Voxel size, and position of the first voxel, along each axis.
    """
    columns = affine[:3, :3]
    steps = np.linalg.norm(columns, axis=0)
    directions = columns / np.where(steps > 0, steps, 1)
    places = affine[:3, 3] @ directions
    return Metadata(
        tuple(float(step) or 1.0 for step in steps[::-1]),
        tuple(float(place) for place in places[::-1]),
        (unit,) * 3,
    )
