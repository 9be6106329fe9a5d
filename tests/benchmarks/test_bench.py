import json

import pytest
from typer import Typer
from typer.testing import CliRunner

from benchmarks.bench import bench


def test_bench_prints_times_ratios_and_json(tiny_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = Typer()
    app.command()(bench)
    options = [
        "--side",
        "64",
        "--runs",
        "1",
        "--device",
        "cpu",
        "--planes",
        "3",
        "--json",
        "bench.json",
    ]
    done = CliRunner().invoke(app, ["--model", str(tiny_file), "--threads", "1", *options])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("s of processor time a plane") == 2
    figures = json.loads((tmp_path / "bench.json").read_text())
    network = figures["network"]
    assert network["ratio"] > 0
    fraction = network["rate"] / network["matmul_rate"]
    assert f" GFLOP/s, {fraction:.2f} of that of large matrices" in done.stdout
    run = figures["run"]
    assert run["run_times_bare"] == pytest.approx(run["run"] / run["bare"])
    assert {stage["name"] for stage in run["stages"]} == set(run["stage_bytes"])
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]
