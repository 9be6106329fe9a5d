"""Run a kit on a bare machine: install, test and time on the GPU, then go on with the trainings.

``python KIT/run.py --out OUT``. Needs Python, pip, torch, timm and safetensors, and no network.
Whatever is in OUT from an earlier call is gone on with. Standard library only.
"""

import importlib.util
import os
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

PRESENT = ("torch", "timm", "safetensors")
CHECKS = 120.0
"""Seconds for tests and benches together."""
LEAST_TRAINING = 30.0


def main(arguments: list[str] | None = None) -> int:
    """Run the kit; return 0 if all went well."""
    started = time.monotonic()
    parser = ArgumentParser(description=__doc__)
    kit = Path(__file__).resolve().parent
    parser.add_argument("--out", type=Path, required=True, help="Folder for results below 16 MB.")
    parser.add_argument("--work", type=Path, default=kit / "work", help="Folder for all else.")
    parser.add_argument("--kit", type=Path, default=kit, help="By default the folder of this file.")
    parser.add_argument("--minutes", type=float, default=9.0, help="Time for everything.")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto.")
    parser.add_argument("--steps", type=int, help="At most so many steps of each training.")
    parser.add_argument("--trial", action="store_true", help="Small patches, to try the kit.")
    parser.add_argument("--no-checks", action="store_true", help="Train only.")
    options = parser.parse_args(arguments)
    missing = [name for name in PRESENT if importlib.util.find_spec(name) is None]
    if missing:
        print(f"This machine lacks {', '.join(missing)}, which the kit does not bring.")
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    options.work.mkdir(parents=True, exist_ok=True)
    environment = install(options)
    data = options.work / "data"
    if not data.exists():
        packed, partial = options.kit / "data.tar", options.work / "data.partial"
        code = "import sys; from pathlib import Path; from benchmarks.gpu_kit.images import "
        code += "unpack_images as u; print(u(*map(Path, sys.argv[1:])), 'images')"
        _call([sys.executable, "-c", code, str(packed), str(partial)], environment, None, 600)
        partial.rename(data)
    passed = options.no_checks or check(options, environment)
    left = max(LEAST_TRAINING, 60 * options.minutes - (time.monotonic() - started))
    command = [sys.executable, "-m", "benchmarks.gpu_kit.train", "--minutes", str(left / 60)]
    for name in ("kit", "work", "out"):
        command += [f"--{name}", str(getattr(options, name).resolve())]
    command += ["--data", str(data.resolve()), "--device", options.device]
    command += ["--steps", str(options.steps)] if options.steps else []
    command += ["--trial"] if options.trial else []
    trained = _call(command, environment, options.out / "train.txt", left + 120)
    print(f"tests {'passed' if passed else 'FAILED'}, training {'ended' if trained else 'FAILED'}")
    return 0 if passed and trained else 1


def install(options: Namespace) -> dict[str, str]:
    """Install the packed wheels beside the machine's packages; return the environment."""
    site = options.work / "site"
    wheels = sorted((options.kit / "wheels").glob("*.whl"))
    if wheels and not site.exists():
        partial = options.work / "site.partial"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        command += ["--upgrade", "--target", str(partial), *map(str, wheels)]
        subprocess.run(command, check=True)
        partial.rename(site)
    paths = [site.resolve(), (options.kit / "tests").resolve(), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(path) for path in paths if str(path))}


def check(options: Namespace, environment: dict[str, str]) -> bool:
    """Run the tests that need a GPU, and time the models; return whether all went well."""
    until = time.monotonic() + CHECKS
    tests = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "gpu"]
    passed = _call(tests, environment, options.out / "tests.txt", CHECKS, options.kit / "tests")
    for model in ("compact", None):
        bench = [sys.executable, "-m", "benchmarks.bench", "--device", options.device]
        bench += ["--side", "64", "--runs", "1"] if options.trial else []
        bench += ["--model", model] if model else []
        left = until - time.monotonic()
        name = f"bench-{model or 'paper'}.txt"
        if left < 1:
            print(f"{name}: no time left")
            continue
        passed &= _call(bench, environment, options.out / name, left)
    return passed


def _call(
    command: list[str],
    environment: dict[str, str],
    log: Path | None,
    seconds: float,
    folder: Path | None = None,
) -> bool:
    """Run a command for a limited time, its output in a file; return whether it went well."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            timeout=seconds,
            stdout=subprocess.PIPE if log else None,
            stderr=subprocess.STDOUT if log else None,
        )
        output, code = done.stdout or b"", str(done.returncode)
    except subprocess.TimeoutExpired as late:
        output, code = late.output or b"", f"stopped after {seconds:.0f} s"
    if log:
        log.write_bytes(output)
        last = output.decode(errors="replace").strip().splitlines()[-3:]
        print(f"{log.name} ({code}):", *last, sep="\n  ", flush=True)
    elif code != "0":
        raise SystemExit(f"{command[1:3]} failed: {code}")
    return code == "0"


if __name__ == "__main__":
    sys.exit(main())
