import csv
import io
import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_clip_denoise import evaluate, load
from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.evaluation.metrics import match_affine, psnr, rmse, ssim
from napari_clip_denoise.evaluation.registration import register
from napari_clip_denoise.evaluation.scores import baselines
from napari_clip_denoise.evaluation.scores.baselines import BASELINES
from napari_clip_denoise.evaluation.scores.datasets import CleanImage
from napari_clip_denoise.evaluation.scores.evaluate import clean_psnr
from napari_clip_denoise.evaluation.scores.methods import make_methods
from napari_clip_denoise.evaluation.scores.panels import CROP, GAP, CropGallery, draw_crop
from napari_clip_denoise.evaluation.scores.scored_model import write_scored
from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.models import Gaussian
from napari_clip_denoise.noise.simulation import fluorescence
from tiny_network import TINY


@pytest.fixture(scope="module", autouse=True)
def quick_timing():
    """Time planes of 64 pixels, so that the tests need not wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_clip_denoise.evaluation.scores.evaluate.SIDE", 64)
        yield


@pytest.fixture(scope="module")
def tiny_rgb():
    config = TINY.__class__(TINY.encoder, 3, TINY.decoder_channels, False, True)
    card = ModelCard(name="tiny-rgb", network=config, encoder=EncoderCard(source="random"))
    return Model(card, Denoiser(config).eval())


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Folders of clean images, grey and RGB."""
    folder = tmp_path_factory.mktemp("clean")
    for kind, n_images in (("grey", 2), ("rgb", 1)):
        (folder / kind).mkdir()
        for i in range(n_images):
            planes = [fluorescence((140, 150), seed=s).clip(0, 1) for s in (i, 3, 4)]
            image = planes[0] if kind == "grey" else np.stack(planes, -1)
            Image.fromarray((255 * image).astype(np.uint8)).save(folder / kind / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def result(tiny, tiny_rgb, clean):
    return evaluate(
        [tiny, tiny_rgb],
        [clean / "grey", clean / "rgb"],
        baselines=["gaussian", "tv"],
        noises=["gaussian-25", "salt-pepper-0.02"],
        device="cpu",
    )


def test_every_method_is_scored_on_every_image(result):
    assert [facts.name for facts in result.methods] == ["tiny", "tiny-rgb", "gaussian", "tv"]
    assert len(result.measurements) == 5 * 2 * 3
    assert result.rows[:2] == [("grey", "gaussian-25"), ("grey", "salt-pepper-0.02")]
    noisy = result.mean("noisy", "rgb", "gaussian-25")
    assert noisy["psnr"] == pytest.approx(20 * np.log10(255 / 25), abs=0.1)
    assert result.mean("gaussian", "rgb", "gaussian-25")["psnr"] > noisy["psnr"] + 3
    values = [one.scores["psnr"] for one in result.measurements]
    assert len(set(values)) == len(values)


def test_the_tables_tell_the_same_as_the_values(result):
    markdown = result.to_markdown()
    mean = result.mean("tv", "grey", "gaussian-25")
    row = next(line for line in markdown.splitlines() if "| grey | gaussian-25 |" in line)
    assert row.endswith(f"| {mean['psnr']:.2f} |")
    lines = list(csv.DictReader(io.StringIO(result.to_csv())))
    found = [
        float(line["ssim"])
        for line in lines
        if (line["data"], line["noise"], line["method"]) == ("grey", "gaussian-25", "tv")
    ]
    assert np.mean(found) == pytest.approx(mean["ssim"])
    content = json.loads(result.to_json())
    assert {"data": "grey", "noise": "gaussian-25", "method": "tv", **mean} in content["means"]
    assert content["methods"][0]["seconds"] > 0
    assert len(content["images"]) == len(result.measurements)


def test_a_folder_gets_the_tables_and_the_crops(result, tmp_path):
    paths = result.write(tmp_path / "out")
    names = {path.name for path in paths}
    assert {"scores.md", "scores.csv", "scores.json"} < names
    assert "rgb_gaussian-25_best.png" in names
    picture = Image.open(tmp_path / "out" / "grey_gaussian-25_worst.png")
    assert picture.width == 6 * (2 * CROP + GAP) - GAP
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        result.write(tmp_path / "file")


def test_real_pairs_are_scored_raw_and_after_an_affine_match(tiny, tmp_path):
    taken = acquire(fluorescence((64, 80), seed=2), gain=0.5, offset=5, seed=2)
    for side, pixels in (("noisy", 2 * taken.noisy), ("clean", taken.truth)):
        (tmp_path / "set" / side).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "set" / side / "a.tif", pixels)
    found = evaluate([tiny], [tmp_path / "set"], "real", device="cpu", clean=False)
    scores = found.mean("noisy", "set a", "real")
    doubled = 2.0 * taken.noisy
    matched = match_affine(taken.truth, doubled)
    assert scores == pytest.approx(
        {
            "psnr": psnr(taken.truth, doubled),
            "ssim": ssim(taken.truth, doubled),
            "si_psnr": psnr(taken.truth, matched),
            "si_ssim": ssim(taken.truth, matched),
            "registered_psnr": psnr(*register(taken.truth, doubled), float(np.ptp(taken.truth))),
        }
    )
    assert scores["si_psnr"] > scores["psnr"] + 6
    assert found.methods[0].clean_psnr_8_bit is None
    assert "not measured" in found.to_markdown()


