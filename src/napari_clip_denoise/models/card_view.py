"""Model cards as text, Markdown and HTML."""

from html import escape

from napari_clip_denoise.models.card import ModelCard, Score
from napari_clip_denoise.models.folder import DEFAULT_MODEL, RGB_MODEL
from napari_clip_denoise.models.registry import Entry

FIXED = "It comes with the program, and cannot be renamed or deleted."


def facts_of(card: ModelCard) -> dict[str, str]:
    """Return the entries of a card by label; empty if unknown."""
    kind = "grey; RGB one channel at a time" if card.network.channels == 1 else "RGB"
    return {
        "for": kind,
        "learned from": card.data,
        "noise": card.noise,
        "encoder": card.encoder.source,
        "intensity": card.intensity,
        "licence": card.licence,
    }


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
        f"'{card.name}' is for RGB images and keeps much of the noise of grey ones; "
        f"choose '{DEFAULT_MODEL}' for them."
    )


def as_markdown(card: ModelCard) -> str:
    """Format a card as a Markdown page."""
    facts = facts_of(card) | {"fine-tuned from the model of SHA-256": card.parent_sha256}
    lines = [f"# {card.name}", "", card.description, ""]
    lines += [f"- {name}: {text}" for name, text in facts.items() if text]
    if card.scores:
        lines += ["", "| data | noise | metric | noisy | denoised |", "| --- " * 5 + "|"]
    lines += [
        f"| {score.data} | {score.noise} | {score.metric} | {score.noisy:g} | {score.denoised:g} |"
        for score in card.scores
    ]
    return "\n".join(lines) + "\n"


def as_html(entry: Entry) -> str:
    """Format the card of a registered model as HTML for a narrow panel.

    Raises
    ------
    ModelError
        If its file is missing or damaged.
    """
    card = entry.card
    facts = facts_of(card) | {"file": str(entry.path)}
    page = [f"<h3>{escape(entry.name)}</h3>", f"<p>{escape(card.description)}</p>"]
    page += [f"<p>{FIXED}</p>"] if entry.origin == "bundled" else []
    page += [
        f"<p><b>{name.capitalize()}:</b> {escape(text)}</p>" for name, text in facts.items() if text
    ]
    if card.scores:
        page.append("<p><b>Scores</b>, of the noisy image and of the result:</p><table>")
    for what, scores in _by_images(card.scores).items():
        page.append(f"<tr><td colspan=2><i>{escape(what)}</i></td></tr>")
        page += [
            f"<tr><td>{escape(score.metric)}&nbsp;</td><td align=right>{_figures(score)}</td></tr>"
            for score in scores
        ]
    return "".join(page) + ("</table>" if card.scores else "")


def _by_images(scores: tuple[Score, ...]) -> dict[str, list[Score]]:
    """Group scores by test images and noise."""
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(f"{score.data}, {score.noise}", []).append(score)
    return groups


def _figures(score: Score) -> str:
    digits = 2 if "dB" in score.metric else 3
    return f"{score.noisy:.{digits}f} → {score.denoised:.{digits}f}"
