"""Checkpoints of FoleyGenEx: shapes say the network, the file's metadata what shapes cannot."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ..weights.families import Shapes, sized
from ..weights.schema import Hertz
from .base import CheckpointSpec
from .figures import Known, read_figures, write_figures
from .foleygenex import SAID, FoleyGenEx, FoleyGenExConfig, InputEmbedding, Nulls, Order
from .mmaudio_checkpoint import SHARED, plain
from .mmaudio_checkpoint import recognise as recognise_base
from .packed import MMAUDIO_KINDS, Kinds, pack

_OWN = ("input_embed.", "place_cond.")
RECORDED: Known = {
    "nulls": Nulls,
    "order": Order,
    "codec": str,
    "sample_rate": Hertz,
    "samples_per_latent": Hertz,
}
_CONVOLUTION = "input_embed.conv_pos_embed.conv1d.0.weight"
_PLACES = "place_cond.in_proj.weight"


def recognise(shapes: Shapes, about: Mapping[str, str]) -> FoleyGenExConfig | None:
    """The config of a file's network, None for any other file."""
    shapes = {plain(key): shape for key, shape in shapes.items()}
    base = {key: shape for key, shape in shapes.items() if not key.startswith(_OWN)}
    ranks = {_CONVOLUTION: 3, **({_PLACES: 2} if _PLACES in shapes else {})}
    config, found = recognise_base(base, about, reference=False), sized(shapes, ranks)
    if config is None or found is None:
        return None
    width, group = found[_CONVOLUTION][:2]
    own = {"most_groups": max(width // group, 1), "places": found.get(_PLACES, (0,))[0] // SAID}
    return FoleyGenExConfig.of(config, **own, **read_figures(about, RECORDED, FoleyGenEx.__name__))


def record(config: FoleyGenExConfig) -> dict[str, str]:
    """What a file's metadata has to say of its network."""
    return write_figures(config, RECORDED)


# Its input embedding takes its weights apart, and has a convolution in groups: it stays.
_KINDS: Kinds = {InputEmbedding: lambda layer: layer, **MMAUDIO_KINDS}
FOLEYGENEX_CHECKPOINT = CheckpointSpec(
    "foleygenex",
    "FoleyGenEx",
    recognise,
    FoleyGenEx,
    **{**SHARED, "pack": partial(pack, kinds=_KINDS)},
)