def test_ct_is_scored_in_hounsfield_units_within_the_window(tmp_path):
    truth = np.random.default_rng(0).uniform(-3000, 4000, (2, 40, 50)).astype(np.float32)
    noisy = Gaussian(20)(truth, np.random.default_rng(1))
    for side, pixels in (("noisy", noisy), ("clean", truth)):
        (tmp_path / "ct" / side).mkdir(parents=True)
        np.save(tmp_path / "ct" / side / "a.npy", pixels.astype(np.int16))
    found = evaluate([], [tmp_path / "ct"], "ct", ["gaussian"], clean=False)
    inside = [x.astype(np.int16).clip(-1024, 3072).astype(float) for x in (truth, noisy)]
    scores = found.mean("noisy", "ct", "real")
    assert scores["rmse"] == pytest.approx(rmse(*inside))
    assert scores["psnr"] == pytest.approx(20 * np.log10(4096 / scores["rmse"]))


@pytest.mark.parametrize(
    ("name", "rgb"), [*((name, name != "vst-bm3d") for name in BASELINES), ("nlm", False)]
)
def test_baselines_denoise_at_any_scale(name, rgb):
    truth = 500 * np.stack([fluorescence((48, 56), ("nuclei",), seed=i) for i in range(3)]) - 90
    truth = np.moveaxis(truth, 0, -1) if rgb else truth[:1]
    noisy = Gaussian(40)(truth, np.random.default_rng(0))
    (method,) = make_methods([], [name])
    cleaned = method(noisy, rgb=rgb)
    assert cleaned.shape == noisy.shape
    assert psnr(truth, cleaned) > psnr(truth, noisy) + 3


def test_the_stabilised_baseline_gains_where_shot_noise_rules():
    taken = acquire(fluorescence((96, 96), ("nuclei", "points"), seed=2), photons=30, seed=3)
    plain, stabilised = (
        psnr(taken.truth, method(taken.noisy, rgb=False))
        for method in make_methods([], ["bm3d", "vst-bm3d"])
    )
    assert stabilised > plain + 0.2


@pytest.mark.parametrize("name", list(BASELINES))
def test_baselines_leave_a_constant_image_alone(name):
    flat = np.full((40, 40), 7, np.uint16)
    (method,) = make_methods([], [name])
    np.testing.assert_allclose(method(flat, rgb=False), 7)


def test_the_clean_image_psnr_is_measured_on_the_clean_image_as_stored():
    clean = CleanImage(None, np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8), False)

    def leaves_alone(noisy, *, rgb, intensity=None):
        assert noisy.dtype in (np.uint8, np.uint16)
        return noisy.astype(np.float32)

    def adds_a_hundredth(noisy, *, rgb, intensity=None):
        middle = np.iinfo(noisy.dtype).max / 2
        return noisy.astype(np.float32) + np.where(noisy > middle, -1, 1) * 0.02 * middle

    for dtype in (np.uint8, np.uint16):
        assert clean_psnr(leaves_alone, clean, dtype) == np.inf
        assert clean_psnr(adds_a_hundredth, clean, dtype) == pytest.approx(40, abs=2)


def test_the_gallery_finds_where_a_method_fails():
    truth = np.random.default_rng(0).random((300, 400))
    noisy = truth + 0.1
    result = truth + 0.01
    result[150:290, 250:390] += 0.5
    gallery = CropGallery()
    gallery.add("a", truth, noisy, {"m": result}, rgb=False)
    gallery.add("b", truth, noisy, {"m": truth + 0.05}, rgb=False)
    assert (gallery.worst.image, gallery.best.image) == ("a", "a")
    np.testing.assert_allclose(gallery.worst.panels["m"] - gallery.worst.panels["truth"], 0.51)
    assert gallery.best.gain == pytest.approx(20, abs=0.1)
    assert draw_crop(gallery.worst).mode == "RGB"


def test_scores_join_those_that_a_card_has(tiny, result, tmp_path):
    path = write_scored(tiny, result, "tiny", tmp_path / "tiny.safetensors")
    scored = load(path)
    assert scored.sha256 == tiny.sha256
    assert len(scored.card.scores) == 2 * 4
    assert scored.card.scores[0].noise == "gaussian-25"
    write_scored(scored, result, "tiny-rgb", path)
    again = load(path).card.scores
    assert len(again) == 2 * 4
    assert again != scored.card.scores


def test_what_cannot_be_compared_is_refused(tiny, clean, monkeypatch):
    with pytest.raises(InputError, match="nothing to compare"):
        evaluate([], [clean / "grey"])
    with pytest.raises(InputError, match="no baseline 'magic'"):
        make_methods([], ["magic"])
    with pytest.raises(InputError, match="columns would be called 'tiny'"):
        make_methods([tiny, tiny], [])
    monkeypatch.setattr(baselines, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install .*\[comparison\]"):
        make_methods([], ["bm3d"])
