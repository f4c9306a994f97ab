"""Layers that several codecs have."""

from __future__ import annotations

import math

from torch import nn

from ..layers import Layers


def upsampler(inputs: int, outputs: int, rate: int, layers: Layers) -> nn.Module:
    """A transposed convolution of kernel 2 * rate: `rate` frames for one."""
    sizes = {"stride": rate, "padding": math.ceil(rate / 2), "output_padding": rate % 2}
    return layers.ConvTranspose1d(inputs, outputs, 2 * rate, **sizes)
