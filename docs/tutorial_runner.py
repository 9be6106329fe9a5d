"""Do a tutorial as its page says, in an empty folder: its files and commands, in order.

    python docs/tutorial_runner.py docs/tutorials/plate.md FOLDER [--write]

A block with a title is a file, a ``bash`` block is run, and a ``text`` block after it shows what it
prints. ``shell`` blocks are for the reader alone. ``--write`` puts what was printed into the page.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE
)
BAR = re.compile(r"^(Denoising|Learning) .*━.*\n", re.MULTILINE)
HOME = "~/tutorial"
"""What is shown instead of the folder."""
PROGRAMS = {
    "python": 'exec "{python}" "$@"',
    "clip-denoise": 'exec "{python}" -m napari_clip_denoise "$@"',
    "sbatch": """
read first last < <(sed -n 's/^#SBATCH --array=\\([0-9]*\\)-\\([0-9]*\\).*/\\1 \\2/p' "$1")
echo "Submitted batch job 1"
export SLURM_ARRAY_TASK_COUNT=$((last - first + 1))
for SLURM_ARRAY_TASK_ID in $(seq "$first" "$last"); do
    export SLURM_ARRAY_TASK_ID
    bash "$1" > "slurm-1_$SLURM_ARRAY_TASK_ID.out" 2>&1
done
""",
}
"""Programs of a tutorial; instead of a cluster, ``sbatch`` runs the tasks of an array in turn."""


@dataclass(frozen=True)
class Step:
    """A command of a page, what it printed, and what the page shows.

    Attributes
    ----------
    command : str
        Lines for bash.
    printed : str
        Standard output and error, without progress bars.
    shown : re.Match or None
        The ``text`` block after the command, with the group ``text``.
    """

    command: str
    printed: str
    shown: re.Match[str] | None


def do(page: Path, folder: Path) -> Iterator[Step]:
    """Write the files of a page and run its commands, in an existing folder.

    Raises
    ------
    RuntimeError
        If a command fails.
    """
    environment = _environment(folder)
    blocks = list(BLOCK.finditer(page.read_text()))
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block["title"]:
            (folder / block["title"]).write_text(block["text"])
        elif block["kind"] == "bash":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block["text"]],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"{page.name}: {block['text']}\n{done.stdout}")
            shown = following if following and following["kind"] == "text" else None
            printed = BAR.sub("", done.stdout).replace(str(folder), HOME)
            yield Step(block["text"], printed, shown)


def _environment(folder: Path) -> dict[str, str]:
    programs = folder / ".programs"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        program = programs / name
        program.write_text(f"#!/usr/bin/env bash\n{body.format(python=sys.executable)}\n")
        program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "CLIP_DENOISE_MODELS": str(folder / "models"),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "100",
    }


def main() -> None:
    """Do a page, say how long it computed, and update what it shows if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path, help="made; must not exist")
    parser.add_argument("--write", action="store_true", help="update the page")
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    text = options.page.read_text()
    for step in do(options.page, options.folder.resolve()):
        print(f"$ {step.command}{step.printed}", end="", flush=True)
        if step.shown:
            text = text.replace(step.shown[0], f"```text\n{step.printed}```", 1)
    used = os.times()
    print(f"{options.page.name}: {used.children_user + used.children_system:.0f} s of a processor")
    if options.write:
        options.page.write_text(text)


if __name__ == "__main__":
    main()
