"""Settings of a fine-tuning, shared by napari, the command line and the library."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY, Intensity
from napari_clip_denoise.models.folder import DEFAULT_MODEL, models_folder
from napari_clip_denoise.training.pretrain.recipe import Optimisation

ObjectiveName = Literal[
    "auto",
    "supervised",
    "noise2noise",
    "refinement",
    "noise2void",
    "neighbor2neighbor",
    "synthetic",
]
Share = Annotated[float, Field(ge=0, le=1)]
SCHEDULE_TICKS = 1000
DEFAULT_MINUTES = 15.0
UNFINISHED = ".unfinished"


class NoiseByHand(BaseModel):
    """Noise for the objective ``synthetic``, on the raw scale of the clean images.

    Attributes
    ----------
    gain : float
        Raw units a photon.
    offset : float
        Raw value without light.
    read_noise : float
        Standard deviation of the read noise in raw units.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: Annotated[float, Field(ge=0)]
    offset: float = 0.0
    read_noise: Annotated[float, Field(ge=0)] = 0.0


class FineTuneSettings(BaseModel):
    """All that decides a fine-tuning, but for the images.

    Attributes
    ----------
    name : str
        Name of the new model.
    model : str
        The model to begin with: a name in the registry, or the path of a model file.
    objective : str
        How a training target is made, see `napari_clip_denoise.training.finetune.objectives`;
        ``"auto"`` chooses by what is given and by the noise.
    repeat_axis : str or None
        Axis along which the same field was taken again and again, such as ``"t"``.
    noise : NoiseByHand or None
        For ``synthetic``; without it the noise is estimated from noisy images.
    extent : (int, int) or None
        For ``noise2void``: how many pixels correlated noise reaches down and across; None
        measures it.
    intensity : str or (float, float)
        How raw values map to the network's scale; use the same when you denoise.
    minutes : float or None
        Time for training, from its first step on; 15 if steps are not given either.
    steps : int or None
        Steps of training; a training by steps alone is the same whenever it is repeated.
    batch, patch : int
        Patches in a step, and their side in pixels, a multiple of 32.
    learning_rate, final_learning_rate, warm_up : float
        The rate at its highest, by default the objective's, and at the end, and the share of the
        training in which it rises.
    weight_decay, gradient_clip, average_decay : float
        See `Optimisation`.
    augmentation_level : float or None
        How much features are disturbed, see `Denoiser`; by default as suits the objective.
    mixup : float
        Share of the batches whose patches are mixed in pairs, where the objective allows it.
    held_out : int
        Patches that are never trained on, by which the model is judged.
    judge_every : int
        Steps between two judgements; the state is kept as often.
    patience : int
        Judgements without a better result after which training ends.
    seed : int
        The same seed and images give the same patches.
    device, devices, precision :
        As in `napari_clip_denoise.training.pretrain.fit.train`; precision is that of convolutions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "fine-tuned"
    model: str = DEFAULT_MODEL
    objective: ObjectiveName = "auto"
    repeat_axis: Annotated[str, Field(pattern=r"^[a-z]$")] | None = None
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
    warm_up: Share = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    average_decay: Share = 0.999
    augmentation_level: Annotated[float, Field(ge=0)] | None = None
    mixup: Share = 0.25
    held_out: Annotated[int, Field(gt=0)] = 64
    judge_every: Annotated[int, Field(gt=0)] = 100
    patience: Annotated[int, Field(gt=0)] = 20
    seed: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Field(gt=0)] = 1
    precision: Literal["bfloat16", "float32"] = "float32"

    @model_validator(mode="before")
    @classmethod
    def _ends(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("minutes") is None and values.get("steps") is None:
            return values | {"minutes": DEFAULT_MINUTES}
        return values

    def optimisation(self, objective_rate: float) -> Optimisation:
        """The same for the optimiser, with the whole training as `SCHEDULE_TICKS` steps."""
        return Optimisation(
            optimiser="adamw",
            steps=SCHEDULE_TICKS,
            schedule="cosine",
            batch=self.batch,
            learning_rate=self.learning_rate or objective_rate,
            final_learning_rate=self.final_learning_rate,
            warm_up=round(self.warm_up * SCHEDULE_TICKS),
            weight_decay=self.weight_decay,
            train_encoder=False,
        )


def make_fine_tune_settings(**values: object) -> FineTuneSettings:
    """Check settings and put them together.

    Raises
    ------
    InputError
        With one sentence on the first setting that is wrong.
    """
    try:
        return FineTuneSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"][0].lower() + first["msg"][1:]
        name = str(first["loc"][0])
        raise InputError(f"The setting {name}={values.get(name)!r} is wrong: {reason}.") from error


def run_folder(name: str) -> Path:
    """Where the state of an unfinished model of this name is kept: in the models folder."""
    return models_folder() / UNFINISHED / name


def read_settings(path: Path) -> dict[str, object]:
    """Read values of the settings from a YAML file.

    Raises
    ------
    InputError
        If it is missing or no such file.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"The settings {path} cannot be read; give a YAML file.") from error
    if not isinstance(values, dict):
        raise InputError(f"The settings {path} hold no names and values, such as 'minutes: 10'.")
    return values


def parse_noise(text: str) -> NoiseByHand:
    """Read noise such as ``2.1,100,3``: gain, offset and read noise.

    Raises
    ------
    InputError
        If these are not up to three numbers.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
        return NoiseByHand(**dict(zip(("gain", "offset", "read_noise"), numbers, strict=False)))
    except (ValueError, ValidationError) as error:
        raise InputError(
            f"The noise '{text}' is wrong; give gain, offset and read noise such as 2.1,100,3."
        ) from error
