"""The catalogue: one row for each system and each part, and every fact about them once.

The command line, the nodes, Quick Foley, the evaluation and the documentation read these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import catalog_parts  # noqa: F401 - its rows are in the tables
from .generators import AC_FOLEY, ac_foley_mini, mdsgen_config
from .generators.foley_control import FOLEY_CONTROL, foley_control_mini
from .generators.foleygenex import FOLEYGENEX, foleygenex_mini
from .generators.foleygenex_checkpoint import FOLEYGENEX_CHECKPOINT
from .generators.mdsgen_checkpoint import MDSGEN_CHECKPOINT
from .generators.mdsgen_mini import mdsgen_mini
from .generators.mmaudio_checkpoint import AC_FOLEY_CHECKPOINT, MMAUDIO_CHECKPOINT, SIZES
from .generators.specmaskfoley import SPECMASKFOLEY, specmaskfoley_mini
from .generators.specmaskfoley_checkpoint import SPECMASKFOLEY_CHECKPOINT, SPECMASKGIT_CHECKPOINT
from .generators.specmaskgit import SPECMASKGIT
from .generators.stable_audio import STABLE_AUDIO_OPEN, stable_audio_mini
from .generators.stable_audio_checkpoint import FOLEY_CONTROL_CHECKPOINT, STABLE_AUDIO_CHECKPOINT
from .parts import GeneratorPart
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

# Systems


def _system(
    name: str,
    title: str,
    checkpoint: Any,
    config: Any,
    memory_factor: float = 2.0,
    files: Mapping[str, str | Path] | None = None,
    **row: Any,
) -> SystemSpec:
    generator = GeneratorPart(
        name=name,
        title=title,
        files=files or {"generator": name},
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

# As its card's example samples it.
_STABLE_AUDIO = Sampling("dpmpp_3m_sde", steps=100, scale=7.0)
_CONTROL_MINI = Sampling("dpmpp_3m_sde", steps=25, scale=4.0)


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
        "stable_audio_mini",
        "Stable Audio in small: words alone; 32 kHz mono, bundled",
        STABLE_AUDIO_CHECKPOINT,
        stable_audio_mini(),
        text="mini_text_encoder_control",
        sampling=_CONTROL_MINI,
        **{**_MINI, "video": ""},
    ),
    _system(
        "foley_control_mini",
        "Foley Control in small: a text-to-audio model follows the picture by a bridge; 32 kHz "
        "mono, bundled",
        FOLEY_CONTROL_CHECKPOINT,
        foley_control_mini(),
        files={"bridge": "foley_control_mini", "generator": "stable_audio_mini"},
        text="mini_text_encoder_control",
        sampling=_CONTROL_MINI,
        **_MINI,
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
    _system(
        "stable_audio_open",
        "Stable Audio Open 1.0: words alone; 44.1 kHz stereo",
        STABLE_AUDIO_CHECKPOINT,
        STABLE_AUDIO_OPEN,
        video="",
        text="t5_base",
        sampling=_STABLE_AUDIO,
    ),
    _system(
        "foley_control",
        "Foley Control: Stable Audio Open follows the picture by a bridge; 44.1 kHz stereo",
        FOLEY_CONTROL_CHECKPOINT,
        FOLEY_CONTROL,
        files={"bridge": "foley_control_bridge", "generator": "stable_audio_open"},
        video="vjepa2_l",
        text="t5_base",
        sampling=_STABLE_AUDIO,
    ),
    *(_mmaudio_system(size, config) for size, config in SIZES.items()),
)
