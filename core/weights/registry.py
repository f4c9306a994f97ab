"""Where every public weights file comes from, and what its licence allows. Data, no code.

Sizes, hashes and licences are those that the sources publish; what is blank is not published, and
is recorded at the first download.
"""

from __future__ import annotations

import difflib

from ..errors import FoleyError
from .entries import Bundled, Entry, Hub, Licence, Manual, Url

_MMAUDIO = "https://github.com/hkchengrex/MMAudio/releases/download/v0.1"
_KIJAI = "Kijai/MMAudio_safetensors"
_AC = "FF2416/AC-Foley"
_AUDIOLDM = "cvssp/audioldm-s-full-v2"
_APACHE = Licence("Apache-2.0", "yes", "Apache-2.0")
_MIT = Licence("MIT", "yes", "MIT")
_MIT_AND_APACHE_CODE = Licence("MIT (code Apache-2.0)", "yes", "MIT")
_CC0 = Licence("CC0-1.0", "yes", "CC0-1.0")
_CC_BY_NC = Licence("CC-BY-NC-4.0", "no", "CC-BY-NC-4.0")
_CC_BY_NC_SA = Licence("CC-BY-NC-SA-4.0", "no", "CC-BY-NC-SA-4.0")
_APPLE = Licence("apple-amlr (earlier apple-sample-code-license)", "no")
_STABILITY = Licence(
    "Stability AI Community License",
    "conditional",
    conditions="free up to 1 million US dollars of yearly revenue",
)
_TENCENT = Licence(
    "Tencent Hunyuan Community (not in the EU, the UK and South Korea)", "conditional"
)
_MIT_CODE_ONLY = Licence("code MIT, weights not stated", "unknown", conditions="their code is MIT")
_MAKE_AN_AUDIO = Licence(
    "not stated (from Make-An-Audio 2)", "unknown", conditions="they are from Make-An-Audio 2"
)
_NONE = Licence("none stated", "unknown")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "config.json")


def _mini(name: str, part: str) -> Entry:
    return Entry(name, part, "", _APACHE).at(Bundled("bundled", f"{name}.safetensors"))


def _mmaudio(size: str, about: str, md5: str, *others: str) -> Entry:
    source = Hub("hkchengrex/MMAudio", f"weights/mmaudio_{size}.pth", md5=md5)
    return Entry(f"mmaudio_{size}", "generator", about, _CC_BY_NC).at(source, others=others)


def _vjepa2(size: str, repo: str, licence: Licence, millions: float) -> Entry:
    about = f"encoder {millions} M parameters"
    source = Hub(f"facebook/{repo}", "model.safetensors")
    return Entry(f"vjepa2_{size}", "video encoder", about, licence).at(source)


def _in_mmaudio(name: str) -> tuple[str, ...]:
    """Where packs of ComfyUI for MMAudio keep a network."""
    return f"mmaudio/{name}_fp32.safetensors", f"mmaudio/{name}_fp16.safetensors"


