import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for seed, name in enumerate("abc"):
        values = np.random.default_rng(seed).integers(0, 999, (40, 50), np.uint16)
        np.save(tmp_path / "data" / f"{name}.npy", values)
    return tmp_path / "data"


def test_a_folder_is_denoised_and_summed_up(cli, folder, tiny_file, tmp_path):
    options = ("--model", tiny_file, "--device", "cpu", "--batch", 1)
    arguments = ("batch", folder, "--output", tmp_path / "out", "--format", ".tif", *options)
    code, out, err = cli(*arguments)
    assert code == 0, err
    assert "3 done, 0 skipped, 0 failed" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.tif", "b.tif", "c.tif"]
    code, out, _ = cli(*arguments, "--pattern", "[ab].npy")
    assert (code, "0 done, 2 skipped, 0 failed" in out) == (0, True)
    code, out, _ = cli(*arguments, "--existing", "replace")
    assert (code, "3 done, 0 skipped, 0 failed" in out) == (0, True)


def test_a_model_that_does_not_suit_is_told_once(cli, folder, tmp_path):
    options = ("--model", "compact-rgb", "--device", "cpu")
    advice = "'compact-rgb' is for RGB images"
    for command in (
        ("batch", folder, "-o", tmp_path / "out"),
        ("denoise", folder / "a.npy", tmp_path / "a.tif"),
        ("plan", folder / "a.npy"),
    ):
        code, out, err = cli(*command, *options)
        assert code == 0
        assert err.count(advice) == 1
        assert advice not in out
    _, _, err = cli("denoise", folder / "b.npy", tmp_path / "b.tif", "--device", "cpu")
    assert advice not in err


def test_a_failure_is_told_and_gives_exit_code_1(cli, folder, tiny_file, tmp_path):
    (folder / "b.npy").write_bytes(b"no image at all")
    options = ("--model", tiny_file, "--device", "cpu")
    code, out, _ = cli("batch", f"{folder}/*.npy", "-o", tmp_path / "out", *options)
    assert code == 1
    assert "2 done, 0 skipped, 1 failed" in out
    assert "may be damaged" in " ".join(out.split())
    assert "Traceback" not in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pattern", "*.png"], "No image was found"),
        (["--format", ".doc"], "format .doc is not known"),
        (["--existing", "ask"], "no choice 'ask'"),
        (["--model", "nonsense"], "no model 'nonsense'"),
    ],
)
def test_bad_input_is_one_sentence(cli, folder, tmp_path, options, message):
    code, out, err = cli("batch", folder, "-o", tmp_path / "out", *options)
    assert code == 2
    assert message in err
    assert err.count("Error:") == 1
    assert out == ""


def test_an_interrupted_batch_says_what_is_kept(cli, folder, tiny_file, tmp_path, monkeypatch):
    from napari_clip_denoise.inference.engine.engine import Runner

    calls = []
    original = Runner.start

    def interrupt(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(Runner, "start", interrupt)
    options = ("--model", tiny_file, "--device", "cpu")
    code, out, err = cli("batch", folder, "-o", tmp_path / "out", *options)
    assert code == 130
    assert "Cancelled; finished files are kept." in err
    assert "1 done, 0 skipped, 0 failed, 2 not started" in out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.npy"]


def test_names_with_brackets_are_printed_as_they_are(cli, folder, tiny_file, tmp_path):
    (folder / "a.npy").rename(folder / "a[bold].npy")
    options = ("--model", tiny_file, "--device", "cpu", "--pattern", "a*")
    code, out, _ = cli("batch", folder, "--output", tmp_path / "k[/b]", *options)
    assert code == 0
    assert "a[bold].npy" in out
    assert (tmp_path / "k[/b]" / "a[bold].npy").exists()


def test_folders_are_kept_and_results_are_no_sources(cli, folder, tiny_file):
    (folder / "sub").mkdir()
    (folder / "b.npy").rename(folder / "sub" / "a.npy")
    arguments = ("batch", folder, "-o", folder / "out", "--pattern", "**/*.npy")
    options = ("--model", tiny_file, "--device", "cpu")
    code, _, err = cli(*arguments, *options)
    assert code == 2
    assert "--keep-folders" in err
    for done, skipped in ((3, 0), (0, 3)):
        code, out, _ = cli(*arguments, *options, "--keep-folders")
        assert f"{done} done, {skipped} skipped, 0 failed" in out
    results = {path.relative_to(folder / "out").as_posix() for path in folder.rglob("out/**/*.npy")}
    assert results == {"a.npy", "c.npy", "sub/a.npy"}


def test_results_beside_their_sources_are_no_sources(cli, folder, tiny_file):
    arguments = ("batch", folder, "-o", folder, "--format", ".ome.zarr")
    for done, skipped in ((3, 0), (0, 3)):
        _, out, _ = cli(*arguments, "--model", tiny_file, "--device", "cpu")
        assert f"{done} done, {skipped} skipped, 0 failed" in out


def test_the_folder_of_the_sources_is_not_taken_for_results(cli, folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for options in ([], ["--existing", "replace"]):
        code, out, _ = cli("batch", folder, "--output", folder, *options)
        assert code == 1
        assert "0 skipped" in out
        assert "is the input; give" in " ".join(out.split())
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
