"""LPAPS: how unlike two mels look to a network that tells sounds apart.

Source: SpecVQGAN (Iashin and Rahtu 2021, section 3.1); the network is a VGG16 without its last
pooling, trained on mels of VGGSound ("VGGish-ish").
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import FoleyError
from ..weights.fill import fill
from ..weights.load import read_weights
from .genex_shards import ShardRows, some_rows

_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_PREFIX = "features."
_EPS = 1e-10


class LPAPS(nn.Module):
    """Squared distances of the features' directions behind each of five levels: the sum over
    channels, the mean over places and levels.

    The published network weighs channels by numbers that its file does not hold; here all count
    the same. mean, deviation: `[bands]` of the mels as they are given.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean[:, None])
        self.register_buffer("deviation", deviation.clamp_min(1e-3)[:, None])
        layers: list[nn.Module] = []
        self.ends, inputs = [], 1
        for level in _WIDTHS:
            for width in level:
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
                inputs = width
            self.ends.append(len(layers))
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])

    @classmethod
    def load(cls, path: Path, mean: Tensor, deviation: Tensor) -> LPAPS:
        """With the weights of the public file (vggishish16.pt), which stay as they are.

        Raises:
            FoleyError: the file cannot be read, or is not of this network.
        """
        made = cls(mean, deviation)
        stored = read_weights(path, keep=lambda key: key.startswith(_PREFIX))
        if not stored:
            raise FoleyError(
                f"{path.name} is no VGG16 of mels; 'perceptual' names SpecVQGAN's vggishish16.pt."
            )
        fill(made.features, {k.removeprefix(_PREFIX): v for k, v in stored.items()}, path)
        return made.eval()

    def forward(self, made: Tensor, truth: Tensor) -> Tensor:
        """The distance, without dimensions, of pictures `[B, 1, bands, N]`."""
        distances = []
        for one, other in zip(self._levels(made), self._levels(truth), strict=True):
            distances.append((one - other).square().sum(1).mean())
        return torch.stack(distances).mean()

    def _levels(self, picture: Tensor) -> list[Tensor]:
        x, found = (picture - self.mean) / self.deviation, []
        for number, layer in enumerate(self.features, 1):
            x = layer(x)
            if number in self.ends:
                found.append(x / (x.norm(dim=1, keepdim=True) + _EPS))
        return found


def band_statistics(sets: Sequence[ShardRows]) -> tuple[Tensor, Tensor]:
    """Mean and deviation `[bands]` of the mels `mel` of some rows, evenly spread."""
    total = squares = torch.zeros(())
    count = 0
    for rows, one in some_rows(sets):
        mel = rows.read(one, "mel")[0].double()
        count += mel.shape[1]
        total, squares = total + mel.sum(1), squares + mel.square().sum(1)
    mean = total / count
    return mean.float(), (squares / count - mean.square()).clamp_min(0).sqrt().float()
