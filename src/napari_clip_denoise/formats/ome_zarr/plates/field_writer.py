"""Writing one image of a store of many."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.formats.base import Check
from napari_clip_denoise.formats.ome_zarr.files import Checksum
from napari_clip_denoise.formats.ome_zarr.image import StoredImage
from napari_clip_denoise.formats.ome_zarr.target import Target
from napari_clip_denoise.formats.ome_zarr.verify import OnVerified
from napari_clip_denoise.images.regions import Region


class FieldWriter:
    """A `Writer` of one image of a store; see `CollectionWriter.begin`.

    Parameters
    ----------
    target : Target
        Place of the store.
    image : StoredImage
        The image.
    name : str
        Its name in the store.
    attributes, fingerprint, inherit, overwrite, on_verified :
        See `OmeZarrWriter`.
    copy : callable
        Copies what lies beside the image, once it is complete.
    pause : callable
        Stops the writing of the store.
    """

    can_resume = True

    def __init__(
        self,
        target: Target,
        image: StoredImage,
        name: str,
        attributes: dict[str, Any],
        fingerprint: dict[str, Any],
        inherit: tuple[str, ...],
        *,
        overwrite: bool,
        on_verified: OnVerified | None,
        copy: Callable[[], object],
        pause: Callable[[], object],
    ):
        self._target = target
        self._image = image
        self._name = name
        self._copy = copy
        self._pause = pause
        self.path: Path | str = f"{target.path}/{name}"
        self.region_shape = image.region_shape
        self._own = {**attributes, "rgb": image.stack.is_rgb}
        with target.errors():
            image.set_up(self._own, fingerprint, inherit, overwrite=overwrite, clear=self._clear)
            image.forget_damaged(list(image.regions()), on_verified)
        self.fingerprint = image.fingerprint
        self._own |= {key: self.fingerprint[key] for key in inherit if key in self.fingerprint}
        self.array: Any = image.array

    def regions(self) -> Iterator[Region]:
        """Iterate over the regions of the image."""
        return self._image.regions()

    def has(self, index: Region) -> bool:
        """Return whether a region is finished."""
        return self._image.has(index)

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a finished region; it is stored for good before this returns."""
        with self._target.connection():
            self._image.write(index, block)

    def note(self, index: Region, checksum: Checksum) -> None:
        """Record that another process has stored a region, with its checksum."""
        with self._target.connection():
            self._image.note(index, checksum)

    def finish(self, check: Check | None = None) -> Path | str:
        """Complete the image in the unfinished store."""
        if check is not None:
            self._own |= check()
        with self._target.errors():
            self._image.complete(self._own)
            self._copy()
            done = self._image.first + self._image.n_regions
            self._target.record.add(done, self._image.checksum_of_completion())
        return self.path

    def abort(self) -> None:
        """Stop writing, as `pause` does: a store of many images is not removed for one."""
        self.pause()

    def pause(self) -> None:
        """Stop writing; a later run continues from here."""
        self.array = None
        self._pause()

    def _clear(self) -> None:
        image = self._image
        self._target.record.forget({*range(image.first, image.first + image.n_regions + 1)})
        self._target.files.remove(self._name)
