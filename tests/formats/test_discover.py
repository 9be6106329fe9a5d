import pytest

from medical import hounsfield, write_series
from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.discover import find_sources
from napari_clip_denoise.formats.outputs import plan_outputs


@pytest.fixture
def folder(tmp_path):
    """Names of images of many kinds, in folders of their own too, and things that are none."""
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    for name in ("b.tif", "a.ome.tif", "c.npy", "sub/d.tif", "notes.txt", ".hidden.tif"):
        (data / name).touch()
    (data / "e.ome.zarr" / "0").mkdir(parents=True)
    (data / "e.ome.zarr" / "0" / "f.tif").touch()
    write_series(data / "scan.1", hounsfield((2, 30, 30)))
    return data


def names(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_folders_files_and_patterns_stand_for_images(folder, monkeypatch):
    everything = ["a.ome.tif", "b.tif", "c.npy", "e.ome.zarr", "scan.1"]
    assert names(find_sources([folder]), folder) == everything
    assert names(find_sources([folder], "*.tif"), folder) == ["a.ome.tif", "b.tif"]
    assert names(find_sources([folder], "**/d.*"), folder) == ["sub/d.tif"]
    assert names(find_sources([folder / "c.npy", folder / "b.tif"]), folder) == ["c.npy", "b.tif"]
    assert names(find_sources([f"{folder}/*.npy"]), folder) == ["c.npy"]
    assert names(find_sources([folder / "scan.1"]), folder) == ["scan.1"]
    assert names(find_sources([folder / "b.tif", folder], "b*"), folder) == ["b.tif"]
    monkeypatch.chdir(folder)
    assert [str(path) for path in find_sources(["*.tif"])] == ["a.ome.tif", "b.tif"]


@pytest.mark.parametrize(
    ("inputs", "pattern", "message"),
    [(["nowhere"], "*", "no file or folder"), (["."], "*.png", r"No image .* fits '\*\.png'")],
)
def test_what_stands_for_nothing_is_said(folder, monkeypatch, inputs, pattern, message):
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=message):
        find_sources(inputs, pattern)


def test_results_have_the_names_of_their_images(folder):
    sources = find_sources([folder])
    same = [path.name for path in plan_outputs(sources, "out")]
    assert same == ["a.ome.tif", "b.tif", "c.npy", "e.ome.zarr", "scan_1"]
    zarr = [path.name for path in plan_outputs(sources, "out", "ome.zarr")]
    assert zarr == [f"{stem}.ome.zarr" for stem in ("a", "b", "c", "e", "scan_1")]
    (folder / "p.bmp").touch()
    assert plan_outputs([folder / "p.bmp"], "out")[0].name == "p.png"
    with pytest.raises(InputError, match=r"b\.tif and .*d/b\.tif would both be written"):
        plan_outputs([folder / "b.tif", folder / "d" / "b.tif"], "out")
    with pytest.raises(InputError, match=r"format \.doc is not known"):
        plan_outputs(sources, "out", ".doc")


def test_dicom_files_among_other_images_are_not_passed_over(folder):
    scan = folder / "scan.1"
    (scan / "notes.txt").touch()
    assert find_sources([scan]) == [scan]
    (scan / "preview.png").touch()
    with pytest.raises(InputError, match="DICOM files among other images"):
        find_sources([scan])
    assert find_sources([scan], "*.png") == [scan / "preview.png"]
    assert find_sources([scan / "IM0900"]) == [scan / "IM0900"]
    assert scan not in find_sources([folder])


def test_results_in_the_searched_folder_are_no_sources(folder):
    out = folder / "out"
    out.mkdir()
    (out / "b.tif").touch()
    assert out / "b.tif" not in find_sources([folder], "**/*.tif", results=out)
    assert find_sources([f"{folder}/**/b.tif"], results=out) == [folder / "b.tif"]
    assert find_sources([out], "*.tif", results=out) == [out / "b.tif"]
    assert find_sources([folder], "b.tif", results=folder) == [folder / "b.tif"]
    assert find_sources([folder], "b.tif", results=folder.parent) == [folder / "b.tif"]


def test_a_series_is_listed_once(folder):
    scan = folder / "scan.1"
    assert find_sources([f"{scan}/*"]) == [scan / "IM0899"]
    assert find_sources([scan / "IM0900", scan / "IM0899"]) == [scan / "IM0900"]
    write_series(folder / "scan.2", hounsfield((2, 30, 30)))
    assert len(find_sources([folder], "*/IM*")) == 2


def test_sub_folders_are_kept_on_demand(folder):
    (folder / "sub" / "b.tif").touch()
    sources = [folder / "b.tif", folder / "sub" / "b.tif"]
    for inputs in ([folder], [f"{folder}/**/*.tif"]):
        outputs = plan_outputs(sources, "out", keep_below=inputs)
        assert [path.as_posix() for path in outputs] == ["out/b.tif", "out/sub/b.tif"]
