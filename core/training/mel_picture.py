"""How the bundled `mel_picture_codec` was made: a PCA, fitted in half a minute, no training."""

from __future__ import annotations

from pathlib import Path

import torch

from ..codecs.mel_picture import CHANNELS, MelPicture
from ..scenes import sample_scene
from ..scenes.pairs import scene_sound
from ..weights.files import save

_SECONDS = 5.12


def fit_mel_picture(clips: int = 400, channels: int = CHANNELS) -> MelPicture:
    """The PCA of the sounds of training scenes 0..clips-1."""
    picture, rate = MelPicture(channels), 32000
    scenes = [sample_scene(seed, "train", seconds=_SECONDS) for seed in range(clips)]
    sounds = [torch.from_numpy(scene_sound(scene, rate)[1])[None] for scene in scenes]
    picture.fit([sound[:, : round(_SECONDS * rate)] for sound in sounds])
    return picture


def write_mel_picture(path: Path) -> None:
    """Fit, and write the file that is bundled."""
    about = {"family": "mel_picture", "recipe": "mdsgen_mini", "licence": "Apache-2.0"}
    save(path, fit_mel_picture().state_dict(), about, torch.float32)
