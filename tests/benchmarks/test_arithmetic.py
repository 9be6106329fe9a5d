import math

import torch
from torch import nn

from benchmarks.arithmetic import flops_per_plane, matmul_rate


def test_operations_are_those_of_the_convolutions(tiny):
    counted = []

    def count(convolution, inputs, output):
        a_value = math.prod(convolution.kernel_size) * convolution.in_channels
        counted.append(2 * a_value * output.numel())

    convolutions = [m for m in tiny.denoiser.modules() if isinstance(m, nn.Conv2d)]
    hooks = [one.register_forward_hook(count) for one in convolutions]
    with torch.inference_mode():
        tiny.denoiser(torch.rand(1, 1, 64, 64))
    for hook in hooks:
        hook.remove()
    assert flops_per_plane(tiny, 64) == sum(counted) > 0
    assert next(tiny.denoiser.parameters()).device.type == "cpu"


def test_a_rate_is_measured():
    assert matmul_rate(torch.device("cpu"), torch.float32, 1, side=512) > 1e6
