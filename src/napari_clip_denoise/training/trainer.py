"""The training loop, shared by pretraining and fine-tuning."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_clip_denoise.training.optim import learning_rate, make_optimiser
from napari_clip_denoise.training.optimisation import Optimisation
from napari_clip_denoise.training.prefetch import prefetch

Batch = TypeVar("Batch")
FORMER_NAMES = {"denoiser": "weights", "optimizer": "optimiser"}


@dataclass(frozen=True)
class Step(Generic[Batch]):
    """A finished training step.

    Attributes
    ----------
    done : int
        Number of finished steps.
    loss : Tensor
        Training loss of the step, a scalar.
    rate : float
        Its learning rate.
    batch
        Its batch.
    """

    done: int
    loss: Tensor
    rate: float
    batch: Batch


class Trainer(Generic[Batch]):
    """A network in training, with its optimiser and the running average of its weights.

    Parameters
    ----------
    fabric : Fabric
        Devices and precision.
    network : nn.Module
        The network; parameters that require a gradient are trained.
    part : nn.Module
        The network or a part of it that contains all trained parameters; its weights are averaged
        and stored in the state.
    settings : Optimisation
        Optimiser, schedule and running average.
    seed : int
        Seed of everything random within the network.
    refuse_nonfinite : bool
        Whether a gradient that is not finite raises an error.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        part: nn.Module,
        settings: Optimisation,
        *,
        seed: int,
        refuse_nonfinite: bool = True,
    ):
        self.fabric, self.part, self.settings, self.seed = fabric, part, settings, seed
        self.refuse_nonfinite = refuse_nonfinite
        network.to(memory_format=torch.channels_last).train()
        self.network, self.optimiser = fabric.setup(network, make_optimiser(part, settings))
        self.average = {name: value.detach().clone() for name, value in part.state_dict().items()}
        self.done = 0

    def state(self) -> dict[str, Any]:
        """Return everything that is needed to continue: step, weights, average and optimiser."""
        return {
            "step": self.done,
            "weights": self.part.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from a state, also one of a former version with other names."""
        state = {FORMER_NAMES.get(name, name): value for name, value in state.items()}
        self.done = state["step"]
        self.part.load_state_dict(state["weights"])
        if state["optimiser"]:
            self.optimiser.load_state_dict(state["optimiser"])
        self.average = {k: v.to(self.fabric.device) for k, v in state["average"].items()}

    def steps(
        self,
        draw: Callable[[int], Batch],
        loss_of: Callable[[nn.Module, Batch], Tensor],
        position: Callable[[int], int | None],
    ) -> Generator[Step[Batch]]:
        """Train, and hand out each step when it is finished.

        Parameters
        ----------
        draw : callable
            Returns the batch of a step; called in a thread, one step ahead.
        loss_of : callable
            Returns the loss of the network on a batch.
        position : callable
            Returns the position of a step in the schedule of the learning rate; None ends the
            training.

        Yields
        ------
        Step
            The finished step.
        """
        fabric, settings = self.fabric, self.settings
        with closing(prefetch(draw, self.done)) as batches:
            for step, batch in batches:
                where = position(step)
                if where is None:
                    return
                torch.manual_seed((self.seed << 32) + step * fabric.world_size + fabric.global_rank)
                rate = learning_rate(where, settings)
                for group in self.optimiser.param_groups:
                    group["lr"] = rate
                loss = loss_of(self.network, batch)
                self.optimiser.zero_grad(set_to_none=True)
                fabric.backward(loss)
                fabric.clip_gradients(
                    self.network,
                    self.optimiser,
                    max_norm=settings.gradient_clip,
                    error_if_nonfinite=self.refuse_nonfinite,
                )
                self.optimiser.step()
                decay = decay_of(step, settings.average_decay)
                update_average(self.average, self.part.state_dict(), decay)
                self.done = step + 1
                yield Step(self.done, loss.detach(), rate, batch)


def decay_of(step: int, decay: float) -> float:
    """Return the decay of a running average at a step; it is lower at first."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: dict[str, Tensor], weights: dict[str, Tensor], decay: float) -> None:
    """Update a running average of weights in place.

    Parameters
    ----------
    average : dict
        Running average by name, changed in place.
    weights : dict
        Current weights by name.
    decay : float
        Weight of the old average, from 0 to 1.
    """
    for name, value in weights.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
