"""Use the plugin as a person does, with mouse and keyboard alone, and record the screen.

Usage, with a screen or under Xvfb::

    xvfb-run -a -s "-screen 0 1280x800x24" python docs/scripted_user.py FOLDER

``QT_SCALE_FACTOR=2`` and a screen of 2560x1440 show what a high-resolution display does.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import napari
import numpy as np
import tifffile
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.settings import get_settings
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QAction, QGuiApplication, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractSlider,
    QApplication,
    QComboBox,
    QMainWindow,
    QMenu,
    QScrollArea,
    QStyle,
    QStyleOptionSlider,
    QTabBar,
    QWidget,
)

PLUGIN = "CLIP Denoise"
LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
WHEEL_STEP = 120
LONGEST_SECONDS = 240.0


class User:
    """Hands and eyes: clicks only what is in sight, and waits for what appears.

    Parameters
    ----------
    viewer : napari.Viewer
        In a shown window.

    Attributes
    ----------
    clicks : int
        Number of times that a mouse button has to be pressed.
    """

    def __init__(self, viewer: napari.Viewer):
        self.viewer = viewer
        self.clicks = 0

    @property
    def window(self) -> QMainWindow:
        """Napari's window."""
        return self.viewer.window._qt_window

    @property
    def canvas(self) -> QWidget:
        """Where napari draws."""
        return self.viewer.window._qt_viewer.canvas.native

    def fill_screen(self) -> None:
        """Make the window as large as the screen."""
        self.window.setGeometry(QGuiApplication.primaryScreen().geometry())

    def wait(self, condition: Callable[[], object], seconds: float = LONGEST_SECONDS) -> None:
        """Look at the screen until something is there."""
        give_up = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up:
                raise TimeoutError("What a user waits for did not come.")
            QTest.qWait(20)

    def click(
        self, widget: QWidget, place: QPoint | None = None, modifier: Qt.KeyboardModifier = NO_KEY
    ) -> None:
        """Click what can be seen; scroll to it first, where it is in a scroll area."""
        self._bring_into_sight(widget, place)
        self._click(widget, place or widget.rect().center(), modifier)

    def hold(self, widget: QWidget) -> None:
        """Press the mouse button and keep it down until `release`."""
        self._bring_into_sight(widget, None)
        self.clicks += 1
        QTest.mousePress(widget, LEFT, NO_KEY, widget.rect().center())

    def release(self, widget: QWidget) -> None:
        """Release the mouse button."""
        QTest.mouseRelease(widget, LEFT, NO_KEY, widget.rect().center())

    def choose_menu(self, *names: str) -> None:
        """Click through the menus.

        A submenu opens when the pointer is over it, so the click that opens it here is not counted.
        """
        self._close_menus()
        owner: QWidget = self.window.menuBar()
        for name in names:
            action = next(x for x in owner.actions() if _plain(x).startswith(name))
            menu = action.menu()
            is_submenu = isinstance(menu, QMenu) and isinstance(owner, QMenu)
            self._click(owner, owner.actionGeometry(action).center(), is_counted=not is_submenu)
            if isinstance(menu, QMenu):
                self.wait(menu.isVisible, 10)
                owner = menu
        self._close_menus()

    def _bring_into_sight(self, widget: QWidget, place: QPoint | None) -> None:
        area = widget.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is not None:
            area.ensureWidgetVisible(widget)
        self.wait(lambda: self._sees(widget, place), 10)

    def _click(
        self,
        widget: QWidget,
        place: QPoint,
        modifier: Qt.KeyboardModifier = NO_KEY,
        *,
        is_counted: bool = True,
    ) -> None:
        self.clicks += is_counted
        QTest.mouseClick(widget, LEFT, modifier, place)

    def open_panel(self, name: str) -> QWidget:
        """Open a widget of the plugin from the menu."""
        self.choose_menu("Plugins", PLUGIN, name)
        return self.panel(name)

    def panel(self, name: str) -> QWidget:
        """Return a widget of the plugin that is open."""
        docks = self.viewer.window.dock_widgets
        title = next(title for title in docks if title.startswith(f"{name} ("))
        return docks[title]

    def _close_menus(self) -> None:
        while (menu := QApplication.activePopupWidget()) is not None:
            QTest.keyClick(menu, Qt.Key.Key_Escape)

    def turn_to(self, name: str) -> None:
        """Click the tab of a panel that is open."""
        for tabs in self.window.findChildren(QTabBar):
            for place in range(tabs.count()):
                if tabs.tabText(place) == name:
                    self.click(tabs, tabs.tabRect(place).center())

    def pick(self, box: QComboBox, text: str) -> None:
        """Open a menu of choices and pick the first one that begins with a text."""
        self.click(box)
        self.wait(box.view().isVisible, 10)
        QTest.keyClick(box.view(), Qt.Key.Key_Home)
        for _ in range(box.findText(text, Qt.MatchFlag.MatchStartsWith)):
            QTest.keyClick(box.view(), Qt.Key.Key_Down)
        QTest.keyClick(box.view(), Qt.Key.Key_Return)
        self.wait(lambda: box.currentText().startswith(text), 10)

    def type(self, field: QWidget, text: str) -> None:
        """Replace the text of a field."""
        self.click(field)
        QTest.keyClick(field, Qt.Key.Key_A, CONTROL)
        QTest.keyClicks(field, text)
        QTest.keyClick(field, Qt.Key.Key_Tab)

    def drag(self, slider: QAbstractSlider, share: float) -> None:
        """Drag the handle of a slider to a share of its length."""
        option = QStyleOptionSlider()
        slider.initStyleOption(option)
        control, handle = QStyle.ComplexControl.CC_Slider, QStyle.SubControl.SC_SliderHandle
        start = slider.style().subControlRect(control, option, handle, slider).center()
        end = QPoint(round(share * slider.width()), start.y())
        QTest.mousePress(slider, LEFT, NO_KEY, start)
        for step in range(1, 6):
            QTest.mouseMove(slider, start + (end - start) * step / 5)
            QTest.qWait(20)
        QTest.mouseRelease(slider, LEFT, NO_KEY, end)

    def zoom_in(self, steps: int) -> None:
        """Turn the wheel over the middle of the canvas."""
        middle = QPointF(self.canvas.rect().center())
        for _ in range(steps):
            event = QWheelEvent(
                middle,
                self.canvas.mapToGlobal(middle),
                QPoint(),
                QPoint(0, WHEEL_STEP),
                Qt.MouseButton.NoButton,
                NO_KEY,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(self.canvas, event)
            QTest.qWait(20)

    def pan(self, by: QPoint) -> None:
        """Drag the canvas."""
        start = self.canvas.rect().center()
        QTest.mousePress(self.canvas, LEFT, NO_KEY, start)
        for step in range(1, 6):
            QTest.mouseMove(self.canvas, start + by * step / 5)
            QTest.qWait(20)
        QTest.mouseRelease(self.canvas, LEFT, NO_KEY, start + by)

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = NO_KEY) -> None:
        """Press a key in the window; under Xvfb no window manager gives it the keyboard."""
        self.window.activateWindow()
        self.wait(self.window.isActiveWindow, 10)
        QTest.keyClick(self.window, key, modifier)

    def select_layer(self, name: str, modifier: Qt.KeyboardModifier = NO_KEY) -> None:
        """Click a layer in the list, alone or with a key that adds it to those selected."""
        layers = self.viewer.window._qt_viewer.layers
        rows = range(layers.model().rowCount())
        index = next(i for i in (layers.model().index(r, 0) for r in rows) if i.data() == name)
        layers.scrollTo(index)
        self.click(layers.viewport(), layers.visualRect(index).center(), modifier)

    def dismiss_notifications(self) -> None:
        """Close what napari has told so far."""
        for notification in self.window.findChildren(NapariQtNotification):
            notification.close()

    def record(self, path: Path) -> None:
        """Photograph the screen, once what was painted last is on it."""
        QTest.qWait(300)
        self.window.repaint()
        QGuiApplication.primaryScreen().grabWindow(0).save(str(path))

    @staticmethod
    def _sees(widget: QWidget, place: QPoint | None) -> bool:
        shown = QApplication.widgetAt(widget.mapToGlobal(place or widget.rect().center()))
        return shown is not None and (shown is widget or widget.isAncestorOf(shown))


