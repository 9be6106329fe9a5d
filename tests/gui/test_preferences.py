import tifffile
from napari.settings import get_plugin_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QWidget

from napari_clip_denoise.gui.widgets.denoise import HINT
from napari_clip_denoise.inference.settings import as_command, as_python


def reopened(viewer):
    viewer.window.remove_dock_widget("all")
    _, widget = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Denoise")
    return widget


def test_what_was_used_last_is_there_again(viewer, widget, run, noisy, plugin_settings):
    viewer.add_image(noisy)
    widget.form.strength.value = 40
    widget.form.intensity.value = "minmax"
    run()
    assert get_plugin_settings("napari-clip-denoise").denoise.strength == 40
    assert "Smallest to largest" in plugin_settings.read_text()
    form = reopened(viewer).form
    assert (form.model.value, form.strength.value, form.intensity.value) == ("tiny", 40, "minmax")
    assert form.device.value == "cpu"


def test_preferences_offer_the_words_of_the_form(widget):
    kept = get_plugin_settings("napari-clip-denoise").denoise
    offered = type(kept).model_json_schema()["properties"]
    form = widget.form
    for name in ("intensity", "device", "precision"):
        menu = [box.itemText(i) for box in [getattr(form, name).native] for i in range(box.count())]
        assert offered[name]["enum"] == [text for text in menu if text != "Custom range"]
        assert getattr(kept, name) == menu[0]
    assert kept.model == form.model.native.itemText(0) == "Automatic"


def test_a_model_that_is_gone_is_not_restored(viewer, widget):
    get_plugin_settings("napari-clip-denoise").denoise.model = "gone"
    assert reopened(viewer).form.model.value == "auto"


def test_a_run_is_copied_as_text(viewer, widget, noisy, tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, noisy)
    viewer.open(path, plugin="napari")
    widget.form.strength.value = 50
    arguments = (widget.form.settings(), str(path), str(tmp_path / "cells_denoised.ome.zarr"))
    for button, write in (
        (widget.copy_row.command, as_command),
        (widget.copy_row.python, as_python),
    ):
        button.click()
        assert QApplication.clipboard().text() == write(*arguments, "zyx")


def test_an_empty_window_gives_a_hint(widget):
    assert widget.progress.label.text() == HINT


def test_the_hint_and_errors_go_once_they_do_not_apply(viewer, widget, noisy):
    viewer.add_image(noisy, name="a")
    assert not widget.progress.label.text()
    widget.form.model.value = "clip-rn50"
    widget.run_button.click()
    text = widget.progress.label.text()
    assert "press 'Train it here' or 'Import a checkpoint …'" in text
    assert "clip-denoise" not in text
    widget.form.layer.value = viewer.add_image(noisy, name="b")
    assert not widget.progress.label.text()


def test_the_tab_key_skips_what_is_folded(widget, qtbot):
    form = widget.form
    form.strength.native.setFocus()
    met = set()
    for _ in range(8):
        qtbot.keyClick(widget.window().focusWidget(), Qt.Key.Key_Tab)
        met.add(widget.window().focusWidget())
        assert widget.window().focusWidget().isVisible()
    assert form.advanced.button in met
    inner = set(form.advanced.content.findChildren(QWidget))
    assert not met & inner
    form.advanced.button.click()
    assert form.device.native.isVisible()


def test_the_tab_key_goes_down_the_form(widget, qtbot):
    form = widget.form
    wanted = [
        form.layer.native,
        form.scope.native,
        form.model.native,
        form.preset.native,
        form.intensity.native,
        form.store.line_edit.native,
        widget.preview.toggle,
        widget.run_button,
    ]

    def met():
        chain, field = [], form.layer.native
        while field not in chain:
            chain.append(field)
            field = field.nextInFocusChain()
        return [each for each in chain if each in wanted]

    qtbot.waitUntil(lambda: met() == wanted, timeout=10_000)
