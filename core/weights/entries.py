"""What a row of the registry says: where a weights file comes from, and on what terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
class Hub:
    """A file of a model hub repository. bytes: exact size; also: small files it needs beside it."""

    repo: str
    file: str
    revision: str = "main"
    bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"huggingface.co/{self.repo}"


@dataclass(frozen=True)
class Url:
    """A file of a release."""

    url: str
    bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    also: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return self.url.rsplit("/", 1)[1]

    def __str__(self) -> str:
        return self.url.rsplit("/", 1)[0].removeprefix("https://")


@dataclass(frozen=True)
class Manual:
    """A file that only a person can fetch. where: how to find it."""

    where: str
    file: str
    bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.where


@dataclass(frozen=True)
class Bundled:
    """A file of this package."""

    file: str

    def __str__(self) -> str:
        return "bundled"


Source = Hub | Url | Manual | Bundled


@dataclass(frozen=True)
class Entry:
    """One row. about: size as its source states it; sources: in the order they are tried.

    others: where other packs keep the same weights, as "ComfyUI folder/file".
    """

    name: str
    part: str
    about: str
    licence: Licence
    sources: tuple[Source, ...]
    others: tuple[str, ...] = ()

    @property
    def source(self) -> Source:
        """The first place to get it from."""
        return self.sources[0]

    @property
    def terms(self) -> str:
        """The licence with a word on commercial use."""
        return self.licence.terms

    @property
    def file_names(self) -> tuple[str, ...]:
        """Under which the file lies in this pack's folders; safetensors first."""
        bases = [source.file.rsplit("/", 1)[-1] for source in self.sources]
        named = [b if b not in GENERIC_NAMES else f"{self.name}/{b}" for b in bases]
        whole = [f"{self.name}.safetensors", *named, *(f"{self.name}/{b}" for b in bases)]
        return tuple(dict.fromkeys(sorted(whole, key=lambda n: not n.endswith(".safetensors"))))
