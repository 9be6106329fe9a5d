"""Napari widgets; the only room that imports napari, magicgui or qtpy."""
