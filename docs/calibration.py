"""Compare the uncertainty with the true error on simulated images, and print the figures.

Usage::

    python docs/calibration.py --model compact
"""

import argparse

import numpy as np
from scipy.stats import spearmanr

from napari_clip_denoise import load
from napari_clip_denoise.evaluation.uncertainty import LEVEL, PASSES, uncertainty
from napari_clip_denoise.images.grid import whole
from napari_clip_denoise.images.source import as_stack
from napari_clip_denoise.inference.job import prepare
from napari_clip_denoise.inference.region import denoise_region
from napari_clip_denoise.inference.settings import make_settings
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulate import fluorescence

SIDE = 256
PHOTONS = (5, 20, 100)


def main() -> None:
    """Simulate, denoise, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--passes", type=int, default=PASSES)
    parser.add_argument("--level", type=float, default=LEVEL)
    options = parser.parse_args()

    model = load(options.model)
    settings = make_settings(output_dtype="float32")
    print("photons  Spearman  mean spread  mean error  error of the surest and least sure tenth")
    for photons in PHOTONS:
        found = []
        for seed in range(options.images):
            taken = acquire(fluorescence((SIDE, SIDE), seed=seed), photons=photons, seed=seed)
            stack = as_stack(taken.noisy)
            job = prepare(stack, model, settings)
            error = np.abs(denoise_region(job, whole(stack.shape)) - taken.truth).ravel()
            spread = uncertainty(
                job, whole(stack.shape), passes=options.passes, level=options.level
            ).ravel()
            surest, least = np.quantile(spread, (0.1, 0.9))
            found.append(
                (
                    spearmanr(spread, error).statistic,
                    spread.mean(),
                    error.mean(),
                    error[spread <= surest].mean(),
                    error[spread >= least].mean(),
                )
            )
        figures = np.mean(found, axis=0)
        print(f"{photons:7d}  {figures[0]:8.2f}" + "".join(f"  {x:10.2f}" for x in figures[1:]))


if __name__ == "__main__":
    main()
