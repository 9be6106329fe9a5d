"""Recipes: settings for training a model, read from YAML."""

from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml
from pydantic import ValidationError, model_validator

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY
from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.training.data.settings import PatchSettings
from napari_clip_denoise.training.optimisation import Optimisation


class Recipe(PatchSettings):
    """Everything needed to repeat the training of a model, apart from the images.

    The attributes of `PatchSettings` describe the patches.

    Attributes
    ----------
    name, description : str
        Name of the model, and a sentence about it for its card.
    network : DenoiserConfig
        Architecture of the network.
    encoder : str
        Source of the frozen encoder: ``"clip-rn50"``, ``"open_clip:RN101:openai"``, ``"random"``,
        or a model by name or file, see `with_encoder`.
        If empty, the encoder has random weights as well, and is usually trained.
    batch_norm : {"openai", "adapt", "calibrate"}
        Statistics of the batch normalisation of a frozen encoder: those of its source (OpenAI's, in
        the case of CLIP); adapted to the noisy patches during the training, as in the code of the
        paper's authors; or set to those of the first patches before it. The model file holds them.
    decoder_init : {"he", "torch", "identity"}
        Initialisation of the decoder: that of He et al. (2015); torch's default, as in the code of
        the paper's authors; or that of He et al. with a last layer of zeros, so that a residual
        network starts with its input as the result.
    intensity : str
        Intensity mapping recommended on the model's card.
    reinit : tuple of str
        Prefixes of the names of parts, such as ``"encoder.layer3"``, that start from random
        weights although the initial model has them.
    """

    FORMER: ClassVar[dict[str, str]] = PatchSettings.FORMER | {"renewed": "reinit"}

    name: str
    description: str = ""
    licence: str = ""
    data_terms: str = ""
    network: DenoiserConfig
    encoder: str = ""
    batch_norm: Literal["openai", "adapt", "calibrate"] = "openai"
    decoder_init: Literal["he", "torch", "identity"] = "he"
    intensity: str = DEFAULT_INTENSITY
    reinit: tuple[str, ...] = ()
    optimisation: Optimisation = Optimisation()

    @model_validator(mode="after")
    def _has_images_that_fit(self) -> Self:
        if not (self.groups or self.simulation.weight or self.textures.weight or self.samples):
            raise ValueError("a recipe has groups of images, or simulates some")
        if self.noise.camera and self.network.channels != 3:
            raise ValueError("camera noise is for networks of three channels")
        if self.network.noise_level and self.optimisation.mixup:
            raise ValueError("mixup blends images of different noise levels; train without it")
        if self.encoder and self.optimisation.train_encoder:
            raise ValueError("an encoder that comes from elsewhere is not trained")
        if self.batch_norm == "adapt" and not self.network.encoder.shifts:
            raise ValueError("an encoder without shifts has no statistics that adapt to images")
        return self

    def smoke(self) -> "Recipe":
        """Return a variant that runs in seconds, to test that everything works."""
        steps = 4
        short: dict[str, Any] = {
            "steps": steps,
            "batch": 2,
            "crop": 32,
            "checkpoint_every": 2,
            "warm_up": 0,
        }
        if self.optimisation.schedule == "restarts":
            short |= {"periods": (1, steps - 1), "minima": self.optimisation.minima[:2]}
        return self.model_copy(
            update={
                "name": f"{self.name}-smoke",
                "optimisation": self.optimisation.model_copy(update=short),
                "simulation": self.simulation.model_copy(update={"planes": 2}),
                "textures": self.textures.model_copy(update={"planes": 2}),
            }
        )


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe by name, if it is included in the package, or from a YAML file.

    Parameters
    ----------
    name_or_path : str or Path
        Name of an included recipe, or path of a YAML file.

    Returns
    -------
    Recipe
        The recipe.

    Raises
    ------
    InputError
        If the recipe does not exist or is invalid.
    """
    path = Path(name_or_path)
    if not path.suffix:
        path = Path(str(resources.files(__package__) / "recipes" / f"{name_or_path}.yaml"))
    if not path.is_file():
        known = ", ".join(
            sorted(file.stem for file in (Path(__file__).parent / "recipes").glob("*.yaml"))
        )
        raise InputError(
            f"There is no recipe '{name_or_path}'; give a YAML file or one of: {known}."
        )
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError(f"The recipe {path} is not valid: {error}") from error
