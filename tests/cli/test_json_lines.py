"""What programs read: JSON lines and exit codes."""

import json

import numpy as np
import pytest
import tifffile


@pytest.fixture
def noisy(tmp_path):
    values = np.random.default_rng(0).poisson(100.0, (3, 48, 48)).astype(np.uint16)
    np.save(tmp_path / "noisy.npy", values)
    return tmp_path / "noisy.npy"


def events_of(out):
    return [json.loads(line) for line in out.splitlines()]


def test_a_run_in_json_lines(cli, noisy, tiny_file, tmp_path):
    output = tmp_path / "clean.ome.zarr"
    options = ("--model", tiny_file, "--device", "cpu", "--json", "--profile")
    code, out, err = cli("denoise", noisy, output, *options)
    assert (code, err) == (0, "")
    events = events_of(out)
    assert {event["event"] for event in events} <= {"progress", "notice", "result"}
    last = [event for event in events if event["event"] == "progress"][-1]
    assert (last["done"], last["total"], last["unit"]) == (3, 3, "planes")
    result = events[-1]
    assert result["event"] == "result"
    assert result["output"] == str(output)
    assert (result["finished"], result["shape"], result["axes"]) == (True, [3, 48, 48], "zyx")
    assert result["checks"][0]["verdict"]
    assert set(result["busy"]) >= {"read", "device", "write"}


def test_a_shard_that_others_must_follow(cli, noisy, tiny_file, tmp_path):
    output = tmp_path / "clean.ome.zarr"
    options = ("--model", tiny_file, "--device", "cpu", "--json", "--shard")
    code, out, _ = cli("denoise", noisy, output, *options, "0/2")
    assert code == 0
    assert events_of(out)[-1]["finished"] is output.exists()


def test_a_notice_is_an_event(cli, noisy, tmp_path):
    options = ("--model", "compact-rgb", "--device", "cpu", "--json")
    code, out, err = cli("denoise", noisy, tmp_path / "clean.tif", *options)
    assert (code, err) == (0, "")
    notices = [event["message"] for event in events_of(out) if event["event"] == "notice"]
    assert any("is for RGB images" in message for message in notices)


def test_an_error_is_an_event_and_a_sentence(cli, tmp_path):
    code, out, err = cli("denoise", tmp_path / "none.tif", tmp_path / "clean.tif", "--json")
    (event,) = events_of(out)
    assert code == event["exit_code"] == 2
    assert err == f"Error: {event['message']}\n"


def test_a_batch_in_json_lines(cli, noisy, tiny_file, tmp_path):
    (tmp_path / "damaged.npy").write_bytes(b"no image at all")
    options = ("--model", tiny_file, "--device", "cpu", "--json")
    code, out, _ = cli("batch", f"{tmp_path}/*.npy", "-o", tmp_path / "out", *options)
    assert code == 1
    events = events_of(out)
    results = {event["input"]: event for event in events if event["event"] == "result"}
    assert results[str(noisy)]["state"] == "done"
    assert results[str(noisy)]["verdict"]
    failed = results[str(tmp_path / "damaged.npy")]
    assert failed["state"] == "failed"
    assert "may be damaged" in failed["message"]
    assert any(event["event"] == "progress" and event["unit"] == "files" for event in events)


def test_ctrl_c_is_an_event(capsys):
    import typer

    from napari_clip_denoise.cli.report import report_on_run

    with pytest.raises(typer.Exit) as end, report_on_run(as_json=True).progress("all is kept"):
        raise KeyboardInterrupt
    assert end.value.exit_code == 130
    assert events_of(capsys.readouterr().out) == [
        {"event": "cancelled", "message": "Cancelled; all is kept."}
    ]


def test_a_warning_of_a_reader_is_a_notice(cli, tmp_path):
    tifffile.imwrite(tmp_path / "planes.tif", np.zeros((4, 48, 48), "u2"))
    _, out, err = cli("plan", tmp_path / "planes.tif")
    assert "does not say whether its 4 planes are colours" in err
    assert "Warning" not in err
    assert ".py" not in err
    code, out, err = cli("denoise", tmp_path / "planes.tif", tmp_path / "clean.tif", "--json")
    assert (code, err) == (0, "")
    notices = [event["message"] for event in events_of(out) if event["event"] == "notice"]
    assert any("planes are colours" in message for message in notices)


@pytest.mark.parametrize("option", [["--context-align"], ["--context-axis", "z"]])
def test_an_option_without_effect_is_refused(cli, noisy, tmp_path, option):
    code, _, err = cli("denoise", noisy, tmp_path / "clean.tif", *option)
    assert code == 2
    assert "give --context 1 as well" in err
    assert not (tmp_path / "clean.tif").exists()


@pytest.mark.parametrize(
    ("inside", "output", "sentence"),
    [
        (None, "clean.tif", "holds no DICOM, TIFF or PNG images"),
        (np.ones((48, 48), "?"), "clean.tif", "Pixels of type bool cannot be denoised"),
        (np.ones((48, 48), "u2"), "clean", "The output clean has no ending, and DICOM can only"),
    ],
)
def test_a_hurried_user_is_told_what_is_wrong(cli, tmp_path, inside, output, sentence):
    source = tmp_path / "source"
    source.mkdir()
    if inside is not None:
        source /= "one.tif"
        tifffile.imwrite(source, inside)
    code, _, err = cli("denoise", source, tmp_path / output, "--device", "cpu")
    assert code == 2
    assert sentence in err
    assert err.rpartition("Error: ")[2].count("\n") == 1
