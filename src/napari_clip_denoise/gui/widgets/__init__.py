"""The widgets that napari's menus open."""