@contextmanager
def window(theme: str) -> Iterator[tuple[User, Path]]:
    """Open napari over the whole screen, with a folder for models and results that goes again."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CLIP_DENOISE_MODELS"] = f"{folder}/models"
        get_settings().appearance.theme = theme
        user = User(napari.Viewer())
        user.fill_screen()
        yield user, Path(folder)
        user.viewer.close()


def work_through(user: User, folder: Path, model: str, minutes: float) -> Iterator[str]:
    """Open a stack, preview, run, cancel, run again, check, fine-tune and save.

    Parameters
    ----------
    user : User
        Who does it.
    folder : Path
        For the OME-Zarr store.
    model : str
        What to denoise with.
    minutes : float
        How long to fine-tune.

    Yields
    ------
    str
        Name of each step, once it is done.
    """
    viewer = user.viewer
    user.choose_menu("File", "Open Sample", PLUGIN, "Simulated noisy 3D")
    user.wait(lambda: len(viewer.layers) == 1)
    yield "a stack is opened"

    panel = user.open_panel("Denoise")
    if panel.form.model.value != model:
        user.pick(panel.form.model.native, model)
    yield "the Denoise widget"

    preview = panel.preview.preview
    user.click(panel.preview.toggle)
    user.wait(lambda: preview.layer is not None)
    yield "a preview"
    user.drag(panel.preview.curtain, 0.5)
    yield "the curtain is drawn"
    user.zoom_in(4)
    user.pan(QPoint(60, 30))
    user.drag(viewer.window._qt_viewer.dims.slider_widgets[0].slider, 0.3)
    user.wait(lambda: preview.is_working, 30)
    user.wait(lambda: not preview.is_working)
    yield "the preview follows"
    user.click(panel.preview.toggle)
    user.wait(lambda: preview.layer is None)
    user.press(Qt.Key.Key_R, CONTROL)

    user.click(panel.run_button)
    user.wait(lambda: "left" in panel.progress.label.text())
    yield "a run"
    user.click(panel.cancel_button)
    user.wait(lambda: not panel.is_running)
    yield "the run is cancelled"
    user.press(Qt.Key.Key_Return, CONTROL)
    user.wait(lambda: panel.is_running, 10)
    user.wait(lambda: not panel.is_running)
    yield "the stack is denoised"

    check = user.open_panel("Check result")
    user.click(check.check_button)
    user.wait(lambda: check.is_running, 10)
    user.wait(lambda: not check.is_running)
    yield "the residual is checked"
    residual = next(layer for layer in viewer.layers if layer.name.endswith("residual"))
    user.select_layer(residual.name)
    user.press(Qt.Key.Key_V)
    user.wait(lambda: residual.visible, 10)
    yield "the residual is shown"
    user.press(Qt.Key.Key_V)

    tuning = user.open_panel("Fine-tune")
    user.pick(tuning.form.noisy.native, "Simulated noisy 3D")
    user.pick(tuning.form.model.native, model)
    user.type(tuning.form.minutes.native.lineEdit(), f"{minutes:g}")
    user.click(tuning.start_button)
    user.wait(lambda: tuning.plot.n_judged > 1)
    yield "a model learns"
    user.wait(lambda: not tuning.is_running)
    name = tuning.form.name.value
    user.click(tuning.save_button)
    yield "the model is saved"

    user.turn_to("Denoise")
    user.pick(panel.form.model.native, name)
    user.type(panel.form.store.line_edit.native, str(folder / "denoised.ome.zarr"))
    user.wait(panel.plan.isVisible, 30)
    yield "a store is named"
    user.click(panel.run_button)
    user.wait(lambda: not panel.is_running)
    yield "the store is written"


def try_the_rest(user: User, folder: Path, model: str) -> Iterator[str]:
    """Hold to compare, denoise two layers at once, compare methods, look at models, do files.

    Parameters
    ----------
    user : User
        Who does it, in a window without layers or panels of the plugin.
    folder : Path
        For images and their results.
    model : str
        What to denoise with.

    Yields
    ------
    str
        Name of each step, once it is done.
    """
    viewer = user.viewer
    user.choose_menu("File", "Open Sample", PLUGIN, "Real 3D, nuclear envelopes")
    user.wait(lambda: len(viewer.layers) == 1)
    yield "a real stack is opened"

    user.clicks = 0
    panel = user.open_panel("Denoise")
    if panel.form.model.value != model:
        clicks = user.clicks
        user.pick(panel.form.model.native, model)
        user.clicks = clicks
    user.click(panel.run_button)
    user.wait(lambda: panel.is_running, 10)
    user.wait(lambda: not panel.is_running)
    print(f"Denoised after {user.clicks} clicks.")
    yield "it is denoised"
    user.hold(panel.preview.compare)
    print(f"Compared after {user.clicks} clicks.")
    yield "the original is shown while the button is held"
    user.release(panel.preview.compare)

    user.choose_menu("File", "Open Sample", PLUGIN, "Simulated noisy 2D")
    user.wait(lambda: len(viewer.layers) == 3)
    user.select_layer("Nuclear envelopes")
    user.select_layer("Simulated noisy 2D", CONTROL)
    user.wait(lambda: panel.run_button.text() == "Denoise 2 layers", 10)
    yield "two layers are selected"
    user.click(panel.run_button)
    user.wait(lambda: panel.is_running, 10)
    user.wait(lambda: not panel.is_running)
    yield "two layers are denoised"

    compare = user.open_panel("Compare")
    user.pick(compare.layer.native, "Nuclear envelopes")
    user.click(compare.run_button)
    user.wait(lambda: compare.is_running, 10)
    user.wait(lambda: not compare.is_running)
    yield "methods are compared"
    n_compared = len(user.viewer.layers)
    user.click(compare.clear_button)
    user.wait(lambda: len(user.viewer.layers) < n_compared - 3)

    user.open_panel("Models")
    yield "a model card"

    images = folder / "images"
    images.mkdir()
    for number in (1, 2):
        plane = np.asarray(viewer.layers["Nuclear envelopes"].data)[number]
        tifffile.imwrite(images / f"field {number}.tif", plane)
    files = user.open_panel("Denoise files")
    user.type(files.form.inputs.native, str(images))
    user.type(files.form.output.line_edit.native, str(folder / "denoised"))
    user.pick(files.form.model.native, model)
    user.click(files.run_button)
    user.wait(lambda: files.is_running, 10)
    user.wait(lambda: not files.is_running)
    yield "files are denoised"


def main() -> None:
    """Record each step as a numbered picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--only", nargs="*", choices=("story", "rest"), help="parts to do")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    number = itertools.count(1)
    parts = {
        "story": lambda user, folder: work_through(user, folder, options.model, options.minutes),
        "rest": lambda user, folder: try_the_rest(user, folder, options.model),
    }
    for part in options.only or parts:
        with window(options.theme) as (user, folder):
            for step in parts[part](user, folder):
                name = f"{next(number):02d} {step}.png".replace(" ", "-")
                user.record(options.folder / name)
                print(name, flush=True)


def _plain(action: QAction) -> str:
    return action.text().replace("&", "")


if __name__ == "__main__":
    main()
