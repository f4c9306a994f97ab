"""Which family a weights file is of, from its keys and shapes, not from its name.

What is a network's own stands in its file, as `recognise`; here is the order of asking: the
catalogue's generators first.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from .catalog import SYSTEMS
from .weights.families import Family, Shapes, unwrapped
from .weights.files import read_metadata
from .weights.load import read_shapes

# What is shown of a file's own words.
_LONGEST = 60
_NAME = re.compile(rf"[a-z0-9_-]{{1,{_LONGEST}}}")
# Families in the order of asking, and whose `recognise` knows them: modules of this package, which
# are imported when a file is first asked of.
_RULES = {
    "stable_audio": "codecs.stable_audio",  # its whole file holds Oobleck as well
    "synchformer": "encoders.synchformer",
    "cavp": "encoders.cavp",
    "clap": "encoders.clap",
    "clip": "encoders.clip",
    "vjepa2": "encoders.vjepa2",
    "t5": "encoders.t5",
    "bigvgan": "codecs.bigvgan",
    "hifigan": "codecs.hifigan",
    "melgan": "codecs.melgan",
    "mmaudio_vae": "codecs.mel_vae",
    "specvqgan": "codecs.specvqgan",
    "audioldm_vae": "codecs.audioldm",
    "image_vae": "codecs.image_vae",
    "oobleck": "codecs.oobleck",
    "dac_vae": "codecs.dac_vae",
}


def detect(path: Path | str) -> Family | None:
    """The family of a file, None when it is none that is known.

    Raises FoleyError when it is no weights file.
    """
    path = Path(path)
    shapes = read_shapes(path)
    about = read_metadata(path)
    if _NAME.fullmatch(about.get("family", "")):
        return Family(about["family"], about.get("variant", "")[:_LONGEST])
    return detect_shapes(shapes)


def detect_shapes(shapes: Shapes) -> Family | None:
    """As `detect`, from shapes by key."""
    shapes = unwrapped(shapes)
    for checkpoint in dict.fromkeys(row.generator.checkpoint for row in SYSTEMS.values()):
        config = checkpoint.recognise(shapes, {})
        if config is not None:
            return Family(checkpoint.family, checkpoint.variant(config))
    for name, module in _RULES.items():
        variant = import_module(f".{module}", __package__).recognise(shapes)
        if variant is not None:
            return Family(name, variant)
    return None
