"""Reading OME-Zarr stores, and writing them region by region, across interrupted runs."""
