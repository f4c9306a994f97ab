"""Oobleck as diffusers names it (AutoencoderOobleck), under the names of the public file."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

PUBLIC = "pretransform.model."
# Parts of a block in the public order.
_BLOCKS = {
    "encoder": ("res_unit1", "res_unit2", "res_unit3", "snake1", "conv1"),
    "decoder": ("snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3"),
}
_UNIT = ("snake1", "conv1", "snake2", "conv2")
# Around the blocks, counted from the first or after the last.
_ENDS = ("conv1", "snake1", "conv2")


def public_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of encoder and decoder. Raises KeyError, of the name, for one that is not known."""
    counts = {half: _count(tensors, half) for half in _BLOCKS}
    made = {}
    for key, value in tensors.items():
        half, *names, leaf = key.split(".")
        # Snakes have one number a channel.
        value = value.flatten() if names[-1:] and names[-1].startswith("snake") else value
        try:
            made[f"{PUBLIC}{half}.{_place(half, names, counts[half])}.{leaf}"] = value
        except (KeyError, ValueError, IndexError):
            raise KeyError(key) from None
    return made


def _place(half: str, names: list[str], blocks: int) -> str:
    """Where a layer stands; ValueError or IndexError for what is no layer."""
    if names[0] != "block":
        (end,) = names
        return f"layers.{_ENDS.index(end) + blocks if end != _ENDS[0] else 0}"
    number, part, *inner = names[1:]
    place = f"layers.{int(number) + 1}.layers.{_BLOCKS[half].index(part)}"
    if part.startswith("res_unit"):
        (layer,) = inner
        return f"{place}.layers.{_UNIT.index(layer)}"
    return place


def _count(tensors: Mapping[str, Tensor], half: str) -> int:
    return len({key.split(".")[2] for key in tensors if key.startswith(f"{half}.block.")})
