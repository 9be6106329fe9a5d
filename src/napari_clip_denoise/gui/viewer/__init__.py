"""What happens in napari's viewer: layers in, layers out."""
