"""Where every public weights file comes from, and what its licence allows. Data, no code.

Sizes, hashes and licences are those that the sources publish; what is blank is not published, and
is recorded at the first download.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import FoleyError

Commercial = Literal["yes", "no", "conditional", "unknown"]
COMMERCIAL_WORDS: dict[Commercial, str] = {
    "yes": "commercial use allowed",
    "no": "not for commercial use",
    "conditional": "conditions for commercial use",
    "unknown": "commercial use unclear",
}
GENERIC_NAMES = ("model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors")


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
    licence: str
    commercial: Commercial
    sources: tuple[Source, ...]
    others: tuple[str, ...] = ()

    @property
    def source(self) -> Source:
        """The first place to get it from."""
        return self.sources[0]

    @property
    def terms(self) -> str:
        """The licence with a word on commercial use."""
        return f"{self.licence}, {COMMERCIAL_WORDS[self.commercial]}"

    @property
    def file_names(self) -> tuple[str, ...]:
        """Under which the file lies in this pack's folders; safetensors first."""
        bases = [source.file.rsplit("/", 1)[-1] for source in self.sources]
        named = [b if b not in GENERIC_NAMES else f"{self.name}/{b}" for b in bases]
        whole = [f"{self.name}.safetensors", *named, *(f"{self.name}/{b}" for b in bases)]
        return tuple(dict.fromkeys(sorted(whole, key=lambda n: not n.endswith(".safetensors"))))


_MMAUDIO = "https://github.com/hkchengrex/MMAudio/releases/download/v0.1"
_KIJAI = "Kijai/MMAudio_safetensors"
_AC = "FF2416/AC-Foley"
_CC_NC = "CC-BY-NC-4.0"
_STABILITY = "Stability AI Community License"


def _mmaudio(size: str, about: str, md5: str, *others: str) -> Entry:
    source = Hub("hkchengrex/MMAudio", f"weights/mmaudio_{size}.pth", md5=md5)
    return Entry(f"mmaudio_{size}", "generator", about, _CC_NC, "no", (source,), others)


def _vjepa2(size: str, repo: str, licence: str, commercial: Commercial, about: str) -> Entry:
    source = Hub(f"facebook/{repo}", "model.safetensors")
    return Entry(f"vjepa2_{size}", "video encoder", about, licence, commercial, (source,))


def _mini(name: str, part: str) -> Entry:
    file = f"{name}.safetensors"
    return Entry(name, part, "", "Apache-2.0", "yes", (Bundled(file),))


