"""Results of an evaluation, and their output as Markdown, CSV, JSON and scores of a model card."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.evaluation.metrics import LABELS
from napari_clip_denoise.evaluation.scores.methods import NOISY
from napari_clip_denoise.evaluation.scores.panels import CropGallery
from napari_clip_denoise.formatting import software
from napari_clip_denoise.models.card import Score

DIGITS = {"psnr": 2, "si_psnr": 2, "ssim": 3, "si_ssim": 3, "rmse": 2, "registered_psnr": 2}


@dataclass(frozen=True)
class Measurement:
    """The scores of one result on one image.

    Attributes
    ----------
    method, data, noise, image : str
        Names of the method, the data, the noise and the image; the method ``"noisy"`` is the input
        itself.
    scores : dict of str to float
        Scores by metric, see `napari_clip_denoise.evaluation.metrics.LABELS`.
    """

    method: str
    data: str
    noise: str
    image: str
    scores: dict[str, float]


@dataclass(frozen=True)
class MethodFacts:
    """Facts about a method as a whole.

    Attributes
    ----------
    name : str
        Name of the method.
    seconds : float
        Seconds for a plane of 512 x 512 pixels, median of three runs after a warm-up.
    clean_psnr_8_bit, clean_psnr_16_bit : float or None
        PSNR in dB between a clean image and its denoised version, for the image that changes most,
        stored in 8 and in 16 bits; infinite if no image changes, None if not measured.
    """

    name: str
    seconds: float
    clean_psnr_8_bit: float | None
    clean_psnr_16_bit: float | None


@dataclass(frozen=True)
class Evaluation:
    """Scores of several methods on the same images.

    Attributes
    ----------
    suite : str
        Kind of evaluation, see `napari_clip_denoise.evaluation.scores.datasets.conditions`.
    measurements : tuple of Measurement
        One for each method and image, in the order in which they were made.
    methods : tuple of MethodFacts
        One for each method, without the noisy input.
    device : str
        Device on which the models ran.
    galleries : dict of str to CropGallery
        Crops of the worst and best results of the first method, by row.
    """

    suite: str
    measurements: tuple[Measurement, ...]
    methods: tuple[MethodFacts, ...]
    device: str
    galleries: dict[str, CropGallery] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Pairs of data and noise, in order."""
        return list(dict.fromkeys((one.data, one.noise) for one in self.measurements))

    def mean(self, method: str, data: str, noise: str) -> dict[str, float]:
        """Return the mean score over the images of a row, by metric.

        Parameters
        ----------
        method, data, noise : str
            Names of the method, the data and the noise.

        Returns
        -------
        dict of str to float
            Mean scores by metric.
        """
        found = [
            one.scores
            for one in self.measurements
            if (one.method, one.data, one.noise) == (method, data, noise)
        ]
        return {metric: float(np.mean([scores[metric] for scores in found])) for metric in found[0]}

    def card_scores(self, method: str) -> tuple[Score, ...]:
        """Return the scores of a model in the format of its card."""
        scores = []
        for data, noise in self.rows:
            noisy, denoised = self.mean(NOISY, data, noise), self.mean(method, data, noise)
            scores += [
                Score(
                    data=data,
                    noise=noise,
                    metric=LABELS[metric],
                    noisy=round(noisy[metric], DIGITS[metric]),
                    denoised=round(denoised[metric], DIGITS[metric]),
                )
                for metric in denoised
            ]
        return tuple(scores)

    def to_markdown(self) -> str:
        """Return a table of facts about the methods, then a table for each metric, in Markdown."""
        names = [facts.name for facts in self.methods]
        parts = [
            markdown_table(
                ["method", "s a 512x512 plane", "clean, 8 bit (dB)", "clean, 16 bit (dB)"],
                [
                    [
                        facts.name,
                        f"{facts.seconds:.3g}",
                        _decibels(facts.clean_psnr_8_bit),
                        _decibels(facts.clean_psnr_16_bit),
                    ]
                    for facts in self.methods
                ],
            )
        ]
        for metric in self.measurements[0].scores:
            rows = []
            for data, noise in self.rows:
                means = [self.mean(name, data, noise)[metric] for name in (NOISY, *names)]
                rows.append([data, noise, *(f"{mean:.{DIGITS[metric]}f}" for mean in means)])
            parts.append(
                f"{LABELS[metric]}\n\n{markdown_table(['data', 'noise', NOISY, *names], rows)}"
            )
        return "\n\n".join(parts)

    def to_csv(self) -> str:
        """Return CSV with one line for each method and image."""
        metrics = list(self.measurements[0].scores)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["data", "noise", "image", "method", *metrics])
        for one in self.measurements:
            values = (one.scores[metric] for metric in metrics)
            writer.writerow([one.data, one.noise, one.image, one.method, *values])
        return text.getvalue()

    def to_json(self) -> str:
        """Return JSON with everything except the pictures; infinite numbers become null."""
        content = {
            "suite": self.suite,
            "software": software(),
            "device": self.device,
            "methods": [asdict(facts) for facts in self.methods],
            "means": [
                {"data": data, "noise": noise, "method": name, **self.mean(name, data, noise)}
                for data, noise in self.rows
                for name in (NOISY, *(facts.name for facts in self.methods))
            ],
            "images": [asdict(one) for one in self.measurements],
        }
        return json.dumps(_finite(content), indent=1, allow_nan=False)

    def write(self, folder: str | Path) -> list[Path]:
        """Write ``scores.md``, ``scores.csv``, ``scores.json`` and the crops to a folder.

        Parameters
        ----------
        folder : str or Path
            Folder for the files.

        Returns
        -------
        list of Path
            The written files.

        Raises
        ------
        OutputError
            If the files cannot be written.
        """
        folder = Path(folder)
        formats: dict[str, Callable[[], str]] = {
            "md": self.to_markdown,
            "csv": self.to_csv,
            "json": self.to_json,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = []
            for suffix, make in formats.items():
                paths.append(folder / f"scores.{suffix}")
                paths[-1].write_text(make() + ("" if suffix == "csv" else "\n"))
            for stem, gallery in self.galleries.items():
                paths += gallery.save(folder, stem)
        except OSError as error:
            raise OutputError(f"{folder} cannot be written: {error.strerror}.") from error
        return paths


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _decibels(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f}"


def _finite(value: object) -> object:
    """Replace values that JSON cannot store."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
