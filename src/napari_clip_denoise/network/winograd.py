"""Wide 3x3 convolutions with fewer multiplications, for the CPU.

Winograd's minimal filtering F(4x4, 3x3) makes sixteen outputs of thirty-six products instead of
144 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016). The
transforms cost memory traffic, so it pays only where there are many channels, and in bands: of
fewer bytes, the products of the weights would be read too often, of more, the tiles would leave
the cache. Measured where it is used, a convolution takes 0.45 to 0.9 of the direct one's time.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

MIN_CHANNELS = 128
MIN_WEIGHTS = 256 * 256
"""Input channels times output channels."""
BAND_BYTES = 2**24
OUT = 4
"""Side of a tile of the output."""
IN = OUT + 2
Tensors = Tensor | Sequence[Tensor]
_FILTER = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)


class WinogradConv2d(nn.Module):
    """A 3x3 convolution with stride 1 and zero padding 1, equal to `conv` up to rounding.

    Parameters
    ----------
    conv : torch.nn.Conv2d
        Whose weights are taken; `is_worthwhile` holds for it.
    """

    products: Tensor
    bias: Tensor | None

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.out_channels = conv.out_channels
        transform = torch.tensor(_FILTER, dtype=torch.float64)
        weight = conv.weight.double()
        products = torch.einsum("ai,ocij,bj->abco", transform, weight, transform)
        products = products.reshape(IN * IN, conv.in_channels, conv.out_channels)
        self.register_buffer("products", products.to(conv.weight.dtype).contiguous())
        self.register_buffer("bias", conv.bias)

    @staticmethod
    def is_worthwhile(conv: nn.Module) -> bool:
        """Whether a module is a convolution that this one can replace and speed up."""
        return (
            isinstance(conv, nn.Conv2d)
            and conv.kernel_size == (3, 3)
            and conv.stride == (1, 1)
            and conv.padding == (1, 1)
            and conv.groups == 1
            and min(conv.in_channels, conv.out_channels) >= MIN_CHANNELS
            and conv.in_channels * conv.out_channels >= MIN_WEIGHTS
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H, W)."""
        n, channels, height, width = x.shape
        rows, columns = -(-height // OUT), -(-width // OUT)
        right, below = OUT * columns - width, OUT * rows - height
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1 + right, 1, 1 + below))
        out = x.new_empty(n, rows, OUT, columns, OUT, self.out_channels)
        widest = max(channels, self.out_channels)
        step = max(1, BAND_BYTES // (IN * IN * n * columns * widest * x.element_size()))
        memory = _Memory(x)
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            band = padded[:, OUT * start : OUT * stop + 2]
            self._convolve(band, out[:, start:stop], memory)
        if self.bias is not None:
            out += self.bias
        return out.view(n, OUT * rows, OUT * columns, -1)[:, :height, :width].permute(0, 3, 1, 2)

    def _convolve(self, padded: Tensor, out: Tensor, memory: "_Memory") -> None:
        """Convolve a band (N, 4 H + 2, 4 W + 2, in) into (N, H, 4, W, 4, out)."""
        n, rows, _, columns, _, n_out = out.shape
        *_, width, channels = padded.shape
        down = memory.lend("down", (IN, n, rows, width, channels))
        _input_transform([padded[:, i : i + OUT * rows : OUT] for i in range(IN)], down, memory)
        tiles = memory.lend("tiles", (IN, IN, n, rows, columns, channels))
        for part, across in zip(down, tiles, strict=True):
            parts = [part[:, :, j : j + OUT * columns : OUT] for j in range(IN)]
            _input_transform(parts, across, memory)
        sums = memory.lend("sums", (IN * IN, n * rows * columns, n_out))
        torch.bmm(tiles.view(IN * IN, -1, channels), self.products, out=sums)
        sums = sums.view(IN, IN, n, rows, columns, n_out)
        up = memory.lend("up", (OUT, IN, n, rows, columns, n_out))
        _output_transform(sums, up, memory)
        for i, part in enumerate(up):
            _output_transform(part, [out[:, :, i, :, j] for j in range(OUT)], memory)


class _Memory:
    """Arrays that the bands of an image use again: fresh pages cost more than the sums."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._lent: dict[str, Tensor] = {}

    def lend(self, name: str, shape: tuple[int, ...]) -> Tensor:
        size = math.prod(shape)
        if name not in self._lent or self._lent[name].numel() < size:
            self._lent[name] = self._like.new_empty(size)
        return self._lent[name][:size].view(shape)


def _input_transform(d: Tensors, out: Tensors, memory: _Memory) -> None:
    even, odd = (memory.lend(name, d[0].shape) for name in ("even", "odd"))
    torch.sub(d[4], d[2], alpha=4, out=even)
    torch.sub(d[3], d[1], alpha=4, out=odd)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.sub(d[4], d[2], out=even)
    torch.sub(d[3], d[1], out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    torch.sub(d[4], d[2], alpha=5, out=out[0]).add_(d[0], alpha=4)
    torch.sub(d[5], d[3], alpha=5, out=out[5]).add_(d[1], alpha=4)


def _output_transform(m: Tensors, out: Tensors, memory: _Memory) -> None:
    near, far = (memory.lend(name, m[0].shape) for name in ("near", "far"))
    torch.add(m[1], m[2], out=near)
    torch.add(m[3], m[4], out=far)
    torch.add(near, far, out=out[0]).add_(m[0])
    torch.add(near, far, alpha=4, out=out[2])
    torch.sub(m[1], m[2], out=near)
    torch.sub(m[3], m[4], out=far)
    torch.add(near, far, alpha=2, out=out[1])
    torch.add(near, far, alpha=8, out=out[3]).add_(m[5])
