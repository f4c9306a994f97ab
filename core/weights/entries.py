"""What a row of the registry says: where a weights file comes from, and on what terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

Commercial = Literal["yes", "no", "conditional", "unknown"]
COMMERCIAL_WORDS: dict[Commercial, str] = {
    "yes": "commercial use allowed",
    "no": "not for commercial use",
    "conditional": "conditions for commercial use",
    "unknown": "commercial use unclear",
}
GENERIC_NAMES = ("model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors")


@dataclass(frozen=True)
class Licence:
    """On what terms weights may be used.

    name: as their authors call it, or what there is instead of one. spdx: its SPDX identifier,
    None where it has none. conditions: those of commercial use; where no licence is stated, what is
    known of it.
    """

    name: str
    commercial: Commercial
    spdx: str | None = None
    conditions: str = ""

    @property
    def terms(self) -> str:
        """The name with a word on commercial use."""
        return f"{self.name}, {COMMERCIAL_WORDS[self.commercial]}"

    @property
    def sentence(self) -> str:
        """The terms as one sentence."""
        more = f" ({self.conditions})" if self.conditions else ""
        if self.commercial == "unknown":
            return (
                f"No licence is stated for the weights{more}: ask their authors before commercial "
                "use."
            )
        name = self.name if self.spdx else f"their own licence, {self.name}"
        return f"The weights are under {name}: {COMMERCIAL_WORDS[self.commercial]}{more}."


@dataclass(frozen=True)
class Source:
    """Where a file is to be had.

    place: what holds it; file: its path there. bytes: exact size; sha256, md5: as published, blank
    where they are not. also: small files that it needs beside it. how: it gets here.
    """

    how: ClassVar[str] = "download"

    place: str
    file: str
    bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return self.file.rsplit("/", 1)[-1]

    def __str__(self) -> str:
        return self.place


class Hub(Source):
    """A file of a model hub; place: the repository."""

    def __str__(self) -> str:
        return f"huggingface.co/{self.place}"


class Url(Source):
    """A file of a release; place: the address of its folder."""

    def __str__(self) -> str:
        return self.place.removeprefix("https://")


class Manual(Source):
    """A file that only a person can fetch; place: how to find it."""

    how = "by hand"


class Bundled(Source):
    """A file of this package."""

    how = "bundled"


@dataclass(frozen=True)
class Entry:
    """One row. about: size as its source states it; sources: in the order they are tried.

    others: where other packs keep the same weights, as "ComfyUI folder/file".
    """

    name: str
    part: str
    about: str
    licence: Licence
    sources: tuple[Source, ...] = ()
    others: tuple[str, ...] = ()

    def at(self, *sources: Source, others: tuple[str, ...] = ()) -> Entry:
        """This row with where its file is to be had."""
        return replace(self, sources=sources, others=others)

    @property
    def source(self) -> Source:
        """The first place to get it from."""
        return self.sources[0]

    @property
    def file_names(self) -> tuple[str, ...]:
        """Under which the file lies in this pack's folders; safetensors first."""
        bases = [source.name for source in self.sources]
        named = [b if b not in GENERIC_NAMES else f"{self.name}/{b}" for b in bases]
        whole = [f"{self.name}.safetensors", *named, *(f"{self.name}/{b}" for b in bases)]
        return tuple(dict.fromkeys(sorted(whole, key=lambda n: not n.endswith(".safetensors"))))
