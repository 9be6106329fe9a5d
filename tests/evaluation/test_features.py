import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from napari_clip_denoise import feature_similarity
from napari_clip_denoise.cli.app import app
from napari_clip_denoise.errors import InputError, ModelError, OutputError
from napari_clip_denoise.evaluation.feature_content import (
    LEVELS,
    Content,
    content_levels,
    found_places,
)
from napari_clip_denoise.evaluation.feature_report import plot, to_markdown
from napari_clip_denoise.evaluation.features import cosine_similarity, effective_directions
from napari_clip_denoise.models.checkpoint import save_model
from napari_clip_denoise.noise.simulation import fluorescence


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    for seed in range(2):
        image = (255 * fluorescence((70, 90), seed=seed).clip(0, 1)).astype(np.uint8)
        Image.fromarray(image if seed else np.stack([image] * 3, -1)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def found(folder, tiny_file):
    noises = ["gaussian-15", "gaussian-50"]
    return feature_similarity([str(tiny_file), "random"], folder, noises=noises)


def test_more_noise_changes_features_more(found):
    assert [(one.encoder.endswith("safetensors"), one.noise) for one in found] == [
        (True, "gaussian-15"), (True, "gaussian-50"),
        (False, "gaussian-15"), (False, "gaussian-50"),
    ]  # fmt: skip
    for weak, strong in (found[:2], found[2:]):
        assert weak.image > strong.image
        assert all(a > b for a, b in zip(weak.cosine, strong.cosine, strict=True))
        assert all(0 < value <= 1 for value in weak.cosine)
        assert all(value >= 1 for value in weak.directions)
        assert weak.directions == strong.directions
        assert weak.readout[0] > strong.readout[0] > 15
        assert all(0 < value < weak.readout[0] for value in weak.readout[3:5])
        assert weak.found[0] >= strong.found[0] > 0.2
    assert found[0].image == found[2].image
    assert found[0].readout[0] == found[2].readout[0]
    assert found[0].cosine != found[2].cosine


def test_a_random_encoder_after_a_model_that_is_told_the_level_sees_the_same(
    folder, told, tmp_path
):
    save_model(told, tmp_path / "told.safetensors")
    sources = [str(tmp_path / "told.safetensors"), "random", "random"]
    trained, *both = feature_similarity(sources, folder, noises=["gaussian-25"])
    assert both[0] == both[1]
    assert both[0].cosine != trained.cosine
    assert both[0].readout[0] == trained.readout[0]


@pytest.mark.parametrize("name", ["tiny", "told"])
def test_an_encoder_sees_what_it_sees_in_its_network(name, folder, request, tmp_path):
    model = request.getfixturevalue(name)
    save_model(model, tmp_path / "a.safetensors")
    (found,) = feature_similarity(
        [str(tmp_path / "a.safetensors")], folder, noises=["gaussian-25"], limit=1
    )
    clean = np.asarray(Image.open(folder / "0.png"), np.float32)[3:67, 5:85] / 255
    noise = np.random.default_rng(0).standard_normal((3, 70, 90), np.float32) * 25 / 255
    noise = torch.from_numpy(noise[:, None, 3:67, 5:85])
    clean = torch.from_numpy(clean).movedim(-1, 0)[:, None]
    levels = [()] * 2
    if name == "told":
        levels = [(torch.full_like(clean, level),) for level in (0, noise.square().mean().sqrt())]
    with torch.inference_mode():
        before = model.denoiser.features(clean, *levels[0])[1:]
        after = model.denoiser.features(clean + noise, *levels[1])[1:]
    expected = [cosine_similarity(*pair).item() for pair in zip(before, after, strict=True)]
    assert min(expected) < 0.95
    assert found.cosine == pytest.approx(expected, abs=1e-4)


def test_directions_are_their_definition():
    torch.manual_seed(0)
    feature = torch.randn(1, 8, 64, 64)
    assert effective_directions(feature) == pytest.approx(8, rel=0.01)
    assert effective_directions(feature[:, :1].repeat(1, 8, 1, 1)) == pytest.approx(1)
    assert effective_directions(torch.ones(1, 8, 4, 4)) == 0


def test_results_are_told_as_table_and_plot(found, tmp_path):
    text = to_markdown(found)
    for value in (
        f"{found[3].image:.3f}",
        f"{found[3].readout[0]:.2f}",
        f"{100 * found[3].found[0]:.1f}",
    ):
        assert f"| random | gaussian-50 | {value} | " in text
    assert Image.open(plot(found, tmp_path / "a.png")).width > 300
    with pytest.raises(InputError, match="no format of a picture"):
        plot(found, tmp_path / "a.xyz")
    with pytest.raises(OutputError, match="cannot be written"):
        plot(found, tmp_path / "nowhere" / "a.png")


def test_the_command_prints_the_table_and_draws_the_plot(folder, tiny_file, tmp_path):
    done = CliRunner().invoke(
        app,
        ["features", "--data", str(folder), "--encoder", str(tiny_file), "--noise", "speckle",
         "--limit", "1", "--plot", str(tmp_path / "a.svg")],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "| speckle-0.04 |" in done.stdout
    assert "</svg>" in (tmp_path / "a.svg").read_text()


def test_what_has_no_features_is_refused(folder, tiny_file, tmp_path):
    with pytest.raises(ModelError, match="no model 'nonsense'"):
        feature_similarity(["nonsense"], folder)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="fewer than 16 pixels"):
        feature_similarity([str(tiny_file)], tmp_path, noises=["speckle-0.04"])


def test_similarity_is_its_definition():
    torch.manual_seed(0)
    feature = torch.randn(1, 8, 64, 64)
    assert cosine_similarity(feature, feature).item() == pytest.approx(1)
    mirrored = feature.mean(dim=(2, 3), keepdim=True) * 2 - feature
    assert cosine_similarity(feature, mirrored).item() == pytest.approx(-1)
    noise = torch.randn(1, 8, 64, 64)
    assert cosine_similarity(feature + 9, feature + 9 + noise).item() < 0.8


def image_with_features(seed, weights=(3, 12, 48, 192)):
    """An image, and features that hold its pixels, mixed by an orthogonal matrix."""
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(9)
    features = []
    for side in (2, 4, 8, 16):
        pixels = torch.nn.functional.pixel_unshuffle(image, side)
        n = pixels.shape[1]
        mixing = torch.linalg.qr(torch.randn(n, n, generator=generator))[0]
        features.append(torch.einsum("ij,njyx->niyx", mixing, pixels))
    return image, features


@pytest.mark.parametrize("n_images", [1, 4])
def test_a_linear_mixture_of_the_pixels_is_read_out(n_images):
    content = Content(n_images)
    for number in content.order:
        image, features = image_with_features(number)
        content.add(number, image, content_levels(image, [features[0], *features[1:]]))
    psnr = dict(zip(LEVELS, content.psnr, strict=True))
    assert min(psnr[level] for level in ("image", "F1", "F2", "all")) > 25
    blind = Content(n_images)
    for number in blind.order:
        image, features = image_with_features(number)
        levels = [torch.rand_like(level) for level in content_levels(image, features)]
        blind.add(number, image, levels)
    assert max(blind.psnr) == pytest.approx(10.8, abs=0.6)


def test_places_are_found_by_what_is_there():
    image, features = image_with_features(0)
    levels = content_levels(image, features)
    assert found_places(levels, levels) == [1.0] * len(LEVELS)
    other = content_levels(*image_with_features(1))
    assert max(found_places(levels, other)) <= 0.3
    moved = [level.roll(level.shape[3] // 2, dims=3) for level in levels]
    assert max(found_places(levels, moved)) < 0.3
