"""From the name of a system, or a file of one's own, to a system that can make takes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .catalog import CODECS, SYSTEMS, TEXT_ENCODERS, VIDEO_ENCODERS, SystemSpec, system_of_file
from .encoders.cache import cache_of, file_fingerprint
from .errors import FoleyError
from .generators.packed import can_pack
from .parts import Files, advice_for, load_generator, recognised
from .precision import compute_dtype
from .recognition import detect
from .stores import Resident, Staged
from .system import System
from .threads import wait_briefly
from .weights.quantize import quantize_fp8
from .weights.store import Folders, find

log = logging.getLogger(__name__)

# Smaller networks gain less by being repacked than it costs.
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
        row, given = system_of_file(own), {"generator": own, **given}
        name = own.stem
    else:
        raise FoleyError(f"There is no model '{name}'; choose one of: {', '.join(SYSTEMS)}.")
    files = find_files(row, given, folders)
    row = row.of_file(files["generator"])
    if loading.compile and (row.bundled or not row.generator.checkpoint.compiles):
        raise FoleyError(f"{name} gains nothing from compiling; leave it away.")
    if row.bundled and loading.precision not in ("auto", "float32"):
        raise FoleyError(f"{name} is small and comes in float32; leave the precision away.")
    dtype = compute_dtype(loading.precision, device)
    loaders = _loaders(name, row, files, dtype, device, loading)
    names = {role: f"{file_fingerprint(path)} {dtype} {device}" for role, path in files.items()}
    if row.text:
        names["text"] = names[next(iter(TEXT_ENCODERS[row.text].files))]
    kind = Resident if loading.keep or row.bundled else Staged
    cache = None if row.bundled else cache_of(loading.feature_cache)
    return System(name, row, kind(loaders, device, names), cache)


def find_files(
    row: SystemSpec, given: Files | None = None, folders: Folders | None = None
) -> dict[str, Path]:
    """The path of every file of a system, by role; `given` ones instead of those found.

    Raises:
        FoleyError: a file is missing, damaged, of another system or another kind.
    """
    given = given or {}
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
    generator = row.generator.locate(folders, given)["generator"]
    row = _fitting(row, generator, folders)
    found = {}
    for part in row.parts().values():
        found.update(part.locate(folders, given))
    for role, family in row.families.items():
        is_of = detect(found[role])
        fits = is_of is not None and is_of.name == family.name
        if not fits or (family.variant and is_of and is_of.variant != family.variant):
            registered = row.files[role]
            raise FoleyError(
                f"{found[role].name} is {is_of or 'something else'}, not {family}: use "
                f"{registered} instead; where it is not here, "
                f"{advice_for([str(registered)], folders)}."
            )
    return found


def _fitting(row: SystemSpec, path: Path, folders: Folders | None) -> SystemSpec:
    """The row for a generator's file; FoleyError when the file is of another family."""
    checkpoint = row.generator.checkpoint
    if recognised(checkpoint, path) is not None:
        return row.of_file(path)
    other = system_of_file(path)
    own = [name for name in (row.files["generator"],) if isinstance(name, str)]
    raise FoleyError(
        f"{path.name} is a network of {other.generator.checkpoint.title}, not of "
        f"{checkpoint.title}: choose the model {other.name} for it"
        + (f", or for {row.name} {advice_for(own, folders)}." if own else ".")
    )


def _loaders(
    name: str,
    row: SystemSpec,
    files: Files,
    dtype: torch.dtype,
    device: str | torch.device,
    loading: Loading,
) -> dict[str, Callable[[], nn.Module]]:
    """What loads each part, by role."""
    made: dict[str, Any] = {"dtype": dtype, "device": device}
    loaders: dict[str, Callable[[], nn.Module]] = {}
    if row.video:
        part = VIDEO_ENCODERS[row.video]
        loaders |= part.loaders({role: files[role] for role in part.files}, **made)
    if row.text:
        text = TEXT_ENCODERS[row.text]
        loaders["text"] = partial(text.load, files[next(iter(text.files))], **made)
    # Sound is made in float32 whatever the network computes in: it costs little.
    codec = CODECS[row.codec]
    own = {role: files[role] for role in codec.files}
    loaders["codec"] = partial(codec.load, own, device=device)
    loaders["decoder"] = partial(codec.load, own, decode_only=True, device=device)
    loaders["generator"] = partial(load_network, row, files["generator"], loading, **made)
    return {role: partial(_logged, name, role, load) for role, load in loaders.items()}


def _logged(name: str, role: str, load: Callable[[], nn.Module]) -> nn.Module:
    log.info("Loading %s of %s.", role, name)
    return load().requires_grad_(False)


def load_network(
    row: SystemSpec,
    path: Path,
    loading: Loading,
    *,
    dtype: torch.dtype,
    device: str | torch.device,
) -> nn.Module:
    """The network as this machine and the artist's precision want it."""
    network = load_generator(row.generator, path, dtype=dtype, device=device)
    pack = row.generator.checkpoint.pack
    if loading.precision == "fp8":
        for module in network.quantizable():
            quantize_fp8(module)
    if loading.compile:
        network.compile(dynamic=True)
    elif loading.precision != "fp8" and pack is not None and can_pack(dtype, device):
        if sum(value.numel() for value in network.parameters()) >= LEAST_PACKED:
            network = pack(network)
    return network


def pick_device(name: str) -> str:
    """`auto`, `cpu` or `cuda` to a device that is there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise FoleyError("This machine has no usable CUDA device; use --device cpu or auto.")
    return name
