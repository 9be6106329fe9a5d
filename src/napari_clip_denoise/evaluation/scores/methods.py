"""Methods to compare: models, and classical methods that need no training.

Every method is blind: it gets only the noisy image and estimates everything else from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.evaluation.scores.baselines import BASELINES
from napari_clip_denoise.images.intensity import Intensity, parse_intensity
from napari_clip_denoise.models.registry import load

if TYPE_CHECKING:
    from napari_clip_denoise.models.checkpoint import Model

NOISY = "noisy"


class Method(Protocol):
    """Anything that turns a noisy image into a cleaner one."""

    @property
    def name(self) -> str:
        """Title of the method's column."""
        ...

    def __call__(
        self, noisy: np.ndarray, *, rgb: bool, intensity: Intensity | None = None
    ) -> np.ndarray:
        """Return the denoised image.

        Parameters
        ----------
        noisy : numpy.ndarray
            Noisy image, (..., Y, X), or (..., Y, X, 3) for RGB.
        rgb : bool
            True if the last axis holds RGB samples.
        intensity : str or (float, float), optional
            Intensity mapping of models; by default the one on the model's card.

        Returns
        -------
        numpy.ndarray
            Denoised image, float32, in the shape of `noisy`.
        """
        ...


@dataclass(frozen=True, eq=False)
class ModelMethod:
    """A model as a method; grey models process RGB by channel, RGB models repeat a grey channel.

    Parameters
    ----------
    name : str
        Title of the method's column.
    model : Model
        The model.
    device, self_ensemble :
        See `DenoiseSettings`.
    """

    name: str
    model: "Model"
    device: str = "auto"
    self_ensemble: bool = False

    def __call__(
        self, noisy: np.ndarray, *, rgb: bool, intensity: Intensity | None = None
    ) -> np.ndarray:
        """Return the denoised image, see `Method`.

        Parameters
        ----------
        noisy, rgb :
            See `Method`.
        intensity : str or (float, float), optional
            Intensity mapping; by default the one that the model's card recommends.

        Returns
        -------
        numpy.ndarray
            Denoised image, float32, in the shape of `noisy`.
        """
        from napari_clip_denoise.inference.api import denoise

        recommended = parse_intensity(self.model.card.intensity)
        return denoise(
            noisy,
            self.model,
            intensity=recommended if intensity is None else intensity,
            output_dtype="float32",
            device=self.device,
            self_ensemble=self.self_ensemble,
            rgb=rgb,
            check=False,
        )


def make_methods(
    models: "Sequence[str | Path | Model]",
    baselines: Sequence[str],
    device: str = "auto",
    *,
    self_ensemble: bool = False,
    clip_input: bool = True,
) -> list[Method]:
    """Create the methods to compare.

    Parameters
    ----------
    models : sequence of str, Path or Model
        Names in the registry, files, or loaded models.
    baselines : sequence of str
        Keys of `baselines.BASELINES`.
    device, self_ensemble :
        Options of the models, see `DenoiseSettings`.
    clip_input : bool
        Whether models that clip their input, according to their card, may do so.

    Returns
    -------
    list of Method
        The models, then the baselines.

    Raises
    ------
    InputError
        If there are no methods, one is unknown or needs a missing package, or two have the same
        name.
    """
    methods: list[Method] = []
    for name in baselines:
        if name not in BASELINES:
            raise InputError(f"There is no baseline '{name}'; give any of: {', '.join(BASELINES)}.")
        if not BASELINES[name].is_available:
            raise InputError(
                f"The baseline '{name}' needs a package that is missing; install it with "
                "pip install 'napari-clip-denoise[comparison]'."
            )
        methods.append(BASELINES[name])
    for given in reversed(models):
        model = load(given) if isinstance(given, (str, Path)) else given
        name = Path(given).stem if isinstance(given, (str, Path)) else model.card.name
        if model.card.clip_input and not clip_input:
            model = replace(model, card=model.card.model_copy(update={"clip_input": False}))
        methods.insert(0, ModelMethod(name, model, device, self_ensemble))
    names = [NOISY, *(method.name for method in methods)]
    if not methods:
        raise InputError("There is nothing to compare; give a model or a baseline.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"Two columns would be called '{twice}'; rename a model file.")
    return methods