ENTRIES: tuple[Entry, ...] = (
    _mini("ac_foley_mini", "generator"),
    _mini("mdsgen_mini", "generator"),
    _mini("mini_video_encoder", "video encoder"),
    _mini("foley_mini_codec", "codec"),
    _mini("mel_picture_codec", "codec"),
    _mmaudio("small_16k", "601 MB", "af93cde404179f58e3919ac085b8033b"),
    _mmaudio("small_44k", "601 MB", "babd74c884783d13701ea2820a5f5b6d"),
    _mmaudio("medium_44k", "2.4 GB", "5a56b6665e45a1e65ada534defa903d0"),
    _mmaudio("large_44k", "3.9 GB", "fed96c325a6785b85ce75ae1aafd2673"),
    _mmaudio(
        "large_44k_v2",
        "3.9 GB",
        "01ad4464f049b2d7efdaa4c1a59b8dfe",
        "mmaudio/mmaudio_large_44k_v2_fp32.safetensors",
        "mmaudio/mmaudio_large_44k_v2_fp16.safetensors",
    ),
    Entry(
        "ac_foley",
        "generator",
        "1083.81 M parameters",
        _CC_NC,
        "no",
        (Hub(_AC, "weights/ac_foley.pth"), Hub(_AC, "model.pth")),
    ),
    Entry(
        "mdsgen_b",
        "generator",
        "142 M parameters",
        "none stated",
        "unknown",
        (
            Manual(
                "Google Drive file 1XZoK-uU0mTWeRLilLZ_FtysRgearBxOp (github.com/triton99/MDSGen)",
                "mdsgen_audioldm.pt",
            ),
        ),
    ),
    Entry(
        "stable_audio_open",
        "generator, codec and timing",
        "1056.8 M + 156.1 M parameters",
        _STABILITY,
        "conditional",
        (Hub("stabilityai/stable-audio-open-1.0", "model.safetensors"),),
        (
            "checkpoints/stable-audio-open-1.0.safetensors",
            "checkpoints/stable_audio_open_1.0.safetensors",
        ),
    ),
    Entry(
        "mmaudio_vae_16k",
        "codec",
        "655 MB",
        _CC_NC,
        "no",
        (Url(f"{_MMAUDIO}/v1-16.pth", md5="69f56803f59a549a1a507c93859fd4d7"),),
    ),
    Entry(
        "mmaudio_vae_44k",
        "codec",
        "1.2 GB",
        _CC_NC,
        "no",
        (
            Url(f"{_MMAUDIO}/v1-44.pth", md5="fab020275fa44c6589820ce025191600"),
            Hub(_AC, "weights/v1-44.pth"),
            Hub(_KIJAI, "mmaudio_vae_44k_fp32.safetensors"),
        ),
        (
            "mmaudio/mmaudio_vae_44k_fp32.safetensors",
            "mmaudio/mmaudio_vae_44k_fp16.safetensors",
        ),
    ),
    Entry(
        "bigvgan_16k",
        "vocoder",
        "429 MB",
        "not stated (from Make-An-Audio 2)",
        "unknown",
        (
            Url(f"{_MMAUDIO}/best_netG.pt", md5="eeaf372a38a9c31c362120aba2dde292"),
            Hub(_AC, "weights/best_netG.pt"),
        ),
    ),
    Entry(
        "bigvgan_44k",
        "vocoder",
        "122.18 M parameters",
        "MIT",
        "yes",
        (
            Hub(
                "nvidia/bigvgan_v2_44khz_128band_512x",
                "bigvgan_generator.pt",
                also=("config.json",),
            ),
        ),
        ("mmaudio/nvidia/bigvgan_v2_44khz_128band_512x/bigvgan_generator.pt",),
    ),
    Entry(
        "synchformer",
        "video encoder",
        "907 MB",
        "code MIT, weights not stated",
        "unknown",
        (
            Url(
                f"{_MMAUDIO}/synchformer_state_dict.pth",
                md5="5b2f5594b0730f70e41e549b7c94390c",
            ),
            Hub(_AC, "weights/synchformer_state_dict.pth"),
            Hub(_KIJAI, "mmaudio_synchformer_fp32.safetensors"),
        ),
        (
            "mmaudio/mmaudio_synchformer_fp32.safetensors",
            "mmaudio/mmaudio_synchformer_fp16.safetensors",
        ),
    ),
    Entry(
        "dfn5b_clip",
        "video and text encoder",
        "986.71 M parameters",
        "apple-amlr (earlier apple-sample-code-license)",
        "no",
        (
            Hub("apple/DFN5B-CLIP-ViT-H-14-384", "open_clip_pytorch_model.bin"),
            Hub(_KIJAI, "apple_DFN5B-CLIP-ViT-H-14-384_fp16.safetensors"),
        ),
        (
            "mmaudio/apple_DFN5B-CLIP-ViT-H-14-384_fp32.safetensors",
            "mmaudio/apple_DFN5B-CLIP-ViT-H-14-384_fp16.safetensors",
        ),
    ),
    Entry(
        "cavp",
        "video encoder",
        "113.4 M parameters",
        "MIT (code Apache-2.0)",
        "yes",
        (Hub("SimianLuo/Diff-Foley", "diff_foley_ckpt/cavp_epoch66.ckpt"),),
    ),
    Entry(
        "diff_foley_ldm",
        "codec (its image VAE)",
        "",
        "MIT (code Apache-2.0)",
        "yes",
        (Hub("SimianLuo/Diff-Foley", "diff_foley_ckpt/ldm_epoch240.ckpt"),),
    ),
    Entry(
        "diff_foley_classifier",
        "classifier",
        "11.5 M parameters",
        "MIT (code Apache-2.0)",
        "yes",
        (Hub("SimianLuo/Diff-Foley", "diff_foley_ckpt/double_guidance_classifier.ckpt"),),
    ),
    Entry(
        "audioldm_vae",
        "codec",
        "55.4 M parameters",
        "CC-BY-NC-SA-4.0",
        "no",
        (
            Hub("cvssp/audioldm-s-full-v2", "vae/diffusion_pytorch_model.safetensors"),
            Hub("cvssp/audioldm-s-full-v2", "vae/diffusion_pytorch_model.bin"),
        ),
    ),
    Entry(
        "audioldm_hifigan",
        "vocoder",
        "55.3 M parameters",
        "CC-BY-NC-SA-4.0",
        "no",
        (
            Hub("cvssp/audioldm-s-full-v2", "vocoder/model.safetensors"),
            Hub("cvssp/audioldm-s-full-v2", "vocoder/pytorch_model.bin"),
        ),
    ),
    Entry(
        "dac_vae_hunyuan",
        "codec",
        "1.49 GB",
        "Tencent Hunyuan Community (not in the EU, the UK and South Korea)",
        "conditional",
        (Hub("tencent/HunyuanVideo-Foley", "vae_128d_48k.pth"),),
    ),
    _vjepa2("l", "vjepa2-vitl-fpc64-256", "code MIT, weights not stated", "unknown", "326 M"),
    _vjepa2("h", "vjepa2-vith-fpc64-256", "code MIT, weights not stated", "unknown", ""),
    _vjepa2("g", "vjepa2-vitg-fpc64-256", "Apache-2.0", "yes", ""),
    Entry(
        "clap",
        "text and audio encoder",
        "153.5 M parameters",
        "Apache-2.0",
        "yes",
        (
            Hub(
                "laion/clap-htsat-unfused",
                "model.safetensors",
                also=("tokenizer.json", "tokenizer_config.json", "config.json"),
            ),
        ),
    ),
    Entry(
        "t5_base",
        "text encoder",
        "",
        "Apache-2.0",
        "yes",
        (
            Hub(
                "google-t5/t5-base",
                "model.safetensors",
                also=("tokenizer.json", "tokenizer_config.json", "config.json"),
            ),
        ),
        ("text_encoders/t5-base.safetensors", "text_encoders/t5_base.safetensors"),
    ),
)


def entry(name: str) -> Entry:
    """The row of a name. Raises FoleyError with the names that come near it."""
    import difflib

    found = next((row for row in ENTRIES if row.name == name), None)
    if found is None:
        names = [row.name for row in ENTRIES]
        near = difflib.get_close_matches(name, names, 3) or names
        raise FoleyError(f"There is no model named {name}; choose one of {', '.join(near)}.")
    return found
