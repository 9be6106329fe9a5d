import shutil
import subprocess

import pytest

from napari_clip_denoise.training.software import PACKAGES, commit_of, training_software


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    return subprocess.run(
        ("git", *identity, *arguments), cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_versions_are_told():
    told = training_software()
    assert set(PACKAGES) <= set(told)
    assert all(told.values())


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_commit_is_that_of_a_tracked_file(tmp_path):
    file, other = tmp_path / "code.py", tmp_path / "installed.py"
    file.touch()
    other.touch()
    assert commit_of(file) == ""
    git(tmp_path, "init")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "first")
    assert commit_of(file) == git(tmp_path, "rev-parse", "HEAD")
    assert commit_of(other) == ""
    file.write_text("changed")
    assert commit_of(file).endswith("-dirty")
