"""Model cards as text, Markdown and HTML."""

from html import escape

from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY
from napari_clip_denoise.images.intensity_methods import intensity_label
from napari_clip_denoise.models.card import ModelCard, Score
from napari_clip_denoise.models.folder import DEFAULT_MODEL, RGB_MODEL
from napari_clip_denoise.models.registry import Entry
from napari_clip_denoise.models.zoo.card import ENGINE_ONLY, ZooCard

FIRST = ("made for", "licence", "authors", "please cite")
"""Facts that are shown above the scores."""
TEST_IMAGES = {
    "set12": "Set12 (photographs)",
    "cbsd68": "CBSD68 (colour photographs)",
    "fmd48": "FMD (fluorescence microscopy)",
    "w2s": "W2S (widefield fluorescence)",
}
TEST_NOISE = {
    "real": "real noise",
    "gaussian": "Gaussian noise",
    "poisson": "Poisson noise",
    "spatial": "noise correlated between pixels",
    "speckle": "speckle",
    "salt-pepper": "salt-and-pepper noise",
}
"""Names of test images and noise for people; others are shown as they are."""
RUNTIMES = {
    "onnx": "ONNX, run by ONNX Runtime on the CPU",
    "torchscript": "TorchScript, whose code runs when it is loaded",
}
FIXED = "This model is built in and cannot be renamed or deleted."


def facts_of(card: ModelCard) -> dict[str, str]:
    """Return the entries of a card by label; empty if unknown."""
    kind = (
        "greyscale images; RGB one channel at a time"
        if card.network.channels == 1
        else "RGB images"
    )
    return {
        "made for": kind,
        "noise": card.noise,
        "intensity": card.intensity,
        "licence": card.licence,
        "trained on": card.data,
        "encoder": card.encoder.source,
    } | (_facts_of_package(card) if isinstance(card, ZooCard) else {})


def _facts_of_package(card: ZooCard) -> dict[str, str]:
    return {
        "authors": ", ".join(card.authors),
        "please cite": "; ".join(card.citation),
        "intensity": f"the package's own: {card.normalization.words}",
        "package": " ".join(filter(None, (card.title, card.identifier))),
        "network": RUNTIMES[card.weights.format],
    }


def as_json(card: ModelCard) -> str:
    """Return a card as JSON; that of a package without what does not apply to it."""
    return card.model_dump_json(exclude=ENGINE_ONLY if isinstance(card, ZooCard) else None)


def unsuitable_reason(card: ModelCard, *, rgb: bool) -> str:
    """Explain why a model is unsuitable for images, and name a better one; empty if suitable.

    Parameters
    ----------
    card : ModelCard
        Card of the model.
    rgb : bool
        Whether the images are RGB.
    """
    recipe = str(card.recipe.get("name", ""))
    if rgb or not recipe.startswith(RGB_MODEL):
        return ""
    return (
        f"'{card.name}' is for RGB images and leaves much of the noise in greyscale ones; "
        f"choose '{DEFAULT_MODEL}' instead."
    )


def own_scale(card: ModelCard, intensity: str | tuple[float, float]) -> str:
    """Say which intensity scale a model uses in place of the automatic one; empty if none.

    Parameters
    ----------
    card : ModelCard
        Card of the model.
    intensity : str or (float, float)
        The intensity mapping that was asked for.
    """
    if not card.clip_input or intensity != DEFAULT_INTENSITY:
        return ""
    return (
        f"With automatic intensity, '{card.name}' uses the scale that it was trained with: "
        f"{intensity_label(card.intensity)}."
    )


def as_markdown(card: ModelCard) -> str:
    """Format a card as a Markdown page: purpose, licence, scores, then how it was trained."""
    purpose, history = _purpose(card)
    facts = facts_of(card) | {"fine-tuned from the model of SHA-256": card.parent_sha256}
    first = {name: facts.pop(name, "") for name in FIRST}
    lines = [f"# {card.name}", "", purpose, "", *_items(first)]
    if card.scores:
        lines += ["", "| data | noise | metric | noisy | denoised |", "| --- " * 5 + "|"]
    lines += [
        f"| {score.data} | {score.noise} | {score.metric} | {score.noisy:g} | {score.denoised:g} |"
        for score in card.scores
    ]
    lines += ["", *_items(facts), *(["", history] if history else [])]
    return "\n".join(lines) + "\n"


def as_html(entry: Entry) -> str:
    """Format the card of a registered model as HTML for a narrow panel.

    Raises
    ------
    ModelError
        If its file is missing or damaged.
    """
    card = entry.card
    purpose, history = _purpose(card)
    facts = facts_of(card)
    if not isinstance(card, ZooCard):
        facts["intensity"] = intensity_label(card.intensity)
    first = {name: facts.pop(name, "") for name in FIRST}
    page = [f"<h3>{escape(entry.name)}</h3><p>{escape(purpose)}</p>", _list_facts(first)]
    page += [_tabulate(card.scores), _list_facts(facts)]
    page += [f"<p>{escape(history)}</p>", _list_facts({"file": str(entry.path)})]
    page += [f"<p>{FIXED}</p>"] if entry.origin == "bundled" else []
    return "".join(page)


def _purpose(card: ModelCard) -> tuple[str, str]:
    """Split a description into its first sentence, the purpose of the model, and the rest."""
    purpose, stop, history = card.description.partition(". ")
    return purpose + stop.strip(), history


def _items(facts: dict[str, str]) -> list[str]:
    return [f"- {name}: {text}" for name, text in facts.items() if text]


def _list_facts(facts: dict[str, str]) -> str:
    return "".join(
        f"<p><b>{name.capitalize()}:</b> {escape(text)}</p>" for name, text in facts.items() if text
    )


def _tabulate(scores: tuple[Score, ...]) -> str:
    """Format scores as a table; return an empty string if there are none."""
    rows = []
    for what, group in _by_images(scores).items():
        rows.append(f"<tr><td colspan=2><i>{escape(what)}</i></td></tr>")
        rows += [
            f"<tr><td>{escape(score.metric)}&nbsp;</td><td align=right>{_figures(score)}</td></tr>"
            for score in group
        ]
    title = "<p><b>Scores</b> before and after denoising:</p>"
    return f"{title}<table>{''.join(rows)}</table>" if rows else ""


def _by_images(scores: tuple[Score, ...]) -> dict[str, list[Score]]:
    """Group scores by test images and noise."""
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(_test_name(score), []).append(score)
    return groups


def _test_name(score: Score) -> str:
    """Name the images and the noise of a score, such as ``Set12 (photographs), Gaussian noise 25``.

    The number is the level of simulated noise.
    """
    kind, _, level = score.noise.rpartition("-")
    if not (kind and level.replace(".", "", 1).isdecimal()):
        kind, level = score.noise, ""
    noise = f"{TEST_NOISE.get(kind, kind)} {level}".rstrip()
    return f"{TEST_IMAGES.get(score.data, score.data.replace('_', ' '))}, {noise}"


def _figures(score: Score) -> str:
    digits = 2 if "dB" in score.metric else 3
    return f"{score.noisy:.{digits}f} → {score.denoised:.{digits}f}"
