"""Settings of an optimisation: optimiser, schedule, loss and precision."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from napari_clip_denoise.training.data.settings import Settings, Weight


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
