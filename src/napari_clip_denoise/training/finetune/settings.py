"""Settings of a fine-tuning, shared by napari, the command line and the library."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY, Intensity
from napari_clip_denoise.models.folder import DEFAULT_MODEL, models_folder
from napari_clip_denoise.training.finetune.registry import AUTO, objective_names
from napari_clip_denoise.training.optimisation import Optimisation


def _known_objective(name: str) -> str:
    if name not in objective_names():
        raise ValueError(f"it is one of {', '.join(objective_names())}")
    return name


ObjectiveName = Annotated[str, AfterValidator(_known_objective)]
Fraction = Annotated[float, Field(ge=0, le=1)]
SCHEDULE_TICKS = 1000
DEFAULT_MINUTES = 15.0
UNFINISHED = ".unfinished"
FORMER = {"judge_every": "validate_every"}
"""Names of former versions, which settings files may contain."""


class NoiseByHand(BaseModel):
    """Noise for the objective ``synthetic``, on the raw scale of the clean images.

    Attributes
    ----------
    gain : float
        Raw units per photon.
    offset : float
        Raw value without light.
    read_noise : float
        Standard deviation of the read noise, in raw units.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: Annotated[float, Field(ge=0)]
    offset: float = 0.0
    read_noise: Annotated[float, Field(ge=0)] = 0.0


class FineTuneSettings(BaseModel):
    """Settings of a fine-tuning: everything that decides its result, apart from the images.

    Attributes
    ----------
    name : str
        Name of the new model.
    model : str
        Initial model: a name in the registry, or the path of a model file.
    objective : str
        Training objective, see `napari_clip_denoise.training.finetune.registry`; ``"auto"``
        chooses one by the available images and by their noise.
    repeat_axis : str or None
        Axis along which the same field was imaged repeatedly, such as ``"t"``.
    context_axis : str or None
        For ``neighbors``: axis along which planes follow each other, such as ``"z"``; None is the
        last one before the plane.
    noise : NoiseByHand or None
        Noise for ``synthetic``; by default estimated from noisy images.
    extent : (int, int) or None
        For ``noise2void``: reach of the noise correlation in pixels, down and across; None
        measures it.
    intensity : str or (float, float)
        Mapping of raw values to the network's scale; use the same mapping for denoising.
    minutes : float or None
        Training time in minutes, from the first step; 15 if `steps` is not given either.
    steps : int or None
        Number of training steps. A training limited by steps alone is reproducible.
    batch, patch : int
        Number of patches per step, and their side in pixels, a multiple of 32.
    learning_rate, final_learning_rate, warm_up : float
        Peak learning rate (by default that of the objective), learning rate at the end, and
        fraction of the training during which the rate rises.
    weight_decay, gradient_clip, average_decay : float
        See `Optimisation`.
    augmentation_level : float or None
        Strength of the feature augmentation, see `Denoiser`; by default that of the objective.
    mixup : float
        Fraction of the batches whose patches are blended in pairs, if the objective allows it.
    held_out : int
        Number of patches that are used only to score the model, never for training.
    validate_every : int
        Number of steps between two scores; the state is saved at the same interval.
    patience : int
        Number of scores without improvement after which the training ends.
    seed : int
        Random seed; the same seed and images give the same patches.
    device, devices, precision :
        See `napari_clip_denoise.training.pretrain.fit.train`; `precision` is that of the
        convolutions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "fine-tuned"
    model: str = DEFAULT_MODEL
    objective: ObjectiveName = AUTO
    repeat_axis: Annotated[str, Field(pattern=r"^[a-z]$")] | None = None
    context_axis: Annotated[str, Field(pattern=r"^[a-z]$")] | None = None
    noise: NoiseByHand | None = None
    extent: tuple[Annotated[int, Field(ge=0, le=4)], Annotated[int, Field(ge=0, le=4)]] | None = (
        None
    )
    intensity: Intensity = DEFAULT_INTENSITY
    minutes: Annotated[float, Field(gt=0)] | None = None
    steps: Annotated[int, Field(gt=0)] | None = None
    batch: Annotated[int, Field(gt=0)] = 8
    patch: Annotated[int, Field(gt=0, multiple_of=32)] = 96
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    final_learning_rate: Annotated[float, Field(ge=0)] = 1e-6
    warm_up: Fraction = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    average_decay: Fraction = 0.999
    augmentation_level: Annotated[float, Field(ge=0)] | None = None
    mixup: Fraction = 0.25
    held_out: Annotated[int, Field(gt=0)] = 64
    validate_every: Annotated[int, Field(gt=0)] = 100
    patience: Annotated[int, Field(gt=0)] = 20
    seed: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Field(gt=0)] = 1
    precision: Literal["bfloat16", "float32"] = "float32"

    @model_validator(mode="before")
    @classmethod
    def _ends(cls, values: dict[str, Any]) -> dict[str, Any]:
        values = {FORMER.get(name, name): value for name, value in values.items()}
        if values.get("minutes") is None and values.get("steps") is None:
            return values | {"minutes": DEFAULT_MINUTES}
        return values

    def optimisation(self, objective_rate: float) -> Optimisation:
        """Return the optimiser settings, with the whole training as `SCHEDULE_TICKS` steps."""
        return Optimisation(
            optimiser="adamw",
            steps=SCHEDULE_TICKS,
            schedule="cosine",
            batch=self.batch,
            learning_rate=self.learning_rate or objective_rate,
            final_learning_rate=self.final_learning_rate,
            warm_up=round(self.warm_up * SCHEDULE_TICKS),
            weight_decay=self.weight_decay,
            gradient_clip=self.gradient_clip,
            average_decay=self.average_decay,
            train_encoder=False,
        )


def make_fine_tune_settings(**values: object) -> FineTuneSettings:
    """Validate settings and return them as an object.

    Parameters
    ----------
    **values
        Fields of `FineTuneSettings`.

    Returns
    -------
    FineTuneSettings
        The validated settings.

    Raises
    ------
    InputError
        If a setting is invalid; the message describes the first such setting in one sentence.
    """
    try:
        return FineTuneSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "string_pattern_mismatch" and name == "name":
            raise InputError(
                f"'{values[name]}' cannot be the name of a model; use letters, digits, '.', '_' "
                "and '-'."
            ) from error
        reason = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"The setting {name}={values.get(name)!r} is wrong: {reason}.") from error


def run_folder(name: str) -> Path:
    """Return the folder for the state of an unfinished model, within the models folder."""
    return models_folder() / UNFINISHED / name


def read_settings(path: Path) -> dict[str, object]:
    """Read values of the settings from a YAML file.

    Raises
    ------
    InputError
        If the file is missing or not a valid YAML file of settings.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"The settings {path} cannot be read; give a YAML file.") from error
    if not isinstance(values, dict):
        raise InputError(f"The settings {path} hold no names and values, such as 'minutes: 10'.")
    return values


def parse_noise(text: str) -> NoiseByHand:
    """Parse a noise description such as ``2.1,100,3``: gain, offset and read noise.

    Raises
    ------
    InputError
        If the text does not consist of one to three numbers.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
        return NoiseByHand(**dict(zip(("gain", "offset", "read_noise"), numbers, strict=False)))
    except (ValueError, ValidationError) as error:
        raise InputError(
            f"The noise '{text}' is wrong; give gain, offset and read noise such as 2.1,100,3."
        ) from error
