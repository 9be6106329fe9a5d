"""Fine-tune in the real window on one's own images, and photograph what came of it.

Usage, with a screen or under Xvfb, from the top of the repository, for each picture::

    xvfb-run -a -s "-screen 0 1280x900x24" python docs/fine_tuning_pictures.py PICTURE NOISY
    ... python docs/fine_tuning_pictures.py PICTURE NOISY --repeats FOLDER
    ... python docs/fine_tuning_pictures.py PICTURE NOISY --clean FOLDER
"""

import argparse
from pathlib import Path

from pictures import photograph
from qtpy.QtCore import Qt
from scripted_user import User, window

KINDS = {"clean": "Clean images", "repeats": "Repeats of"}


def main() -> None:
    """Fill in the Fine-tune widget, let a model learn, and photograph the window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("noisy", type=Path, help="folder with noisy images")
    parser.add_argument("--clean", type=Path, help="folder with clean images of the same fields")
    parser.add_argument("--repeats", type=Path, help="folder with repeats of the same fields")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    options = parser.parse_args()
    with window(options.theme) as (user, _):
        user.viewer.open(sorted(options.noisy.iterdir())[0])
        fine_tune(user, options)
        photograph(user, options.picture)


def fine_tune(user: User, options: argparse.Namespace) -> None:
    """Choose folders, not layers, and wait until the model has learned."""
    panel = user.open_panel("Fine-tune")
    form = panel.form
    user.pick(form.noisy.native, "A folder")
    user.type(form.noisy_folder.line_edit.native, str(options.noisy))
    for kind, words in KINDS.items():
        if other := getattr(options, kind):
            user.pick(form.kind.native, words)
            user.pick(form.other.native, "A folder")
            user.type(form.other_folder.line_edit.native, str(other))
    user.type(form.minutes.native.lineEdit(), f"{options.minutes:g}")
    dock = panel.parent()
    user.window.resizeDocks([dock], [480], Qt.Orientation.Horizontal)
    user.click(panel.start_button)
    user.wait(lambda: panel.is_running, 60)
    user.wait(lambda: not panel.is_running, 240 + 60 * options.minutes)
    user.wait(panel.save_button.isEnabled, 10)


if __name__ == "__main__":
    main()
