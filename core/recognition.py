"""Which family a weights file is of, from its keys and shapes, not from its name.

What is a network's own stands in its file, as `recognise`; here is the order of asking.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from .weights.families import Family, Shapes, unwrapped
from .weights.files import read_metadata
from .weights.load import read_shapes

Rule = Callable[[Shapes], "str | None"]


def detect(path: Path | str) -> Family | None:
    """The family of a file, None when it is none that is known.

    Raises FoleyError when it is no weights file.
    """
    path = Path(path)
    shapes = read_shapes(path)
    about = read_metadata(path)
    if about.get("family"):
        return Family(about["family"], about.get("variant", ""))
    return detect_shapes(shapes)


def detect_shapes(shapes: Shapes) -> Family | None:
    """As `detect`, from shapes by key."""
    from .generators.families import family_of

    shapes = unwrapped(shapes)
    family = family_of(shapes)
    if family is not None:
        return family
    for name, recognise in _rules():
        variant = recognise(shapes)
        if variant is not None:
            return Family(name, variant)
    return None


@functools.cache
def _rules() -> tuple[tuple[str, Rule], ...]:
    """Families in the order of asking; their modules are imported when a file is first asked of."""
    from .codecs import (
        audioldm,
        bigvgan,
        dac_vae,
        hifigan,
        image_vae,
        mel_vae,
        melgan,
        oobleck,
        specvqgan,
        stable_audio,
    )
    from .encoders import cavp, clap, clip, synchformer, t5, vjepa2

    return (
        # Its whole file holds Oobleck as well.
        ("stable_audio", stable_audio.recognise),
        ("synchformer", synchformer.recognise),
        ("cavp", cavp.recognise),
        ("clap", clap.recognise),
        ("clip", clip.recognise),
        ("vjepa2", vjepa2.recognise),
        ("t5", t5.recognise),
        ("bigvgan", bigvgan.recognise),
        ("hifigan", hifigan.recognise),
        ("melgan", melgan.recognise),
        ("mmaudio_vae", mel_vae.recognise),
        ("specvqgan", specvqgan.recognise),
        ("audioldm_vae", audioldm.recognise),
        ("image_vae", image_vae.recognise),
        ("oobleck", oobleck.recognise),
        ("dac_vae", dac_vae.recognise),
    )
