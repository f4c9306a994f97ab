"""The five files of a model of the MMAudio family: found, or given, and checked to fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import FoleyError
from .generators import ACFoley
from .generators.mmaudio_files import Plan, plan_of
from .weights.advice import download_advice
from .weights.detect import Family, detect
from .weights.registry import entry
from .weights.store import Folders, find, locate

# Parts beside the generator, their families and what they are called; `{rate}` is 16k or 44k.
_PARTS = {
    "clip": ("dfn5b_clip", "clip", "the encoder of pictures and words"),
    "sync": ("synchformer", "synchformer", "the encoder of motion"),
    "vae": ("mmaudio_vae_{rate}", "mmaudio_vae", "the autoencoder of {rate} sound"),
    "vocoder": ("bigvgan_{rate}", "bigvgan", "the vocoder of {rate} sound"),
}
PARTS = ("generator", *_PARTS)


@dataclass(frozen=True)
class Files:
    """A path for each of PARTS, and the network that the generator's file holds."""

    paths: Mapping[str, Path]
    plan: Plan

    def __getitem__(self, part: str) -> Path:
        return self.paths[part]

    @property
    def rate(self) -> str:
        """The codec's rate as names have it: 16k or 44k."""
        return rate_of(self.plan)

    @property
    def takes_reference(self) -> bool:
        """Whether the network listens to a reference sound."""
        return self.plan.kind is ACFoley


def rate_of(plan: Plan) -> str:
    """16k or 44k."""
    return plan.config.codec.rsplit("-", 1)[1]


def find_files(
    name: str, given: Mapping[str, Path] | None = None, folders: Folders | None = None
) -> Files:
    """The files of a model of the registry; `given` ones, by part, instead of those found.

    name "": whatever network the given generator's file holds.

    Raises:
        FoleyError: a file is missing (its source, its licence, how to get it), damaged, or of
            another model or rate.
    """
    given = {part: Path(path) for part, path in (given or {}).items()}
    for part in given:
        if part not in PARTS:
            raise FoleyError(f"There is no part '{part}'; name one of: {', '.join(PARTS)}.")
    if "generator" not in given:
        _refuse_many_missing(name, given, folders)
    generator = given.get("generator") or locate(name, folders)
    plan = check_generator(generator, name)
    rate = rate_of(plan)
    paths = {"generator": generator}
    for part, (registered, family, what) in _PARTS.items():
        registered, what = registered.format(rate=rate), what.format(rate=rate)
        paths[part] = given.get(part) or locate(registered, folders)
        _check_part(paths[part], Family(family, rate), what, registered)
    return Files(paths, plan)


def _refuse_many_missing(name: str, given: Mapping[str, Path], folders: Folders | None) -> None:
    """One sentence with every download that is needed, where more than one file is missing."""
    rate = "16k" if name.endswith("16k") else "44k"
    needed = [name]
    needed += [row.format(rate=rate) for part, (row, *_) in _PARTS.items() if part not in given]
    missing = [row for row in needed if find(row, folders) is None]
    if len(missing) > 1:
        raise FoleyError(
            f"{len(missing)} of the {len(PARTS)} weights files of {name} are not on this machine: "
            f"{_advice(missing, folders)}."
        )


def check_generator(path: Path, name: str) -> Plan:
    """What network a file holds; FoleyError when it is not that of the model `name`."""
    plan = plan_of(path)
    is_ac_foley = plan.kind is ACFoley
    if name and is_ac_foley != (name == "ac_foley"):
        own, other = ("AC-Foley", "MMAudio") if is_ac_foley else ("MMAudio", "AC-Foley")
        found = detect(path)
        fitting = "ac_foley" if is_ac_foley else f"mmaudio_{found.variant if found else ''}"
        raise FoleyError(
            f"{path.name} is a network of {own}, not of {other}: choose the model "
            f"{fitting.rstrip('_')} for it, or for {name} {_advice([name], None)}."
        )
    return plan


def _check_part(path: Path, wanted: Family, what: str, registered: str) -> None:
    found = detect(path)
    fits = found is not None and found.name == wanted.name
    if found is not None and fits and wanted.name in ("mmaudio_vae", "bigvgan"):
        fits = found.variant == wanted.variant
    if not fits:
        raise FoleyError(
            f"{path.name} is not {what} but {found or 'something else'}: use {registered} "
            f"instead; where it is not here, {_advice([registered], None)}."
        )


def _advice(names: list[str], folders: Folders | None) -> str:
    advice = download_advice(names, in_comfyui=folders is not None)
    return advice or f"get {', '.join(str(entry(name).source) for name in names)}"
