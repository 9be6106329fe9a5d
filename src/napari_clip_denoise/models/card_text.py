"""A model card in words."""

from napari_clip_denoise.models.card import ModelCard


def facts_of(card: ModelCard) -> dict[str, str]:
    """Give what is on a card, by what it is called; empty where it is not known."""
    kind = "grey; RGB one channel at a time" if card.network.channels == 1 else "RGB"
    return {
        "for": kind,
        "learned from": card.data,
        "noise": card.noise,
        "encoder": card.encoder.source,
        "intensity": card.intensity,
        "licence": card.licence,
    }


def as_markdown(card: ModelCard) -> str:
    """Write a card as a page of Markdown."""
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
