"""The folder of an interrupted fine-tuning."""

from napari_clip_denoise.training.finetune.state import STATE, RunFolder


def test_only_the_own_state_is_removed(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "thesis.txt").write_text("all of it")
    (folder / STATE).touch()
    RunFolder(folder, "").remove()
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
    (folder / "thesis.txt").unlink()
    (folder / STATE).touch()
    RunFolder(folder, "").remove()
    assert not folder.exists()
    RunFolder(folder, "").remove()
    RunFolder(None, "").remove()


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "home")
    RunFolder(tmp_path / "run", "").remove()
    assert (tmp_path / "home").is_dir()
