from pathlib import Path

import pytest
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox

from napari_clip_denoise.gui.model_list import model_list
from napari_clip_denoise.gui.widgets.models import ModelsWidget
from napari_clip_denoise.gui.workers import models as workers
from zoo_packages import box, box_torchscript


@pytest.fixture
def panel(viewer):
    """The Models widget; the user's folder holds 'tiny'."""
    _, panel = viewer.window.add_plugin_dock_widget("napari-clip-denoise", "Models")
    assert isinstance(panel, ModelsWidget)
    return panel


def names(panel):
    return [panel.list.item(row).text().split()[0] for row in range(panel.list.count())]


def test_models_are_listed_with_their_cards(panel):
    assert names(panel) == ["compact", "compact-rgb", "tiny"]
    assert panel.chosen.name == "compact"
    assert "Trained on" in panel.card.toPlainText()
    assert "→" in panel.card.toPlainText()
    assert not panel.delete_button.isEnabled()
    panel.refresh("tiny")
    assert "random weights" in panel.card.toPlainText()
    assert panel.delete_button.isEnabled()


def test_a_model_is_exported_renamed_imported_and_deleted(panel, qtbot, monkeypatch, tmp_path):
    copy = tmp_path / "copy.safetensors"
    panel.refresh("tiny")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(copy), ""))
    panel.export_button.click()
    qtbot.waitUntil(lambda: not panel.task.is_running, timeout=60_000)
    assert copy.exists()
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("lab", True))
    panel.rename_button.click()
    assert names(panel) == ["compact", "compact-rgb", "lab"]
    assert panel.chosen.name == "lab"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a: (str(copy), ""))
    panel.import_button.click()
    qtbot.waitUntil(
        lambda: names(panel) == ["compact", "compact-rgb", "lab", "tiny"], timeout=60_000
    )
    answers = iter([QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes])
    monkeypatch.setattr(QMessageBox, "question", lambda *a: next(answers))
    panel.refresh("tiny")
    panel.delete_button.click()
    assert names(panel) == ["compact", "compact-rgb", "lab", "tiny"]
    panel.delete_button.click()
    assert names(panel) == ["compact", "compact-rgb", "lab"]


def test_a_package_is_imported_and_code_only_after_a_yes(panel, qtbot, monkeypatch, tmp_path):
    panel.import_file(box(tmp_path / "box.zip"))
    qtbot.waitUntil(lambda: "box-of-the-lab" in names(panel), timeout=60_000)
    assert panel.chosen.name == "box-of-the-lab"
    for words in ("Ada Lovelace", "Charles Babbage", "10.1234/box", "MIT"):
        assert words in panel.card.toPlainText()
    assert "box-of-the-lab" in [name for _, name in model_list.choices(None)]
    assert [name for _, name in model_list.trainable(None)] == [
        "compact",
        "compact-rgb",
        "tiny",
        "clip-rn50",
    ]
    content = box_torchscript(tmp_path)
    script = box(tmp_path / "script.zip", content, kind="torchscript", weights="net.pt")
    asked = []
    answers = iter([QMessageBox.StandardButton.No, *[QMessageBox.StandardButton.Yes] * 2])

    def answer(*arguments):
        asked.append(arguments[2])
        return next(answers)

    monkeypatch.setattr(QMessageBox, "question", answer)
    panel.import_file(script)
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=60_000)
    assert "only if you trust its authors" in asked[0]
    assert "holds code" in panel.progress.label.text()
    panel.refresh("box-of-the-lab")
    panel.delete_button.click()
    assert "box-of-the-lab" not in names(panel)
    panel.import_file(script)
    qtbot.waitUntil(lambda: "box-of-the-lab" in names(panel), timeout=60_000)
    assert len(asked) == 3
    assert "TorchScript" in panel.card.toPlainText()


@pytest.mark.parametrize(
    ("name", "kind"), [("mine", "onnx"), ("mine.zip", None), ("mine.v2", "onnx")]
)
def test_the_ending_or_else_the_filter_chooses_the_format_and_only_a_confirmed_file_is_replaced(
    name, kind, panel, qtbot, monkeypatch
):
    asked = []

    def export(*where, format, overwrite):  # noqa: A002
        asked.append((*where, format, overwrite))
        return Path(name)

    monkeypatch.setattr(workers, "export_model", export)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (name, "ONNX (*.onnx)"))
    panel.refresh("tiny")
    panel.export_button.click()
    qtbot.waitUntil(lambda: not panel.task.is_running)
    assert asked == [("tiny", Path(name), kind, kind is None)]


def test_a_wrong_file_is_notified(panel, qtbot, errors, tmp_path):
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nothing")
    panel.import_file(wrong)
    qtbot.waitUntil(lambda: bool(errors()), timeout=60_000)
    assert "damaged or no model" in errors()[0]


def test_what_comes_with_the_program_cannot_be_changed_and_says_why(panel):
    for button in (panel.rename_button, panel.delete_button):
        assert not button.isEnabled()
        assert "is built in" in button.toolTip()
    assert "is built in" in panel.card.toPlainText()
    assert panel.export_button.isEnabled()
    panel.refresh("tiny")
    assert "is built in" not in panel.delete_button.toolTip()


def test_a_damaged_file_can_only_be_deleted(panel, models_folder, monkeypatch):
    (models_folder / "cut.safetensors").write_bytes(b"nothing")
    panel.refresh("cut")
    assert panel.list.currentItem().text() == "cut  (damaged)"
    assert "is damaged" in panel.card.toPlainText()
    assert not panel.export_button.isEnabled()
    assert not panel.rename_button.isEnabled()
    monkeypatch.setattr(QMessageBox, "question", lambda *a: QMessageBox.StandardButton.Yes)
    panel.delete_button.click()
    assert names(panel) == ["compact", "compact-rgb", "tiny"]


def test_a_model_that_was_deleted_is_offered_no_more(panel, widget, monkeypatch):
    assert widget.form.model.value == "tiny"
    monkeypatch.setattr(QMessageBox, "question", lambda *a: QMessageBox.StandardButton.Yes)
    panel.refresh("tiny")
    panel.delete_button.click()
    assert widget.form.model.value == "auto"
    assert "The model 'tiny' no longer exists" in widget.help.note.text()


def test_a_folder_that_cannot_be_made_is_one_sentence(panel, errors, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CLIP_DENOISE_MODELS", str(tmp_path / "file" / "models"))
    panel.folder_button.click()
    assert "cannot be made" in errors()[0]


def test_a_folder_that_nothing_opens_is_told(panel, models_folder, monkeypatch):
    opened = []
    answers = iter([True, False])
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or next(answers)
    )
    panel.folder_button.click()
    assert not panel.progress.label.text()
    panel.folder_button.click()
    assert str(models_folder) in panel.progress.label.text()
    assert opened == [str(models_folder)] * 2
