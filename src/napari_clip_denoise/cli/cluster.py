"""The dask cluster selected on the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from napari_clip_denoise.errors import InputError


@contextmanager
def cluster_client(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """Start local workers or connect to a scheduler; yield None if neither is requested.

    Parameters
    ----------
    workers : int or None
        Number of local workers.
    scheduler : str or None
        Address of a running scheduler.

    Yields
    ------
    distributed.Client or None
        The client.

    Raises
    ------
    InputError
        If both are given, dask.distributed is missing, or the scheduler cannot be reached.
    """
    if workers is None and scheduler is None:
        yield None
        return
    if workers is not None and scheduler is not None:
        raise InputError("Give either --workers or --scheduler, not both.")
    if find_spec("distributed") is None:
        raise InputError(
            "Workers need dask.distributed, which is not installed; run: "
            "pip install 'napari-clip-denoise[cluster]'."
        )
    if workers is not None:
        from napari_clip_denoise.inference.distributed import local_client

        with local_client(workers) as client:
            yield client
        return
    from distributed import Client

    try:
        client = Client(scheduler, timeout="20s")
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no dask scheduler at {scheduler}; start one with: dask scheduler."
        ) from error
    with client:
        yield client
