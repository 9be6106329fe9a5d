"""Actions of napari's menus and command palette that need no panel to be open."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari


def denoise_again(viewer: "napari.viewer.Viewer") -> None:
    """Denoise the selected layer with the settings of the Denoise panel, or those used last."""
    from napari_clip_denoise.gui.viewer.layers import preferred_image
    from napari_clip_denoise.gui.widgets.denoise import DenoiseWidget

    _, panel = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Denoise")
    assert isinstance(panel, DenoiseWidget)
    if (image := preferred_image(viewer)) is not None:
        panel.form.layer.value = image
    panel.run()
