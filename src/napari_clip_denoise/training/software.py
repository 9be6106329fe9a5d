"""Software that a model is trained with, for its card."""

import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("napari-clip-denoise", "torch", "numpy")


def training_software() -> dict[str, str]:
    """Return the versions of the relevant packages, and this package's commit in a checkout."""
    versions = {name: version(name) for name in PACKAGES}
    commit = commit_of(Path(__file__))
    return versions | ({"commit": commit} if commit else {})


def commit_of(file: Path) -> str:
    """Return the commit that a file is checked out from, or an empty string if there is none.

    The commit ends in ``-dirty`` if the checkout has changes.
    """
    try:
        for command in (
            ("ls-files", "--error-unmatch", file.name),
            ("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"),
        ):
            done = subprocess.run(
                ("git", *command), cwd=file.parent, capture_output=True, text=True, check=True
            )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
