"""Vector quantiser of SpecVQGAN: the nearest row of a codebook."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Quantizer(nn.Module):
    """Vectors `[B, C, H, W]` to indices `[B, H, W]` of the nearest of `codes` rows, and back."""

    def __init__(self, codes: int, dim: int, *, operations: Any = nn, **factory: Any) -> None:
        super().__init__()
        self.embedding = operations.Embedding(codes, dim, **factory)

    def nearest(self, vectors: Tensor) -> Tensor:
        """Index of the row at the smallest squared distance."""
        rows = vectors.movedim(1, -1).float()
        table = self.embedding.weight.float()
        # |v|^2 is the same for every row and left out.
        distances = table.square().sum(1) - 2 * rows @ table.T
        return distances.argmin(-1)

    def vectors(self, indices: Tensor) -> Tensor:
        """The rows at `indices`."""
        return self.embedding(indices).movedim(-1, 1)
