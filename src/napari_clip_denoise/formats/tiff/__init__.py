"""TIFF, OME-TIFF and ImageJ files, read lazily and written region by region."""
