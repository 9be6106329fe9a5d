"""OME-Zarr stores: read, written region by region, resumed."""
