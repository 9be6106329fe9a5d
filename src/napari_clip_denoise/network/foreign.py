"""A network of another author, made to look like one of ours."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.network.config import ForeignConfig, Step

AXES = "ncyx"


class ForeignNetwork(nn.Module):
    """A network that is run by another library, in the layout and on the scale of ours.

    It runs in float32, also under autocast, because nobody has seen it run otherwise.

    Parameters
    ----------
    config : ForeignConfig
        Layout of its tensors, and the calculations before and after it.
    call : callable
        Runs it on a tensor in its own layout, float32, on the device that it was loaded for.
    """

    def __init__(self, config: ForeignConfig, call: Callable[[Tensor], Tensor]):
        super().__init__()
        self.config = config
        self._call = call

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise a batch (N, channels, H, W), and return one of the same shape.

        Raises
        ------
        ModelError
            If the output has not the shape that the network's description announces.
        """
        with torch.autocast(noisy.device.type, enabled=False):
            given = noisy.float()
            for step in self.config.before:
                given = apply(step, given)
            given = _with_border(given, self.config.border)
            if self.config.one_by_one or "n" not in self.config.input_axes:
                result = torch.cat([self._run(image) for image in given.split(1)])
            else:
                result = self._run(given)
            if result.shape != noisy.shape:
                expected, found = (
                    " x ".join(map(str, shape)) for shape in (noisy.shape, result.shape)
                )
                raise ModelError(
                    f"The network returns {found} values (images, channels, rows, columns) where "
                    f"its description announces {expected}; ask its authors for a corrected one."
                )
            for step in self.config.after:
                result = apply(step, result)
            return result

    def _run(self, batch: Tensor) -> Tensor:
        """Run the network on (N, channels, H, W), through its own layout."""
        axes = self.config.input_axes
        missing = [axis for axis in AXES if axis not in axes]
        turned = batch.permute(*(AXES.index(axis) for axis in (*missing, *axes)))
        result = self._call(turned[(0,) * len(missing)].contiguous())
        axes = self.config.output_axes
        for axis in AXES:
            if axis not in axes:
                result, axes = result.unsqueeze(-1), axes + axis
        return result.permute(*(axes.index(axis) for axis in AXES)).float()


def apply(step: Step, values: Tensor) -> Tensor:
    """Return values of any shape after a step."""
    if step.kind == "clip":
        return values.clamp(step.first, step.second)
    if step.kind == "sigmoid":
        return values.sigmoid()
    return values * step.first + step.second


def _with_border(images: Tensor, border: tuple[int, int]) -> Tensor:
    """Mirror images (N, C, H, W) at their edges; where they are too small, repeat the edge."""
    rows, columns = border
    if not any(border):
        return images
    is_wide = rows < images.shape[-2] and columns < images.shape[-1]
    return F.pad(images, (columns, columns, rows, rows), mode="reflect" if is_wide else "replicate")
