"""The parts that systems are made of: one row for each encoder and each codec."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from .encoders import mini_video
from .encoders.cavp import CavpVideo
from .encoders.clip import DFN5BClip
from .encoders.foley_mini import BIN_RATE, MiniVideoEncoder
from .encoders.mini_text import WIDTH, MiniTextEncoder, encode_prompt
from .encoders.synchformer import SynchformerVisual
from .encoders.vjepa2 import GRID, VJepa2, VJepa2Grid
from .errors import FoleyError
from .generators import AUDIO_GRID, L44
from .generators.specmaskgit import CODEC_VARIANT, WORDS
from .parts import CodecPart, Files, StreamEncoder, TextEncoderPart, VideoEncoderPart
from .reference import CLAP_REFERENCE
from .tables import add
from .weights.families import Family, sized
from .weights.files import read_metadata
from .weights.fill import fill_from
from .weights.load import read_shapes

# Video encoders


def _load_mini_video(path: Path, *, dtype: Any = None, device: Any = "cpu") -> nn.Module:
    return fill_from(MiniVideoEncoder(), path).to(device)


def _vjepa2(size: str, *, grid: bool = False) -> VideoEncoderPart:
    kind = VJepa2Grid if grid else VJepa2
    places = f"{GRID} x {GRID} places" if grid else "the whole picture"
    return VideoEncoderPart(
        name=f"vjepa2_{size}" + ("_grid" if grid else ""),
        title=f"what moves and happens, 8 times a second, in {places} (V-JEPA 2 {size.upper()}), "
        "for Foley Control",
        files={"vjepa": f"vjepa2_{size}"},
        families={"vjepa": Family("vjepa2", size)},
        encoders={"vjepa": StreamEncoder(kind, kind.load)},
    )


add(
    VideoEncoderPart(
        name="mini_video_encoder",
        title="what happens when, from motion, 50 times a second; bundled",
        files={"video": "mini_video_encoder"},
        families={"video": Family("video_encoder")},
        load=_load_mini_video,
        encode=mini_video.encode_events,
        frames={"video": mini_video.REQUEST},
        made=("sync",),
        made_rate=BIN_RATE,
        round_up_seconds=mini_video.round_up_seconds,
        place_hits=mini_video.place_hits,
        seen_hits=mini_video.seen_hits,
    ),
    VideoEncoderPart(
        name="cavp",
        title="what is seen and heard together (CAVP), for MDSGen",
        files={"cavp": "cavp"},
        families={"cavp": Family("cavp")},
        encoders={"cavp": StreamEncoder(CavpVideo, CavpVideo.load)},
        round_up_seconds=AUDIO_GRID.round_up_seconds,
    ),
    VideoEncoderPart(
        name="clip_and_synchformer",
        title="what is seen (CLIP) and when it happens (Synchformer), for AC-Foley and MMAudio",
        files={"clip": "dfn5b_clip", "sync": "synchformer"},
        families={"clip": Family("clip"), "sync": Family("synchformer")},
        encoders={
            "sync": StreamEncoder(SynchformerVisual, SynchformerVisual.load),
            "clip": StreamEncoder(DFN5BClip, partial(DFN5BClip.load, half="visual")),
        },
        round_up_seconds=L44.round_up_seconds,
        still=("clip",),
        still_seconds=L44.trained_seconds,
    ),
    *(_vjepa2(size) for size in ("l", "h", "g")),
    _vjepa2("l", grid=True),
)

# Text encoders


_TABLE = "text.table.weight"


def _load_mini_text(path: Path, *, dtype: Any = None, device: Any = "cpu") -> nn.Module:
    words = read_metadata(path).get("words", "").split()
    rows, width = (sized(read_shapes(path), {_TABLE: 2}) or {}).get(_TABLE, (0, WIDTH))
    named = len(set(words))
    if rows != named + 1:
        raise FoleyError(
            f"{path.name} has {rows} vectors of words and names {named} words: it is not a file of "
            "this model; use the right one."
        )
    return fill_from(MiniTextEncoder(words, width), path, prefix="text.").to(device)


def _load_t5(path: Path, **made: Any) -> nn.Module:
    from .encoders.t5 import T5Text

    return T5Text.load(path, **made)


def _load_clap(path: Path, **made: Any) -> nn.Module:
    from .encoders.clap import Clap

    return Clap.load(path, **made)


def _mini_text(name: str, title: str, generator: str, family: str) -> TextEncoderPart:
    return TextEncoderPart(
        name=name,
        title=title,
        files={"generator": generator},
        families={"generator": Family(family)},
        load=_load_mini_text,
        encode=encode_prompt,
        inside=True,
    )


add(
    _mini_text(
        "mini_text_encoder",
        "words for materials and actions, English; bundled",
        "ac_foley_mini",
        "flow",
    ),
    _mini_text(
        "mini_text_encoder_adverbs",
        "words for materials, actions and manners (loud, far, swelling), English; bundled",
        "foleygenex_mini",
        "foleygenex",
    ),
    _mini_text(
        "mini_text_encoder_tokens",
        "words for materials and actions, for specmaskfoley_mini, English; bundled",
        "specmaskfoley_mini",
        "specmaskfoley",
    ),
    _mini_text(
        "mini_text_encoder_control",
        "words for materials and actions, for foley_control_mini, English; bundled",
        "stable_audio_mini",
        "stable_audio",
    ),
    TextEncoderPart(
        name="t5_base",
        title="English sentences (T5), for Stable Audio Open and Foley Control",
        files={"t5": "t5_base"},
        families={"t5": Family("t5")},
        load=_load_t5,
        encode=lambda t5, prompt: t5.encode_text([prompt]),
    ),
    TextEncoderPart(
        name="clap_text",
        title="English sentences (CLAP), for SpecMaskGIT and SpecMaskFoley",
        files={"clap": "clap"},
        families={"clap": Family("clap")},
        load=_load_clap,
        encode=lambda clap, prompt: clap.encode_text([prompt])[:, None],
        stream=WORDS,
        hears=CLAP_REFERENCE,
    ),
    TextEncoderPart(
        name="clip_text",
        title="English sentences (CLIP), for AC-Foley and MMAudio",
        files={"clip": "dfn5b_clip"},
        families={"clip": Family("clip")},
        load=partial(DFN5BClip.load, half="text"),
        encode=lambda clip, prompt: clip.encode_text([prompt]),
    ),
)


# Codecs; their modules are imported when used, since all of them would slow ComfyUI's start.


def _load_foley_mini(files: Files, *, decode_only: bool = False, device: Any = "cpu") -> Any:
    from .codecs.foley_mini import FoleyMiniCodec

    return FoleyMiniCodec.load(files["codec"]).to(device)


def _load_mel_picture(files: Files, *, decode_only: bool = False, device: Any = "cpu") -> Any:
    from .codecs.mel_picture import MelPictureCodec

    return MelPictureCodec.load(files["codec"], files["decoder"]).to(device)


def _load_mini_tokens(files: Files, *, decode_only: bool = False, device: Any = "cpu") -> Any:
    from .codecs.mini_tokens import MiniTokenCodec

    return MiniTokenCodec.load(files["codec"], files["decoder"]).to(device)


def _load_public(name: str, files: Files, **made: Any) -> Any:
    from .codecs import load_codec

    return load_codec(name, files, **made)


def _mmaudio_codec(rate: str, hertz: str) -> CodecPart:
    return CodecPart(
        name=f"mmaudio_codec_{rate}",
        title=f"{hertz} kHz mono, MMAudio's mel autoencoder and BigVGAN",
        files={"vae": f"mmaudio_vae_{rate}", "vocoder": f"bigvgan_{rate}"},
        families={"vae": Family("mmaudio_vae", rate), "vocoder": Family("bigvgan", rate)},
        load=partial(_load_public, f"mmaudio-{rate}"),
    )


add(
    CodecPart(
        name="foley_mini_codec",
        title="32 kHz mono, 31.25 latent frames a second; bundled",
        files={"codec": "foley_mini_codec"},
        families={"codec": Family("foley_mini_codec")},
        load=_load_foley_mini,
    ),
    CodecPart(
        name="mel_picture_codec",
        title="32 kHz mono, a mel picture of 8 rows, 31.25 frames a second; bundled",
        files={"codec": "mel_picture_codec", "decoder": "foley_mini_codec"},
        families={"codec": Family("mel_picture"), "decoder": Family("foley_mini_codec")},
        load=_load_mel_picture,
    ),
    CodecPart(
        name="mini_token_codec",
        title="32 kHz mono, 15.6 columns of 4 tokens a second; bundled",
        files={"codec": "mini_token_codec", "decoder": "foley_mini_codec"},
        families={"codec": Family("mini_tokens"), "decoder": Family("foley_mini_codec")},
        load=_load_mini_tokens,
    ),
    CodecPart(
        name="specmaskgit_codec",
        title="22.05 kHz mono, SpecMaskGIT's tokens of HiFi-GAN's mel and its vocoder",
        files={"vae": "specmaskgit_vqgan", "vocoder": "hifigan_22k"},
        families={"vae": Family("specvqgan", CODEC_VARIANT), "vocoder": Family("hifigan", "22k")},
        load=partial(_load_public, "specmaskgit-22k"),
    ),
    CodecPart(
        name="specvqgan_codec",
        title="22.05 kHz mono, SpecVQGAN's tokens and its MelGAN",
        files={"vae": "specvqgan", "vocoder": "specvqgan_melgan"},
        families={"vae": Family("specvqgan"), "vocoder": Family("melgan")},
        load=partial(_load_public, "specvqgan-22k"),
    ),
    CodecPart(
        name="stable_audio_codec",
        title="44.1 kHz stereo, Stable Audio Open's Oobleck, 21.5 latent frames a second",
        files={"vae": "stable_audio_open"},
        families={"vae": Family("stable_audio")},
        load=partial(_load_public, "stable-audio"),
        channels=2,
    ),
    CodecPart(
        name="audioldm_codec",
        title="16 kHz mono, AudioLDM's mel autoencoder and vocoder",
        files={"vae": "audioldm_vae", "vocoder": "audioldm_hifigan"},
        families={"vae": Family("audioldm_vae"), "vocoder": Family("hifigan", "audioldm")},
        load=partial(_load_public, "audioldm"),
    ),
    CodecPart(
        name="image_vae_codec",
        title="16 kHz mono, a mel as a picture, Diff-Foley's autoencoder, no vocoder",
        files={"vae": "diff_foley_ldm"},
        families={"vae": Family("image_vae")},
        load=partial(_load_public, "image-vae"),
    ),
    _mmaudio_codec("16k", "16"),
    _mmaudio_codec("44k", "44.1"),
    CodecPart(
        name="dac_vae_codec",
        title="48 kHz mono, HunyuanVideo-Foley's DAC-VAE, 50 latent frames a second",
        files={"codec": "dac_vae_hunyuan"},
        families={"codec": Family("dac_vae")},
        load=partial(_load_public, "dac-vae"),
    ),
)
