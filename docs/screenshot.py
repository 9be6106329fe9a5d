"""Take a picture of the real window with the Denoise widget.

Usage, with a screen or under Xvfb::

    xvfb-run -a -s "-screen 0 1280x800x24" python docs/screenshot.py docs/images/window.png
"""

import argparse
from pathlib import Path

import napari
from napari.settings import get_settings
from qtpy.QtCore import QTimer
from scipy.ndimage import gaussian_filter

PLUGIN = "napari-clip-denoise"
SIZE = (1280, 800)
STAGES = ("before", "preview", "running", "after", "check", "blurred")


def main() -> None:
    """Open the 3D sample, denoise it, and save the window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--stage", choices=STAGES, default="after")
    options = parser.parse_args()

    get_settings().appearance.theme = options.theme
    viewer = napari.Viewer(show=False)
    viewer.open_sample(PLUGIN, "noisy_stack")
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Denoise")
    viewer.dims.set_current_step(0, 12)
    viewer.show()
    viewer.window._qt_window.resize(*SIZE)

    def save() -> None:
        if options.stage == "after":
            grid = viewer.canvas.grid
            grid.enabled, grid.stride = True, -1
            viewer.reset_view()
        QTimer.singleShot(
            500,
            lambda: (
                viewer.screenshot(str(options.output), canvas_only=False, flash=False),
                viewer.close(),
            ),
        )

    def check() -> None:
        dock, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Check result", tabify=True)
        dock.raise_()
        if options.stage == "blurred":
            panel.noisy.value, panel.denoised.value = viewer.layers[:2]
        panel.check()
        viewer.layers.selection = {viewer.layers[0]}
        checking.timeout.connect(lambda: None if panel.is_running else (checking.stop(), save()))
        checking.start(200)

    def blur() -> None:
        image = viewer.layers[0]
        place = {name: getattr(image, name) for name in ("scale", "units", "contrast_limits")}
        blurred = gaussian_filter(image.data.astype("float32"), (0, 3, 3))
        viewer.add_image(blurred, name="Blurred by 3 pixels", **place)

    def wait() -> None:
        if options.stage == "preview" and widget.preview.preview.layer is None:
            return
        if options.stage == "running" and widget.progress.bar.value() < 300:
            return
        if options.stage in ("after", "check", "blurred") and widget.is_running:
            return
        timer.stop()
        check() if options.stage in ("check", "blurred") else save()

    if options.stage == "check":
        widget.form.whole.value = False
    if options.stage == "preview":
        widget.preview.toggle.setChecked(True)
        widget.preview.curtain.setValue(widget.preview.curtain.maximum() // 2)
    elif options.stage == "blurred":
        blur()
    elif options.stage != "before":
        widget.run()
    timer, checking = QTimer(), QTimer()
    timer.timeout.connect(wait)
    timer.start(200)
    napari.run()


if __name__ == "__main__":
    main()
