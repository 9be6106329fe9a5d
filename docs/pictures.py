"""Make every picture of the window for these pages.

Usage, with a screen or under Xvfb, from the top of the repository::

    xvfb-run -a -s "-screen 0 1280x800x24" python docs/pictures.py

``--only`` makes some of them: ``story``, ``check``, ``hallucination``, ``compare``, ``models`` or
``files``.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from napari.layers import Image
from PIL import Image as Picture
from scipy.ndimage import gaussian_filter
from scripted_user import User, window, work_through

from napari_clip_denoise import denoise
from napari_clip_denoise.gui.llvm import keep_triton_out

IMAGES = Path(__file__).parent / "images"
SAMPLE = "Simulated noisy 3D"
STORY = {
    "the curtain is drawn": "preview.png",
    "the stack is denoised": "window.png",
    "the model is saved": "fine-tuning.png",
}
COLOURS = 255


def main() -> None:
    """Make the pictures, each in a window of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=IMAGES)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--minutes", type=float, default=3.0, help="of fine-tuning")
    parser.add_argument("--only", nargs="*", help="pictures to make")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)

    def record(user: User, name: str) -> None:
        photograph(user, options.folder / name)

    scenes: dict[str, Callable[[User, Path], None]] = {
        "check": check_a_blur,
        "hallucination": check_an_invention,
        "compare": compare_methods,
        "models": show_models,
        "files": denoise_files,
    }
    with window(options.theme) as (user, folder):
        if not options.only or "story" in options.only:
            tell_story(user, folder, options.minutes, record)
        for name, scene in scenes.items():
            if not options.only or name in options.only:
                clear(user)
                scene(user, folder)
                user.dismiss_notifications()
                record(user, f"{name}.png")


def photograph(user: User, path: Path) -> None:
    """Photograph the screen into a small file."""
    user.record(path)
    with Picture.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Picture.Dither.NONE)
    small.save(path, optimize=True)


def tell_story(
    user: User, folder: Path, minutes: float, record: Callable[[User, str], None]
) -> None:
    """Work through the window; noisy stands left of denoised."""
    viewer = user.viewer
    grid = viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid
    for step in work_through(user, folder, "compact", minutes):
        if step in STORY:
            if step == "the stack is denoised":
                grid.enabled, grid.stride = True, 1
                viewer.reset_view()
            record(user, STORY[step])
            grid.enabled = False
            viewer.reset_view()


def clear(user: User) -> None:
    """Close all panels and layers."""
    for name in list(user.viewer.window.dock_widgets):
        if "CLIP Denoise" in name:
            user.viewer.window.remove_dock_widget(user.viewer.window._wrapped_dock_widgets[name])
    user.viewer.layers.clear()


def open_sample(user: User) -> Image:
    """Open the sample stack and show a plane in its middle."""
    (layer,) = user.viewer.open_sample("napari-clip-denoise", "noisy_stack")
    user.viewer.dims.set_current_step(0, 11)
    return layer


def check(user: User, noisy: Image, pixels: np.ndarray, name: str) -> None:
    """Check pixels as the result of a noisy layer."""
    place = {name: getattr(noisy, name) for name in ("scale", "units", "contrast_limits")}
    user.viewer.add_image(pixels, name=name, **place)
    panel = user.open_panel("Check result")
    user.pick(panel.noisy.native, noisy.name)
    user.pick(panel.denoised.native, name)
    user.click(panel.check_button)
    user.wait(lambda: panel.is_running, 10)
    user.wait(lambda: not panel.is_running)
    user.select_layer(name)


def check_a_blur(user: User, folder: Path) -> None:
    """Check a stack that was only blurred."""
    noisy = open_sample(user)
    blurred = gaussian_filter(noisy.data.astype("float32"), (0, 3, 3))
    check(user, noisy, blurred, "Blurred by 3 pixels")


def check_an_invention(user: User, folder: Path) -> None:
    """Check a denoised stack with rings that were not in the sample."""
    noisy = open_sample(user)
    keep_triton_out()
    result = denoise(noisy.data)
    y, x = np.mgrid[: result.shape[1], : result.shape[2]]
    for row, column in ((60, 190), (150, 60), (205, 150)):
        distance = np.hypot(y - row, x - column)
        result[11][np.abs(distance - 7) < 1.5] = np.quantile(result, 0.98)
    check(user, noisy, result, "Denoised, with invented rings")


def compare_methods(user: User, folder: Path) -> None:
    """Compare the default methods on the middle of a plane."""
    open_sample(user)
    panel = user.open_panel("Compare")
    user.zoom_in(1)
    user.click(panel.run_button)
    user.wait(lambda: panel.is_running, 10)
    user.wait(lambda: not panel.is_running)
    user.viewer.layers.selection.clear()


def show_models(user: User, folder: Path) -> None:
    """Show the card of the default model."""
    open_sample(user)
    user.open_panel("Models")


def denoise_files(user: User, folder: Path) -> None:
    """Denoise a folder of four planes."""
    images = folder / "images"
    images.mkdir()
    stack = open_sample(user)
    for number in range(4):
        tifffile.imwrite(images / f"field {number + 1}.tif", stack.data[6 * number])
    panel = user.open_panel("Denoise files")
    user.type(panel.form.inputs.native, str(images))
    user.type(panel.form.output.line_edit.native, str(folder / "denoised"))
    user.click(panel.run_button)
    user.wait(lambda: panel.is_running, 10)
    user.wait(lambda: not panel.is_running)


if __name__ == "__main__":
    main()
