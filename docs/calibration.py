"""Compare the uncertainty with the true error on simulated images, and print the figures.

Usage::

    python docs/calibration.py --model compact
"""

import argparse

import numpy as np
from scipy.stats import spearmanr

from napari_clip_denoise import load
from napari_clip_denoise.evaluation.trust.uncertainty import LEVEL, PASSES, uncertainty
from napari_clip_denoise.images.regions import whole
from napari_clip_denoise.images.stack import as_stack
from napari_clip_denoise.inference.engine.job import Job, prepare
from napari_clip_denoise.inference.engine.region import denoise_region
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence

SIDE = 256
PHOTONS = (5, 20, 100)
OTHERS = 12
"""Other noise on the same truth, which gives the error that is to be expected of each pixel."""


def main() -> None:
    """Simulate, denoise, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--passes", type=int, default=PASSES)
    parser.add_argument("--level", type=float, default=LEVEL)
    options = parser.parse_args()

    model = load(options.model)
    print("photons  Spearman  at best  mean spread  mean error  of the surest and least sure tenth")
    for photons in PHOTONS:
        found = []
        for seed in range(options.images):
            clean = fluorescence((SIDE, SIDE), seed=seed)
            taken = [
                acquire(clean, photons=photons, seed=seed + options.images * k)
                for k in range(1 + OTHERS)
            ]
            jobs = [job_of(each.noisy, model) for each in taken]
            errors = [
                np.abs(denoise_region(job, whole(clean.shape)) - taken[0].truth) for job in jobs
            ]
            error, expected = errors[0], np.sqrt(np.mean(np.square(errors[1:]), axis=0))
            spread = uncertainty(
                jobs[0], whole(clean.shape), passes=options.passes, level=options.level
            )
            surest, least = np.quantile(spread, (0.1, 0.9))
            found.append(
                (
                    spearmanr(spread.ravel(), error.ravel()).statistic,
                    spearmanr(expected.ravel(), error.ravel()).statistic,
                    spread.mean(),
                    error.mean(),
                    error[spread <= surest].mean(),
                    error[spread >= least].mean(),
                )
            )
        figures = np.mean(found, axis=0)
        print(f"{photons:7d}" + "".join(f"  {x:10.2f}" for x in figures), flush=True)


def job_of(noisy: np.ndarray, model: Model) -> Job:
    """What denoises a plane."""
    return prepare(as_stack(noisy), model, make_settings(output_dtype="float32"))


if __name__ == "__main__":
    main()
