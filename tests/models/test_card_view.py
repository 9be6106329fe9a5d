from napari_clip_denoise.models.card import EncoderCard, ModelCard, Score
from napari_clip_denoise.models.card_file import copy_model, read_card
from napari_clip_denoise.models.card_view import FIXED, as_html, as_markdown, unsuitable_reason
from napari_clip_denoise.models.registry import Entry, entries, find
from tiny_network import TINY

SCORES = (
    Score(data="mine", noise="real", metric="PSNR (dB)", noisy=20.14, denoised=26.1),
    Score(data="mine", noise="real", metric="SSIM", noisy=0.7, denoised=0.885),
    Score(data="other", noise="real", metric="SSIM", noisy=0.2, denoised=0.3),
    Score(data="set12", noise="salt-pepper-0.02", metric="SSIM", noisy=0.2, denoised=0.3),
)


def card_named(name, **fields):
    return ModelCard(name=name, network=TINY, encoder=EncoderCard(source="none"), **fields)


def test_a_page_tells_the_scores_of_each_image_once_and_by_their_names(tiny_file, tmp_path):
    card = card_named("lab", description="For a<b & c.", scores=SCORES)
    copy_model(tiny_file, tmp_path / "lab.safetensors", card)
    page = as_html(Entry("lab", tmp_path / "lab.safetensors", "user"))
    assert "For a&lt;b &amp; c." in page
    assert page.count("mine, real noise") == page.count("other, real noise") == 1
    assert "Set12 (photographs), salt-and-pepper noise 0.02" in page
    assert "PSNR (dB)" in page
    assert "20.14 → 26.10" in page
    assert "0.700 → 0.885" in page
    assert str(tmp_path) in page
    assert FIXED not in page
    assert "| mine | real | SSIM | 0.7 | 0.885 |" in as_markdown(card)


def test_a_card_opens_with_its_purpose_and_scores_and_ends_with_its_history():
    (entry,) = [entry for entry in entries() if entry.name == "compact"]
    for page in (as_html(entry), as_markdown(entry.card)):
        lower = page.lower()
        places = [
            lower.index(words)
            for words in (
                "denoiser for single grey",
                "licence",
                "psnr (db)",
                "trained on",
                "last of five stages",
            )
        ]
        assert places == sorted(places)


def test_what_comes_with_the_program_says_so():
    assert all(FIXED in as_html(entry) for entry in entries())


def test_only_the_model_for_rgb_is_advised_against_and_only_for_grey_images():
    grey, colour = (read_card(find("auto", rgb=rgb)) for rgb in (False, True))
    assert "'compact-rgb' is for RGB images" in unsuitable_reason(colour, rgb=False)
    assert "choose 'compact'" in unsuitable_reason(colour, rgb=False)
    assert unsuitable_reason(colour, rgb=True) == ""
    assert unsuitable_reason(grey, rgb=False) == unsuitable_reason(grey, rgb=True) == ""
    tuned = colour.model_copy(update={"name": "mine", "recipe": {"fine_tuning": {}}})
    assert unsuitable_reason(tuned, rgb=False) == ""
