"""Photograph napari as it looks in the tutorials.

Usage, with a screen or under Xvfb, from the top of the repository::

    xvfb-run -a -s "-screen 0 1280x800x24" python docs/tutorial_windows.py FOLDER

``FOLDER/judge`` is where `tutorial_runner.py` did the page ``judge.md``.
"""

import sys
from pathlib import Path

from pictures import COLOURS, clear
from PIL import Image as Picture
from qtpy.QtCore import Qt
from scripted_user import PLUGIN, User, window

PICTURES = Path(__file__).parent / "images" / "tutorials"


def photograph(user: User, name: str) -> None:
    """Photograph the screen, in few colours."""
    user.dismiss_notifications()
    path = PICTURES / name
    user.record(path)
    with Picture.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Picture.Dither.NONE)
    small.save(path, optimize=True)


def preview_the_stack(user: User) -> None:
    """Do the first four steps of ``z-stack.md``."""
    viewer = user.viewer
    user.choose_menu("File", "Open Sample", PLUGIN, "Real 3D, nuclear envelopes")
    user.wait(lambda: len(viewer.layers) == 1)
    panel = user.open_panel("Denoise")
    user.click(panel.preview.toggle)
    preview = panel.preview.preview
    user.wait(lambda: preview.layer is not None)
    user.drag(viewer.window._qt_viewer.dims.slider_widgets[0].slider, 0.3)
    user.wait(lambda: not preview.is_working)
    user.drag(panel.preview.curtain, 0.5)
    photograph(user, "z-stack-preview.png")


def denoise_the_stack(user: User) -> None:
    """Do the fifth step of ``z-stack.md``."""
    panel = user.panel("Denoise")
    user.click(panel.preview.toggle)
    user.wait(lambda: panel.preview.preview.layer is None)
    user.click(panel.run_button)
    user.wait(lambda: panel.is_running, 10)
    user.wait(lambda: not panel.is_running)
    photograph(user, "z-stack-denoised.png")


def check_a_take(user: User, folder: Path) -> None:
    """Do the third step of ``judge.md``."""
    viewer = user.viewer
    viewer.open([folder / "first.tif", folder / "first_denoised.tif"])
    panel = user.open_panel("Check result")
    user.pick(panel.noisy.native, "first")
    user.pick(panel.denoised.native, "first_denoised")
    user.click(panel.check_button)
    user.wait(lambda: panel.is_running, 10)
    user.wait(lambda: not panel.is_running)
    residual = next(layer for layer in viewer.layers if layer.name.endswith("residual"))
    user.select_layer(residual.name)
    user.press(Qt.Key.Key_V)
    user.wait(lambda: residual.visible, 10)
    photograph(user, "judge-window.png")


def main(folder: Path) -> None:
    """Make the pictures in one window."""
    with window("dark") as (user, _):
        preview_the_stack(user)
        denoise_the_stack(user)
        clear(user)
        check_a_take(user, folder / "judge")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
