"""From the name of a system, or a file of one's own, to a system that can make takes."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .catalog import SYSTEMS, SystemSpec, system_of_file
from .encoders.cache import cache_of, file_fingerprint
from .errors import FoleyError
from .generators.packed import can_pack
from .parts import Files, GeneratorPart, advice_for, read_checkpoint, recognised
from .precision import compute_dtype
from .recognition import detect
from .stores import Resident, Staged
from .system import System
from .threads import wait_briefly
from .weights.fill import fill
from .weights.quantize import quantize_fp8
from .weights.store import Folders, find

log = logging.getLogger(__name__)

# In most families smaller networks gain less by being repacked than it costs.
LEAST_PACKED = 50e6


@dataclass(frozen=True)
class Loading:
    """How a system is loaded.

    files: weights of one's own instead of those that are found, by role. precision: see
    `precision`. keep: parts stay in memory between takes instead of being freed after use.
    compile: the network is compiled by torch, which pays off from the second take on.
    feature_cache: folder where features of videos and words are kept for the next time; None is the
    one that FOLEYSTAGE_CACHE names, if any.
    """

    files: Files = field(default_factory=dict)
    precision: str = "auto"
    keep: bool = False
    compile: bool = False
    feature_cache: Path | None = None


def load_model(
    name: str,
    device: str | torch.device = "cpu",
    loading: Loading = Loading(),  # noqa: B008 - frozen
    folders: Folders | None = None,
) -> System:
    """A system by its name in the catalogue, or of a generator's weights file of one's own.

    Its files are found and checked now, and read when they are used.

    Raises:
        FoleyError: no such system; weights are missing (their source, their licence, how to get
            them), damaged or of another system; a precision that the device does not have.
    """
    wait_briefly(device)
    given = {role: Path(path) for role, path in loading.files.items()}
    own = Path(name)
    if name in SYSTEMS:
        row = SYSTEMS[name]
    elif own.suffix and own.is_file():
        row = system_of_file(own)
        given = {row.generator.own: own, **given}
        name = own.stem
    else:
        raise FoleyError(f"There is no model '{name}'; choose one of: {', '.join(SYSTEMS)}.")
    row, files = find_files(row, given, folders)
    if loading.compile and (row.bundled or not row.generator.checkpoint.compiles):
        raise FoleyError(f"{name} gains nothing from compiling; leave it away.")
    if row.bundled and loading.precision not in ("auto", "float32"):
        raise FoleyError(f"{name} is small and comes in float32; leave the precision away.")
    dtype = compute_dtype(loading.precision, device)
    made: dict[str, Any] = {"dtype": dtype, "device": device}
    paths = row.generator.paths(files)
    network = partial(load_network, row.generator, *paths, loading=loading, **made)
    loaders: dict[str, Any] = {"generator": network}
    held = {"generator": paths}
    for part in row.parts().values():
        made_of = part.loaders(files, **made)
        loaders.update(made_of)
        for role in made_of:
            # An encoder of one stream has a file of its own, a codec has all of them.
            alone = role in part.files and role != "codec"
            held[role] = tuple(files[name] for name in ((role,) if alone else part.files))
    logged = {role: partial(_logged, name, role, load) for role, load in loaders.items()}

    # When it is asked for: a large file takes a second.
    @functools.cache
    def name_of(role: str) -> str:
        return " ".join([*map(file_fingerprint, held[role]), str(dtype), str(device)])

    kind = Resident if loading.keep or row.bundled else Staged
    cache = None if row.bundled else cache_of(loading.feature_cache)
    return System(name, row, kind(logged, device, name_of), cache)


def find_files(
    row: SystemSpec, given: Files, folders: Folders | None
) -> tuple[SystemSpec, dict[str, Path]]:
    """The row for the generator that is found, and the path of every file of it, by role; `given`
    ones instead of those found.

    Raises:
        FoleyError: a file is missing, damaged, of another system or another kind.
    """
    files = row.files
    for role in given:
        if role not in files:
            raise FoleyError(f"There is no part '{role}'; name one of: {', '.join(files)}.")
    wanted = [name for role, name in files.items() if role not in given and isinstance(name, str)]
    missing = list(dict.fromkeys(name for name in wanted if find(name, folders) is None))
    if len(missing) > 1:
        raise FoleyError(
            f"{len(missing)} of the {len(files)} weights files of {row.name} are not on this "
            f"machine: {advice_for(missing, folders)}."
        )
    paths = row.generator.paths(row.generator.locate(folders, given))
    row = _fitting(row, paths, folders)
    found: dict[str, Path] = {}
    for part in row.parts().values():
        found |= part.locate(folders, given)
    for role, family in row.families.items():
        is_of = detect(found[role])
        if is_of is None or is_of.name != family.name or family.variant not in ("", is_of.variant):
            registered = row.files[role]
            raise FoleyError(
                f"{found[role].name} is {is_of or 'something else'}, not {family}: use "
                f"{registered} instead; where it is not here, "
                f"{advice_for([str(registered)], folders)}."
            )
    return row, found


def _fitting(row: SystemSpec, paths: Sequence[Path], folders: Folders | None) -> SystemSpec:
    """The row for a generator's files; FoleyError when one is of another family."""
    checkpoint = row.generator.checkpoint
    if recognised(checkpoint, *paths) is not None:
        return row.of_file(*paths)
    # One that is known by itself is not the one that is wrong.
    wrong = 1 if len(paths) > 1 and recognised(checkpoint, paths[0]) is not None else 0
    path, own = paths[wrong], row.generator.registered[wrong : wrong + 1]
    other = system_of_file(path)
    raise FoleyError(
        f"{path.name} is a network of {other.generator.checkpoint.title}, not of "
        f"{checkpoint.title}: choose the model {other.name} for it"
        + (f", or for {row.name} {advice_for(own, folders)}." if own else ".")
    )


def _logged(name: str, role: str, load: Callable[[], nn.Module]) -> nn.Module:
    log.info("Loading %s of %s.", role, name)
    return load().requires_grad_(False)


def load_network(
    part: GeneratorPart,
    *paths: Path,
    loading: Loading = Loading(),  # noqa: B008 - frozen
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> nn.Module:
    """The network of its files, its own first, ready for inference as this machine and the artist's
    precision want it.

    Raises:
        FoleyError: weights are missing or unknown, or the file cannot be read.
    """
    network: nn.Module = part.build(device="meta")
    fill(network, read_checkpoint(part.checkpoint, *paths, dtype=dtype, device=device), paths[0])
    pack = part.checkpoint.pack
    if loading.precision == "fp8":
        for module in network.quantizable():
            quantize_fp8(module)
    if loading.compile:
        network.compile(dynamic=True)
    elif loading.precision != "fp8" and pack is not None and can_pack(dtype, device):
        if sum(value.numel() for value in network.parameters()) >= least_packed(part):
            network = pack(network)
    return network


def least_packed(part: GeneratorPart) -> float:
    """Parameters of a network from which it pays to repack it."""
    own = part.checkpoint.least_packed
    return LEAST_PACKED if own is None else own


def pick_device(name: str) -> str:
    """`auto`, `cpu` or `cuda` to a device that is there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise FoleyError("This machine has no usable CUDA device; use --device cpu or auto.")
    return name
