"""Actions in napari's menus."""

import numpy as np
from napari._app_model import get_app_model
from napari._app_model.constants import MenuId

from napari_clip_denoise import denoise

AGAIN = "napari-clip-denoise.denoise_again"


def test_the_selected_layer_is_denoised_again_from_the_layers_menu(
    viewer, widget, qtbot, noisy, tiny
):
    items = get_app_model().menus.get_menu(MenuId.LAYERS_FILTER)
    assert AGAIN in [item.command.id for item in items if hasattr(item, "command")]
    first = viewer.add_image(noisy, name="first")
    viewer.add_image(noisy // 2, name="second")
    viewer.layers.selection.active = first
    get_app_model().commands.execute_command(AGAIN).result()
    assert widget.is_running
    assert widget.form.layer.value == first
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    result = viewer.layers["first denoised, tiny"]
    np.testing.assert_array_equal(result.data, denoise(noisy, tiny, device="cpu"))
