"""Settings that train a model, read from YAML."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.network.config import DenoiserConfig

Range = tuple[float, float]
Weight = Annotated[float, Field(ge=0)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageGroup(_Settings):
    """A folder of clean images.

    Attributes
    ----------
    folder : str
        Path below the data folder, searched recursively.
    weight : float
        How often patches come from here, relative to the other groups.
    normalise : bool
        Whether each image's 0.1 to 99.9 percentiles become [0, 1]. Without it, integer
        images are divided by the largest value of their type.
    halve : float
        Probability of averaging 2x2 pixels, which removes noise that the clean images have.
    """

    folder: str
    weight: Weight = 1.0
    normalise: bool = True
    halve: Annotated[float, Field(ge=0, le=1)] = 0.3


class Simulation(_Settings):
    """Simulated fluorescence among the clean images: `planes` different ones."""

    weight: Weight = 0.0
    planes: int = 256


class Noise(_Settings):
    """What noise is mixed in, and how often. Ranges are (low, high).

    Attributes
    ----------
    gaussian, faint, correlated, poisson_gaussian, stabilised, speckle : float
        Relative frequencies of the kinds. ``faint`` is Gaussian noise that hardly shows, from
        which a model learns to leave clean images alone. ``stabilised`` is Poisson-Gaussian
        noise after the Anscombe transform, as the network sees it behind that intensity
        mapping.
    sigma, faint_sigma : tuple of float
        Gaussian standard deviation, drawn uniformly, on a scale where images span [0, 1].
    correlation : tuple of float
        Blur of correlated noise, in pixels.
    photons : tuple of float
        Photons at the value 1, drawn log-uniformly.
    background : tuple of float
        Background light, as a share of the value 1.
    read_noise : tuple of float
        Read noise in photons.
    stripes, salt_and_pepper, quantised : float
        Probabilities of these in addition to any kind.
    stripe_sigma, impulses : tuple of float
        Standard deviation of the stripes, and share of pixels that impulses hit, drawn
        log-uniformly.
    """

    gaussian: Weight = 1.0
    faint: Weight = 0.0
    correlated: Weight = 0.0
    poisson_gaussian: Weight = 0.0
    stabilised: Weight = 0.0
    speckle: Weight = 0.0
    sigma: Range = (0.0, 55 / 255)
    faint_sigma: Range = (0.0, 0.01)
    correlation: Range = (0.4, 1.2)
    photons: Range = (2.0, 1000.0)
    background: Range = (0.0, 0.2)
    read_noise: Range = (0.0, 3.0)
    stripes: Weight = 0.0
    salt_and_pepper: Weight = 0.0
    quantised: Weight = 0.0
    stripe_sigma: Range = (0.005, 0.05)
    impulses: Range = (0.001, 0.04)


class Remap(_Settings):
    """Random linear intensity mapping of noisy and clean patch alike.

    It stands for what an intensity mapping of a whole stack does to one patch: with
    `probability`, the patch's 1 to 99 percentiles are brought to a random part of [0, 1].

    Attributes
    ----------
    probability : float
        How often it is applied.
    span : tuple of float
        Width of that part, drawn log-uniformly.
    """

    probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    span: Range = (0.1, 1.2)


class Optimisation(_Settings):
    """Steps of an optimiser, and how its learning rate goes.

    After a linear warm-up, ``"cosine"`` falls by half a cosine to the final rate;
    ``"trapezoid"`` stays and falls linearly in the last `cool_down` of the steps, so that a
    training can be made longer while it runs (Hägele et al., NeurIPS 2024).

    `precision` is that of the convolutions; bfloat16 pays where the processor has it. Muon
    takes the weights of the convolutions and leaves the rest to AdamW (Jordan et al., 2024, as
    `timm` has it, with updates as large as AdamW's).
    """

    optimiser: Literal["adamw", "muon"] = "adamw"
    steps: Annotated[int, Field(gt=0)] = 20_000
    schedule: Literal["cosine", "trapezoid"] = "cosine"
    cool_down: Annotated[float, Field(gt=0, le=1)] = 0.3
    batch: Annotated[int, Field(gt=0)] = 8
    crop: Annotated[int, Field(gt=0, multiple_of=16)] = 128
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warm_up: int = 300
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    average_decay: float = 0.999
    augmentation_level: float = 0.025
    train_encoder: bool = True
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    checkpoint_every: int = 1000


class Recipe(_Settings):
    """All that it takes to train a model again, but for the images.

    Attributes
    ----------
    name, description : str
        Name of the model, and a sentence on it for its card.
    seed : int
        The same seed and data give the same patches in the same order.
    network : DenoiserConfig
        Shape of the network.
    groups : tuple of ImageGroup
        Where clean images come from.
    """

    name: str
    description: str = ""
    licence: str = ""
    data_terms: str = ""
    seed: int = 0
    network: DenoiserConfig
    groups: tuple[ImageGroup, ...]
    simulation: Simulation = Simulation()
    noise: Noise = Noise()
    remap: Remap = Remap()
    optimisation: Optimisation = Optimisation()


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe that ships with the package, by name, or a YAML file, by path.

    Raises
    ------
    InputError
        If there is no such recipe or it is not valid.
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
