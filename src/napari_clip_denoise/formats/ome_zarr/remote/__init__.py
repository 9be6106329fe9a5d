"""OME-Zarr stores that are written behind a URL."""
