"""The mini video encoder learns from videos of one's own and their own sound.

Who shoots a series has clips that look alike. What sounds in them is found in their sound, and the
encoder is trained on a little further, held near to what it was.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..encoders.foley_mini import BIN_RATE, FRAME_RATE, MiniVideoEncoder
from ..encoders.local_motion import local_motion, mirrored
from ..encoders.mini_video import (
    FRAMES_PER_STEP,
    REQUEST,
    SURE,
    bumps,
    chances_of_maps,
    event_chances,
    peaks,
)
from ..errors import CancelCheck, FoleyError, stop_if
from ..media import probe, read_audio, read_frames
from ..onsets.detect import HOP, SAMPLE_RATE, detect_onsets, rise_curve
from ..onsets.matching import match_onsets, shifted_f1
from ..onsets.signals import mono_at
from ..weights.files import save
from .clips import MAP_STEP
from .mini_encoder import event_loss, near_hits

log = logging.getLogger(__name__)

LONGEST = 60.0  # seconds of a clip that are looked at
MOST_SECONDS = 1200.0  # of all clips, 280 MB
FEWEST_ONSETS = 2
TOLERANCE = 0.1  # seconds
STEPS = 80
_CROP, _BATCH = 64, 8  # frames, crops
_RATE, _HOLD = 3e-4, 2.0
_FULL_RISE_DB = 18.0  # of the strongest hits
_FOLDS = 4

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class OwnClip:
    """A video with its sound. maps, camera: of `local_motion`, maps in steps of `MAP_STEP` in 8
    bits; targets `[bins, 3]`; onsets: seconds."""

    name: str
    maps: Tensor
    camera: Tensor
    targets: Tensor
    onsets: np.ndarray

    @property
    def seconds(self) -> float:
        return len(self.maps) / FRAME_RATE


def read_own(
    path: Path, encoder: MiniVideoEncoder, cancelled: CancelCheck | None = None
) -> OwnClip | None:
    """An `OwnClip` of a video, at most its first minute; None where its sound has too few onsets.

    Raises:
        FoleyError: no video, or one without sound.
    """
    info = probe(path)
    if info.is_picture:
        raise FoleyError(f"{path.name} is a single picture, in which nothing moves.")
    seconds = min(info.seconds, LONGEST)
    video = read_frames(path, {"video": REQUEST}, seconds=seconds, cancelled=cancelled)["video"]
    video = video[: max(len(video) // FRAMES_PER_STEP, 1) * FRAMES_PER_STEP]
    sound, rate = read_audio(path, seconds=len(video) / FRAME_RATE)
    onsets = detect_onsets(sound, rate)
    onsets = onsets[onsets < len(video) / FRAME_RATE]
    if len(onsets) < FEWEST_ONSETS:
        return None
    rises = rise_curve(mono_at(sound, rate, SAMPLE_RATE))
    near = np.clip((onsets * SAMPLE_RATE / HOP).astype(int)[:, None] + np.arange(-5, 15), 0, None)
    heights = rises[np.minimum(near, len(rises) - 1)].max(1)
    strengths = np.clip(heights / _FULL_RISE_DB, 0.15, 1.0)
    maps, camera = local_motion(video[None])
    targets = bumps(onsets.tolist(), strengths.tolist(), round(len(video) * BIN_RATE / FRAME_RATE))
    # What it says of continuous sounds stays as it is.
    with torch.inference_mode():
        targets[:, 2] = event_chances(encoder, video, cancelled)[:, 2]
    kept = (maps[0] / MAP_STEP).round().clamp(-127, 127).to(torch.int8)
    return OwnClip(path.name, kept, camera[0], targets.clone(), onsets)


def adapt(
    encoder: MiniVideoEncoder,
    clips: Sequence[OwnClip],
    *,
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    cancelled: CancelCheck | None = None,
) -> MiniVideoEncoder:
    """A copy of the encoder that was trained on clips for `steps` steps. The same seed makes the
    same on one machine.

    Raises:
        Cancelled: as asked.
    """
    rng = np.random.default_rng(seed)
    made = copy.deepcopy(encoder).train().requires_grad_(True)
    begun = [value.detach().clone() for value in made.parameters()]
    optimizer = torch.optim.AdamW(made.parameters(), lr=_RATE, weight_decay=0.0)
    for step in range(steps):
        stop_if(cancelled)
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / 10) * (1 - step / steps)
        maps, camera, targets = _batch(clips, rng)
        loss, _ = event_loss(made.from_maps(maps, camera), targets, near_hits(targets))
        moved = sum(
            ((value - old) ** 2).sum() for value, old in zip(made.parameters(), begun, strict=True)
        )
        optimizer.zero_grad()
        (loss + _HOLD * moved).backward()
        torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimizer.step()
        if progress is not None:
            progress(step + 1, steps)
    return made.eval().requires_grad_(False)


def judged(
    encoder: MiniVideoEncoder,
    clips: Sequence[OwnClip],
    *,
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    cancelled: CancelCheck | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """What learning from clips is worth for others: F1 above chance `[clips]` as it is, and after
    learning from all clips but a few that are left out in turn.

    Raises:
        FoleyError: fewer than two clips. Cancelled: as asked.
    """
    if len(clips) < 2:
        raise FoleyError("One clip cannot be judged by others: give two or more.")
    folds = min(_FOLDS, len(clips))
    before = np.array([above_chance(encoder, clip) for clip in clips])
    after = np.zeros(len(clips))
    for fold in range(folds):

        def show(done: int, total: int, fold: int = fold) -> None:
            if progress is not None:
                progress(fold * total + done, folds * total)

        others = [clip for k, clip in enumerate(clips) if k % folds != fold]
        made = adapt(encoder, others, steps=steps, seed=seed, progress=show, cancelled=cancelled)
        for k in range(fold, len(clips), folds):
            after[k] = above_chance(made, clips[k])
    return before, after


def above_chance(encoder: MiniVideoEncoder, clip: OwnClip) -> float:
    """F1 within 100 ms of the hits that are seen and the onsets that are heard, less that of
    shifted onsets."""
    with torch.inference_mode():
        chances = chances_of_maps(encoder, clip.maps[None] * MAP_STEP, clip.camera[None])
    found = peaks(chances[0, :, 0].numpy(), SURE)
    chance = shifted_f1(found, clip.onsets, clip.seconds, tolerance=TOLERANCE)
    return match_onsets(found, clip.onsets, tolerance=TOLERANCE).f1 - chance


def _batch(clips: Sequence[OwnClip], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Crops of clips, each clip as often as any other."""
    length = min(_CROP, *(len(clip.maps) for clip in clips))
    each = round(BIN_RATE / FRAME_RATE)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(_BATCH):
        clip = clips[int(rng.integers(len(clips)))]
        first = int(rng.integers(len(clip.maps) - length + 1))
        here = slice(first, first + length)
        maps = clip.maps[here] * MAP_STEP
        if rng.random() < 0.5:
            maps = mirrored(maps)
        targets = clip.targets[each * first : each * (first + length)]
        parts.append((maps, clip.camera[here], targets))
    maps, camera, targets = (torch.stack(list(values)) for values in zip(*parts, strict=True))
    return maps, camera, targets


def save_adapted(encoder: MiniVideoEncoder, path: Path, steps: int, clips: int) -> None:
    """Writes weights that stand where those of the bundled encoder do."""
    note = {"family": "video_encoder", "recipe": "adapt", "steps": str(steps), "clips": str(clips)}
    save(path, encoder.state_dict(), note)