ENTRIES: tuple[Entry, ...] = (
    _mini("ac_foley_mini", "generator"),
    _mini("foleygenex_mini", "generator"),
    _mini("mdsgen_mini", "generator"),
    _mini("mini_video_encoder", "video encoder"),
    _mini("foley_mini_codec", "codec"),
    _mini("mel_picture_codec", "codec"),
    _mini("specmaskfoley_mini", "generator"),
    _mini("mini_token_codec", "codec"),
    _mini("stable_audio_mini", "generator"),
    _mini("foley_control_mini", "bridge"),
    _mmaudio("small_16k", "601 MB", "af93cde404179f58e3919ac085b8033b"),
    _mmaudio("small_44k", "601 MB", "babd74c884783d13701ea2820a5f5b6d"),
    _mmaudio("medium_44k", "2.4 GB", "5a56b6665e45a1e65ada534defa903d0"),
    _mmaudio("large_44k", "3.9 GB", "fed96c325a6785b85ce75ae1aafd2673"),
    _mmaudio(
        "large_44k_v2",
        "3.9 GB",
        "01ad4464f049b2d7efdaa4c1a59b8dfe",
        *_in_mmaudio("mmaudio_large_44k_v2"),
    ),
    Entry("ac_foley", "generator", "1083.81 M parameters", _CC_BY_NC).at(
        Hub(_AC, "weights/ac_foley.pth"),
        Hub(_AC, "model.pth"),
    ),
    Entry("foleygenex", "generator", "1044 M parameters", _NONE).at(
        Manual(
            "a training of your own with the recipe foleygenex_vggsound (none are published)",
            "foleygenex.safetensors",
        )
    ),
    Entry("specmaskfoley", "generator", "298.2 M parameters", _NONE).at(
        Manual(
            "a training of your own with the recipe specmaskfoley_vggsound (none are published)",
            "specmaskfoley.safetensors",
        )
    ),
    Entry("specmaskgit", "generator", "172.3 M parameters", _NONE).at(
        Manual(
            "a training of your own with the recipe specmaskgit_audioset (none are published)",
            "specmaskgit.safetensors",
        )
    ),
    Entry("specmaskgit_vqgan", "codec", "72.1 M parameters", _NONE).at(
        Manual(
            "a training of your own with the recipe specmaskgit_vqgan (none are published)",
            "specmaskgit_vqgan.safetensors",
        )
    ),
    Entry("foley_control_bridge", "bridge", "190.9 M parameters", _NONE).at(
        Manual(
            "a training of your own with the recipe foley_control_videos (none are published)",
            "foley_control_bridge.safetensors",
        )
    ),
    Entry("mdsgen_b", "generator", "142 M parameters", _NONE).at(
        Manual(
            "Google Drive file 1XZoK-uU0mTWeRLilLZ_FtysRgearBxOp (github.com/triton99/MDSGen)",
            "mdsgen_audioldm.pt",
        )
    ),
    Entry(
        "stable_audio_open",
        "generator, codec and timing",
        "1056.8 M + 156.1 M parameters",
        _STABILITY,
    ).at(
        Hub("stabilityai/stable-audio-open-1.0", "model.safetensors"),
        others=(
            "checkpoints/stable-audio-open-1.0.safetensors",
            "checkpoints/stable_audio_open_1.0.safetensors",
        ),
    ),
    Entry("mmaudio_vae_16k", "codec", "655 MB", _CC_BY_NC).at(
        Url(_MMAUDIO, "v1-16.pth", md5="69f56803f59a549a1a507c93859fd4d7")
    ),
    Entry("mmaudio_vae_44k", "codec", "1.2 GB", _CC_BY_NC).at(
        Url(_MMAUDIO, "v1-44.pth", md5="fab020275fa44c6589820ce025191600"),
        Hub(_AC, "weights/v1-44.pth"),
        Hub(_KIJAI, "mmaudio_vae_44k_fp32.safetensors"),
        others=_in_mmaudio("mmaudio_vae_44k"),
    ),
    Entry("bigvgan_16k", "vocoder", "429 MB", _MAKE_AN_AUDIO).at(
        Url(_MMAUDIO, "best_netG.pt", md5="eeaf372a38a9c31c362120aba2dde292"),
        Hub(_AC, "weights/best_netG.pt"),
    ),
    Entry("bigvgan_44k", "vocoder", "122.18 M parameters", _MIT).at(
        Hub("nvidia/bigvgan_v2_44khz_128band_512x", "bigvgan_generator.pt", also=("config.json",)),
        others=("mmaudio/nvidia/bigvgan_v2_44khz_128band_512x/bigvgan_generator.pt",),
    ),
    Entry("synchformer", "video encoder", "907 MB", _MIT_CODE_ONLY).at(
        Url(_MMAUDIO, "synchformer_state_dict.pth", md5="5b2f5594b0730f70e41e549b7c94390c"),
        Hub(_AC, "weights/synchformer_state_dict.pth"),
        Hub(_KIJAI, "mmaudio_synchformer_fp32.safetensors"),
        others=_in_mmaudio("mmaudio_synchformer"),
    ),
    Entry("dfn5b_clip", "video and text encoder", "986.71 M parameters", _APPLE).at(
        Hub("apple/DFN5B-CLIP-ViT-H-14-384", "open_clip_pytorch_model.bin"),
        Hub(_KIJAI, "apple_DFN5B-CLIP-ViT-H-14-384_fp16.safetensors"),
        others=_in_mmaudio("apple_DFN5B-CLIP-ViT-H-14-384"),
    ),
    Entry("cavp", "video encoder", "113.4 M parameters", _MIT_AND_APACHE_CODE).at(
        Hub("SimianLuo/Diff-Foley", "diff_foley_ckpt/cavp_epoch66.ckpt")
    ),
    Entry("diff_foley_ldm", "codec (its image VAE)", "", _MIT_AND_APACHE_CODE).at(
        Hub("SimianLuo/Diff-Foley", "diff_foley_ckpt/ldm_epoch240.ckpt")
    ),
    Entry("audioldm_vae", "codec", "55.4 M parameters", _CC_BY_NC_SA).at(
        Hub(_AUDIOLDM, "vae/diffusion_pytorch_model.safetensors"),
        Hub(_AUDIOLDM, "vae/diffusion_pytorch_model.bin"),
    ),
    Entry("audioldm_hifigan", "vocoder", "55.3 M parameters", _CC_BY_NC_SA).at(
        Hub(_AUDIOLDM, "vocoder/model.safetensors"),
        Hub(_AUDIOLDM, "vocoder/pytorch_model.bin"),
    ),
    Entry("sd_vae", "codec (image VAE)", "83.7 M parameters", _MIT).at(
        Hub("stabilityai/sd-vae-ft-mse", "diffusion_pytorch_model.safetensors"),
        Hub("stabilityai/sd-vae-ft-mse", "diffusion_pytorch_model.bin"),
        Hub("stabilityai/sd-vae-ft-mse-original", "vae-ft-mse-840000-ema-pruned.safetensors"),
        others=(
            "vae/vae-ft-mse-840000-ema-pruned.safetensors",
            "vae/vae-ft-mse-840000-ema-pruned.ckpt",
        ),
    ),
    Entry("specvqgan", "codec", "72.1 M parameters", _MIT_CODE_ONLY).at(
        Manual(
            "the archive 2021-05-19T22-16-54_vggsound_codebook.tar.gz, linked under Codebooks at "
            "github.com/v-iashin/SpecVQGAN (folder checkpoints)",
            "epoch_39.ckpt",
        )
    ),
    Entry("specvqgan_melgan", "vocoder", "", _MIT_CODE_ONLY).at(
        Manual(
            "the folder vocoder/logs/vggsound of github.com/v-iashin/SpecVQGAN",
            "specvqgan_melgan.pt",
        )
    ),
    Entry("hifigan_22k", "vocoder", "13.9 M parameters", _MIT_CODE_ONLY).at(
        Manual(
            "the folder UNIVERSAL_V1 of the pretrained models linked at "
            "github.com/jik876/hifi-gan (saved under this name)",
            "hifigan_universal_v1.pth",
        )
    ),
    Entry("dac_vae_hunyuan", "codec", "1.49 GB", _TENCENT).at(
        Hub("tencent/HunyuanVideo-Foley", "vae_128d_48k.pth")
    ),
    _vjepa2("l", "vjepa2-vitl-fpc64-256", _MIT_CODE_ONLY, 303.9),
    _vjepa2("h", "vjepa2-vith-fpc64-256", _MIT_CODE_ONLY, 631.6),
    _vjepa2("g", "vjepa2-vitg-fpc64-256", _APACHE, 1012.2),
    Entry("clap", "text and audio encoder", "615 MB", _APACHE).at(
        Hub("laion/clap-htsat-unfused", "model.safetensors", also=_TOKENIZER),
        Hub("laion/clap-htsat-unfused", "pytorch_model.bin", also=_TOKENIZER),
    ),
    Entry(
        "clap_music_speech",
        "text and audio encoder (its tokenizer is that of clap)",
        "2.35 GB",
        _CC0,
    ).at(Hub("lukewys/laion_clap", "music_speech_audioset_epoch_15_esc_89.98.pt")),
    Entry("t5_base", "text encoder", "892 MB", _APACHE).at(
        Hub("google-t5/t5-base", "model.safetensors", also=_TOKENIZER),
        others=("text_encoders/t5-base.safetensors", "text_encoders/t5_base.safetensors"),
    ),
)


def entry(name: str) -> Entry:
    """The row of a name. Raises FoleyError with the names that come near it."""
    found = next((row for row in ENTRIES if row.name == name), None)
    if found is None:
        names = [row.name for row in ENTRIES]
        near = difflib.get_close_matches(name, names, 3) or names
        raise FoleyError(f"There is no model named {name}; choose one of {', '.join(near)}.")
    return found
