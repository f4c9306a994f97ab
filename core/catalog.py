"""The catalogue: one row for each system and each part, and every fact about them once.

The command line, the nodes, Quick Foley, the evaluation and the documentation read these tables.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from .encoders import mini_video
from .encoders.cavp import CavpVideo
from .encoders.clip import DFN5BClip
from .encoders.foley_mini import MiniVideoEncoder
from .encoders.mini_text import MiniTextEncoder, encode_prompt
from .encoders.synchformer import SynchformerVisual
from .generators import AC_FOLEY, AUDIO_GRID, L44, ac_foley_mini, mdsgen_config
from .generators.foleygenex import FOLEYGENEX, foleygenex_mini
from .generators.foleygenex_checkpoint import FOLEYGENEX_CHECKPOINT
from .generators.mdsgen_checkpoint import MDSGEN_CHECKPOINT
from .generators.mdsgen_mini import mdsgen_mini
from .generators.mmaudio_checkpoint import AC_FOLEY_CHECKPOINT, MMAUDIO_CHECKPOINT, SIZES
from .generators.specmaskfoley import SPECMASKFOLEY, specmaskfoley_mini
from .generators.specmaskfoley_checkpoint import SPECMASKFOLEY_CHECKPOINT, SPECMASKGIT_CHECKPOINT
from .generators.specmaskgit import CODEC_VARIANT, SPECMASKGIT, WORDS
from .parts import (
    CodecPart,
    Files,
    GeneratorPart,
    StreamEncoder,
    TextEncoderPart,
    VideoEncoderPart,
)
from .reference import (
    CLAP_REFERENCE,
    CONTEXT_REFERENCE,
    LEVELLED_REFERENCE,
    NORMALIZED_REFERENCE,
    SAMPLED_REFERENCE,
)
from .sampling import Sampling
from .tables import (  # noqa: F401 - the tables are read from here
    CODECS,
    SYSTEMS,
    TEXT_ENCODERS,
    VIDEO_ENCODERS,
    SystemSpec,
    add,
    remove,
    system_of_file,
)
from .weights.families import Family
from .weights.files import read_metadata
from .weights.fill import fill_from

# Video encoders


def _load_mini_video(path: Path, *, dtype: Any = None, device: Any = "cpu") -> nn.Module:
    return fill_from(MiniVideoEncoder(), path).to(device)


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
        round_up_seconds=mini_video.round_up_seconds,
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
)

# Text encoders


def _load_mini_text(path: Path, *, dtype: Any = None, device: Any = "cpu") -> nn.Module:
    words = read_metadata(path).get("words", "").split()
    return fill_from(MiniTextEncoder(words), path, prefix="text.").to(device)


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

# Systems


def _system(
    name: str, title: str, checkpoint: Any, config: Any, memory_factor: float = 2.0, **row: Any
) -> SystemSpec:
    generator = GeneratorPart(
        name=name,
        title=title,
        files={"generator": name},
        checkpoint=checkpoint,
        config=config,
        memory_factor=memory_factor,
    )
    codec = config.latent.codec
    return SystemSpec(name=name, title=title, generator=generator, codec=codec, **row)


_MINI: dict[str, Any] = {
    "video": "mini_video_encoder",
    "memory_factor": 0.3,
    "degrades": False,
    "loudness": -32.0,  # the median of our scenes
}
_FAMILY: dict[str, Any] = {"video": "clip_and_synchformer", "text": "clip_text"}
_MASKGIT = Sampling("maskgit", steps=12, guidance="multi", scale=3.0, temperature=9.0)
# The paper's 25 steps; its script makes 50.
_MDSGEN = Sampling("dpm_solver_2m", guidance="power-cosine", scale=5.0)


def _mmaudio_system(size: str, config: Any) -> SystemSpec:
    kind = size.split("_")[0] + (", version 2" if size.endswith("_v2") else "")
    title = f"MMAudio {kind}: picture and words; {config.sample_rate / 1000:g} kHz mono"
    return _system(f"mmaudio_{size}", title, MMAUDIO_CHECKPOINT, config, **_FAMILY)


add(
    _system(
        "ac_foley_mini",
        "AC-Foley in small: picture, words and a reference sound; 32 kHz mono, bundled",
        AC_FOLEY_CHECKPOINT,
        ac_foley_mini(),
        text="mini_text_encoder",
        # Guidance of 3 made takes 4 dB louder than none, and 2 dB louder than the true sounds.
        sampling=Sampling(scale=3.0, rescale=1.0),
        reference=NORMALIZED_REFERENCE,
        **_MINI,
    ),
    _system(
        "mdsgen_mini",
        "MDSGen in small: the picture alone, fast; 32 kHz mono, bundled",
        MDSGEN_CHECKPOINT,
        mdsgen_mini(),
        sampling=replace(_MDSGEN, scale=2.0),
        **_MINI,
    ),
    _system(
        "mdsgen_b",
        "MDSGen-B: the picture alone, fast; 16 kHz mono",
        MDSGEN_CHECKPOINT,
        replace(mdsgen_config("b"), side_block=False),
        video="cavp",
        sampling=_MDSGEN,
    ),
    _system(
        "foleygenex_mini",
        "FoleyGenEx in small: picture, words, a reference, and sounds to extend or edit; 32 kHz "
        "mono, bundled",
        FOLEYGENEX_CHECKPOINT,
        foleygenex_mini(),
        text="mini_text_encoder_adverbs",
        sampling=Sampling(scale=3.0, rescale=1.0),
        reference=LEVELLED_REFERENCE,
        **_MINI,
    ),
    _system(
        "specmaskfoley_mini",
        "SpecMaskFoley in small: picture and words, any length without seams; 32 kHz mono, bundled",
        SPECMASKFOLEY_CHECKPOINT,
        specmaskfoley_mini(),
        text="mini_text_encoder_tokens",
        sampling=replace(_MASKGIT, guidance="plain"),
        **{**_MINI, "loudness": None},
    ),
    _system(
        "ac_foley",
        "AC-Foley: picture, words and a reference sound; 44.1 kHz mono",
        AC_FOLEY_CHECKPOINT,
        AC_FOLEY,
        reference=SAMPLED_REFERENCE,
        **_FAMILY,
    ),
    _system(
        "foleygenex",
        "FoleyGenEx: picture, words, a reference, and sounds to extend or edit; 44.1 kHz mono",
        FOLEYGENEX_CHECKPOINT,
        FOLEYGENEX,
        reference=CONTEXT_REFERENCE,
        **_FAMILY,
    ),
    _system(
        "specmaskfoley",
        "SpecMaskFoley: picture and words, any length without seams; 22.05 kHz mono",
        SPECMASKFOLEY_CHECKPOINT,
        SPECMASKFOLEY,
        video="clip_and_synchformer",
        text="clap_text",
        reference=CLAP_REFERENCE,
        sampling=_MASKGIT,
    ),
    _system(
        "specmaskgit",
        "SpecMaskGIT: words alone; 22.05 kHz mono",
        SPECMASKGIT_CHECKPOINT,
        SPECMASKGIT,
        video="",
        text="clap_text",
        reference=CLAP_REFERENCE,
        # Best at 16 in its own paper.
        sampling=replace(_MASKGIT, steps=16),
    ),
    *(_mmaudio_system(size, config) for size, config in SIZES.items()),
)
