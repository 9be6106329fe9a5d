"""Napari widgets; the only package that imports napari, magicgui or qtpy."""
