"""Table and figure of the properties of encoders' features."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.evaluation.feature_content import LEVELS
from napari_clip_denoise.evaluation.features import FeatureSimilarity
from napari_clip_denoise.evaluation.scores.report import markdown_table

TITLES = (
    "Cosine similarity to the clean image",
    "Linear read-out of the clean pixels, PSNR in dB",
    "Places found again in the clean image, per cent",
)


def to_markdown(results: Sequence[FeatureSimilarity]) -> str:
    """Return tables of the similarity, the content and the directions used, in Markdown."""
    similarity, readout, found = TITLES
    used = {one.encoder: [f"{value:.1f}" for value in one.directions] for one in results}
    return "\n\n".join(
        (
            similarity,
            _table(results, LEVELS[:-1], lambda one: (one.image, *one.cosine), "{:.3f}"),
            readout,
            _table(results, LEVELS, lambda one: one.readout, "{:.2f}"),
            found,
            _table(results, LEVELS, lambda one: _per_cent(one.found), "{:.1f}"),
            "Directions that a feature uses in clean images",
            markdown_table(
                ["encoder", *LEVELS[1:-1]], [[name, *row] for name, row in used.items()]
            ),
        )
    )


def _table(
    results: Sequence[FeatureSimilarity],
    levels: Sequence[str],
    of: Callable[[FeatureSimilarity], tuple[float, ...]],
    form: str,
) -> str:
    rows = [[one.encoder, one.noise, *map(form.format, of(one))] for one in results]
    return markdown_table(["encoder", "noise", *levels], rows)


def _per_cent(fractions: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(100 * fraction for fraction in fractions)


def plot(results: Sequence[FeatureSimilarity], path: str | Path) -> Path:
    """Draw a column for each encoder and a row for each property, with a line for each noise.

    Parameters
    ----------
    results : sequence of FeatureSimilarity
        Results to draw.
    path : str or Path
        Picture file, such as ``.png`` or ``.svg``.

    Returns
    -------
    Path
        The picture file.

    Raises
    ------
    InputError
        If matplotlib is missing or does not know the format.
    OutputError
        If the picture cannot be written.
    """
    if find_spec("matplotlib") is None:
        raise InputError(
            "The plot needs matplotlib; install it with pip install "
            "'napari-clip-denoise[comparison]'."
        )
    from matplotlib.figure import Figure

    encoders = list(dict.fromkeys(one.encoder for one in results))
    figure = Figure(figsize=(1.5 + 3.4 * len(encoders), 8.4), layout="constrained")
    panels = figure.subplots(len(TITLES), len(encoders), sharey="row", squeeze=False)
    for column, encoder in enumerate(encoders):
        for one in (one for one in results if one.encoder == encoder):
            lines = ((one.image, *one.cosine), one.readout, _per_cent(one.found))
            for panel, line in zip(panels[:, column], lines, strict=True):
                (drawn,) = panel.plot(LEVELS[:5], line[:5], "o-", label=one.noise, markersize=3)
                panel.plot(LEVELS[5 : len(line)], line[5:], "o", color=drawn.get_color())
        panels[0, column].set_title(Path(encoder).stem)
    for panel, title in zip(panels[:, 0], TITLES, strict=True):
        panel.set_ylabel(title.replace(", ", ",\n"), fontsize=8)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside right upper", fontsize=7)
    try:
        figure.savefig(path)
    except ValueError as error:
        raise InputError(f"{path} has no format of a picture; give a .png or .svg.") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    return Path(path)
