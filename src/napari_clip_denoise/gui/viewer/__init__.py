"""Connection to napari's viewer: its layers, and the part of them that is visible."""
