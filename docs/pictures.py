"""Make every picture of these pages from the real window.

Usage, with a screen or under Xvfb, from the top of the repository::

    xvfb-run -a -s "-screen 0 1280x800x24" python docs/pictures.py
"""

import argparse
from pathlib import Path

from scipy.ndimage import gaussian_filter
from scripted_user import User, window, work_through

IMAGES = Path(__file__).parent / "images"
PICTURES = {
    "the curtain is drawn": "preview.png",
    "the stack is denoised": "window.png",
    "the model is saved": "fine-tuning.png",
}


def main() -> None:
    """Work through the window, and check a stack that was only blurred."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=IMAGES)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--minutes", type=float, default=3.0, help="of fine-tuning")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with window(options.theme) as (user, folder):
        viewer = user.viewer
        grid = viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid
        grid.stride = 1
        for step in work_through(user, folder, "compact", options.minutes):
            if step in PICTURES:
                if grid_is_wanted := step == "the stack is denoised":
                    grid.enabled = True
                    viewer.reset_view()
                user.record(options.folder / PICTURES[step])
                if grid_is_wanted:
                    grid.enabled = False
                    viewer.reset_view()
        user.dismiss_notifications()
        check_a_blur(user)
        user.record(options.folder / "check.png")


def check_a_blur(user: User) -> None:
    """Blur the first layer and check that."""
    viewer = user.viewer
    noisy = viewer.layers[0]
    del viewer.layers[1:]
    place = {name: getattr(noisy, name) for name in ("scale", "units", "contrast_limits")}
    blurred = gaussian_filter(noisy.data.astype("float32"), (0, 3, 3))
    viewer.add_image(blurred, name="Blurred by 3 pixels", **place)
    user.turn_to("Check result")
    docks = viewer.window.dock_widgets
    panel = next(docks[title] for title in docks if title.startswith("Check result ("))
    user.pick(panel.noisy.native, noisy.name)
    user.pick(panel.denoised.native, "Blurred by 3 pixels")
    user.click(panel.check_button)
    user.wait(lambda: panel.is_running, 10)
    user.wait(lambda: not panel.is_running)
    user.select_layer(noisy.name)


if __name__ == "__main__":
    main()
