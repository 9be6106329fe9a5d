"""Measure what holds up the window: imports on its thread, and stalls while it works.

In ``tests``, with a screen or under Xvfb: ``python -m benchmarks.window``.
"""

import argparse
import importlib._bootstrap as bootstrap
import importlib.util
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from qtpy.QtTest import QTest

from stalls import StallWatch

IMPORT_SECONDS = 0.05
SETTLE_MILLISECONDS = 100
PATIENCE = 900.0
"""How long to wait on a busy machine, in seconds."""
SCRIPT = Path(__file__).parents[2] / "docs" / "scripted_user.py"


class ImportWatch:
    """Keeps how long the imports of the main thread take, without those within them.

    Attributes
    ----------
    found : list of (str, float, float)
        Name, seconds on the clock, and seconds of the processor of each import.
    """

    def __init__(self) -> None:
        self.found: list[tuple[str, float, float]] = []
        self._is_within = False
        self._main = threading.get_ident()
        self._original = bootstrap._find_and_load
        bootstrap._find_and_load = self._load

    def stop(self) -> None:
        """Measure no longer."""
        bootstrap._find_and_load = self._original

    def _load(self, name: str, import_: Any) -> ModuleType:
        if self._is_within or threading.get_ident() != self._main:
            return self._original(name, import_)
        self._is_within = True
        clock, processor = time.perf_counter(), time.thread_time()
        try:
            return self._original(name, import_)
        finally:
            self._is_within = False
            passed = time.perf_counter() - clock
            self.found.append((name, passed, time.thread_time() - processor))


class Meter:
    """Prints, for each thing that a user does, the longest stall and the slow imports."""

    def __init__(self) -> None:
        self._imports = ImportWatch()
        self.stalls: list[float] = []
        self.busiest: list[float] = []
        self.slow: list[str] = []

    def measure(self, what: str, act: Callable[[], object]) -> None:
        """Do something that takes a while, and print what held up the window."""
        first = len(self._imports.found)
        stalls = StallWatch()
        act()
        QTest.qWait(SETTLE_MILLISECONDS)
        words = stalls.stop()
        self.stalls.append(stalls.longest)
        self.busiest.append(stalls.busiest)
        new = self._imports.found[first:]
        slow = [
            f"{name} {1000 * clock:.0f} ms ({1000 * processor:.0f} ms of processor time)"
            for name, clock, processor in new
            if clock > IMPORT_SECONDS
        ]
        self.slow += slow
        print(
            f"{what}: longest stall {words}; slow imports: {', '.join(slow) or 'none'}", flush=True
        )

    def summarise(self) -> None:
        """Print the two figures of all."""
        self._imports.stop()
        load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
        print(f"Longest stall of all: {1000 * max(self.stalls):.0f} ms")
        print(f"Most processor time of one turn: {1000 * max(self.busiest):.0f} ms")
        print(f"Imports on the main thread over 50 ms: {len(self.slow)}")
        print(f"Load of the machine: {load} on {os.cpu_count()} cores")


def main() -> None:
    """Work through the window and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--minutes", type=float, default=0.3, help="of fine-tuning")
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("scripted_user", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with script.window("dark") as (user, folder):
        user.choose_menu("File", "Open Sample", script.PLUGIN, "Simulated noisy 3D")
        user.wait(lambda: len(user.viewer.layers) == 1)
        user.open_panel("Denoise")
        meter = Meter()
        meter.measure("Waiting after the panel is shown", lambda: QTest.qWait(10_000))
        for what, act in steps(user, folder, options):
            meter.measure(what, act)
        meter.summarise()


def steps(
    user: Any, folder: Path, options: argparse.Namespace
) -> list[tuple[str, Callable[[], object]]]:
    """Return what is measured, in order."""
    panel = user.panel("Denoise")
    preview = panel.preview.preview

    def run(name: str, button: str) -> Callable[[], None]:
        def act() -> None:
            shown = user.panel(name)
            user.click(getattr(shown, button))
            user.wait(lambda: shown.is_running, PATIENCE)
            user.wait(lambda: not shown.is_running, PATIENCE)

        return act

    def show_preview() -> None:
        user.click(panel.preview.toggle)
        user.wait(lambda: preview.layer is not None and not preview.is_working)

    def move() -> None:
        user.drag(user.viewer.window._qt_viewer.dims.slider_widgets[0].slider, 0.3)
        user.wait(lambda: preview.is_working, 30)
        user.wait(lambda: not preview.is_working)

    def end_preview() -> None:
        user.click(panel.preview.toggle)
        user.wait(lambda: preview.layer is None)

    def end_comparison() -> None:
        compare = user.panel("Compare")
        user.click(compare.clear_button)
        user.wait(lambda: not compare.tiles.layers)

    def fine_tune() -> None:
        tuning = user.panel("Fine-tune")
        user.type(tuning.form.minutes.native.lineEdit(), f"{options.minutes:g}")
        run("Fine-tune", "start_button")()

    def save() -> None:
        user.turn_to("Denoise")
        user.type(panel.form.store.line_edit.native, str(folder / "denoised.ome.zarr"))
        run("Denoise", "run_button")()

    def opens(name: str) -> tuple[str, Callable[[], object]]:
        return f"Opening {name}", lambda: user.open_panel(name)

    return [
        ("The first preview", show_preview),
        ("The preview of another plane", move),
        ("The end of the preview", end_preview),
        ("A run", run("Denoise", "run_button")),
        opens("Check result"),
        ("A check", run("Check result", "check_button")),
        ("The uncertainty", run("Check result", "spread_button")),
        opens("Compare"),
        ("A comparison", run("Compare", "run_button")),
        ("The end of the comparison", end_comparison),
        opens("Fine-tune"),
        ("Fine-tuning", fine_tune),
        opens("Models"),
        opens("Denoise files"),
        (
            "Another sample",
            lambda: user.choose_menu("File", "Open Sample", "CLIP Denoise", "Simulated noisy 2D"),
        ),
        ("A run to a file", save),
    ]


if __name__ == "__main__":
    main()
