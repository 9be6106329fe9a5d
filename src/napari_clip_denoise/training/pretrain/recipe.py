"""Recipes: settings for training a model, read from YAML."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY
from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.training.data.settings import PatchSettings, Settings, Weight
from napari_clip_denoise.training.data.synthetic_patches import SyntheticPatches


class Optimisation(Settings):
    """Optimiser settings, learning-rate schedule and loss of a training.

    After a linear warm-up, ``"cosine"`` decays along half a cosine to the final rate.
    ``"trapezoid"`` stays constant and decays linearly in the last `cool_down` fraction of the
    steps, so that a training can be extended while it runs (Hägele et al., NeurIPS 2024).
    ``"restarts"`` has no warm-up; in each of `periods` it decays along half a cosine to the rate
    at the same position in `minima`.

    The loss ``"rms"`` is the root of each patch's mean squared error, ``"l1"`` the mean absolute
    error. ``"relative"`` is the root mean square in relation to the patch's noise, see
    `relative_error`. With `mixup`, half of the batches are blended with a permutation of
    themselves; the weight is drawn from Beta(mixup, mixup) (Zhang et al., ICLR 2018). If
    `average_decay` is 0, the last weights are kept instead of their running average.

    `precision` is that of the convolutions; bfloat16 is faster on processors that support it. Muon
    optimises the weights of the convolutions and leaves the others to AdamW (Jordan et al., 2024,
    as implemented in `timm`, with updates as large as AdamW's), at `fallback_rate` times the
    learning rate. Parts of the network whose names start with one of `fallback` are left to AdamW
    as well: Muon changes all weights by similar amounts, and those of little importance at random,
    until their rectifiers are switched off.

    With `calibrate`, an encoder with random weights takes the statistics of its batch
    normalisation from the first batches. Otherwise, at a high rate, the rectifiers of its deep
    stages are soon switched off permanently.

    `alive` is the weight of a penalty on rectifiers of the encoder that no pixel of a batch opens,
    see `RectifierGuard`.

    `init_weight` is the fraction of the initial weights in the final ones. If the training started
    from a model, this recovers what that model did better, at little cost to what was learned
    (Wortsman et al., CVPR 2022).
    """

    FORMER: ClassVar[dict[str, str]] = {"start_share": "init_weight"}

    optimiser: Literal["adamw", "muon"] = "adamw"
    steps: Annotated[int, Field(gt=0)] = 20_000
    schedule: Literal["cosine", "trapezoid", "restarts"] = "cosine"
    periods: tuple[int, ...] = ()
    minima: tuple[float, ...] = ()
    cool_down: Annotated[float, Field(gt=0, le=1)] = 0.3
    batch: Annotated[int, Field(gt=0)] = 8
    crop: Annotated[int, Field(gt=0, multiple_of=16)] = 128
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warm_up: int = 300
    loss: Literal["rms", "relative", "l1"] = "rms"
    mixup: Weight = 0.0
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    average_decay: float = 0.999
    augmentation_level: float = 0.025
    init_weight: Annotated[float, Field(ge=0, lt=1)] = 0.0
    train_encoder: bool = True
    calibrate: bool = False
    alive: Weight = 0.0
    fallback_rate: Annotated[float, Field(gt=0)] = 1.0
    fallback: tuple[str, ...] = ()
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    checkpoint_every: int = 1000

    @model_validator(mode="before")
    @classmethod
    def _without_a_loss_that_is_gone(cls, values: Any) -> Any:
        """Accept recipes on older cards, which name a loss that they did not use."""
        if isinstance(values, dict) and not values.get("consistency"):
            return {name: value for name, value in values.items() if name != "consistency"}
        return values

    @model_validator(mode="after")
    def _periods_add_up(self) -> Self:
        restarts = self.schedule == "restarts"
        if restarts and (sum(self.periods), len(self.periods)) != (self.steps, len(self.minima)):
            raise ValueError("periods add up to the steps, and each has a minimum")
        return self


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
        Source of the frozen encoder: ``"clip-rn50"``, ``"random"``, or a model by name or file.
        If empty, the encoder has random weights as well, and is usually trained.
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
    intensity: str = DEFAULT_INTENSITY
    reinit: tuple[str, ...] = ()
    optimisation: Optimisation = Optimisation()

    def patches(self, data: Path) -> SyntheticPatches:
        """Return the patches of this recipe, from the image groups in the folder `data`."""
        return SyntheticPatches(
            self,
            data,
            channels=self.network.channels,
            crop=self.optimisation.crop,
            batch=self.optimisation.batch,
        )

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
