"""From grey frames to the `sync` stream of the minis, for clips of any length."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import CancelCheck, stop_if
from ..media import FrameRequest
from .base import EncodedVideo
from .foley_mini import (
    BIN_RATE,
    FRAME_RATE,
    FRAME_SIZE,
    MiniVideoEncoder,
    events_of_sync,
    sync_from_events,
)
from .local_motion import local_motion, mirrored

log = logging.getLogger(__name__)

REQUEST = FrameRequest(FRAME_RATE, FRAME_SIZE, resample="area", gray=True)
FRAMES_PER_STEP = 4  # a take is a whole number of 0.16 s
SURE = 0.5  # chance from which there is a hit
_STILL = 4.0  # levels of 255: a change of 8 x 8 pixels that is noise
_FAINT = 0.1  # level below which there is no sweep
_APART = 0.08  # seconds between two hits, at least
_BUMP_SECONDS = 0.02
_WHOLE_FRAMES = 750
_CHUNK, _OVERLAP = 500, 40


def round_up_seconds(seconds: float) -> float:
    """The shortest whole number of 0.16 s that is at least `seconds`."""
    step = FRAMES_PER_STEP / FRAME_RATE
    return max(math.ceil(seconds / step - 1e-6), 1) * step


@torch.inference_mode()
def encode_events(
    encoder: MiniVideoEncoder, frames: Mapping[str, Tensor], cancelled: CancelCheck | None = None
) -> EncodedVideo:
    """The `sync` stream `[1, bins, 3]` and the chance of a hit `[bins]`, both at 50 Hz.

    frames: "video", grey uint8 [T, 128, 128] at 25 fps; the last one is held to fill 0.16 s.

    The mean counts of the picture and its mirror image. Where it finds no hit and no continuous
    sound, the log says so.
    """
    video = frames["video"]
    missing = -len(video) % FRAMES_PER_STEP
    video = torch.cat([video, video[-1:].expand(missing, -1, -1)])
    video = video.to(next(encoder.parameters()).device)
    chances = event_chances(encoder, video, cancelled)
    chances = chances.float().cpu()
    times = peaks(chances[:, 0].numpy(), SURE)
    if not len(times) and float(chances[:, 2].max()) <= _FAINT:
        log.warning(
            "The video encoder sees no hit in this video; a cue sheet (foleystage cues, Foley "
            "Timeline) puts hits where they are wanted."
            if _moves(video)
            else "Nothing moves in this video, so there is nothing to time a sound by."
        )
    bins = np.minimum((times * BIN_RATE).astype(int), len(chances) - 1)
    events = bumps(times.tolist(), chances[bins, 1].tolist(), len(chances))
    events[:, 2] = chances[:, 2] * (chances[:, 2] > _FAINT)
    sync = sync_from_events(events[None]).to(video.device)
    seconds = len(chances) / BIN_RATE
    return EncodedVideo({"sync": sync}, seconds, seconds, chances[:, 0])


def place_hits(
    video: EncodedVideo, times: Sequence[float], strengths: Sequence[float]
) -> EncodedVideo:
    """What was encoded, with hits at `times` in the place of those that were seen; continuous
    sounds stay."""
    chances = bumps(times, strengths, round(video.padded * BIN_RATE))
    seen = video.streams.get("sync")
    if seen is not None:
        chances[:, 2] = events_of_sync(seen[0, :, 2].cpu())
        chances = chances.to(seen.device)
    sync = sync_from_events(chances[None])
    return replace(video, streams={**video.streams, "sync": sync}, chance=chances[:, 0])


def seen_hits(streams: Mapping[str, Tensor]) -> tuple[list[float], list[float]]:
    """Times in seconds and strengths of the hits that were seen; `place_hits` of them changes
    nothing."""
    events = events_of_sync(streams["sync"][0].cpu())
    times = peaks(events[:, 0].numpy(), SURE)
    bins = (times * BIN_RATE).astype(int)
    return times.tolist(), events[bins, 1].tolist()


def event_chances(
    encoder: MiniVideoEncoder, frames: Tensor, cancelled: CancelCheck | None
) -> Tensor:
    """Chances [2T, 3] of hit, strength and level, of frames [T, 128, 128]; clips over half a minute
    in overlapping chunks, so that memory stays flat."""
    parts = []
    whole = len(frames) <= _WHOLE_FRAMES
    for first in range(0, len(frames), len(frames) if whole else _CHUNK):
        stop_if(cancelled)
        last = len(frames) if whole else min(first + _CHUNK, len(frames))
        start, stop = max(first - _OVERLAP, 0), min(last + _OVERLAP, len(frames))
        maps, camera = local_motion(frames[None, start:stop])
        chances = chances_of_maps(encoder, maps, camera)[0]
        parts.append(chances[2 * (first - start) : 2 * (last - start)])
    return torch.cat(parts)


def chances_of_maps(encoder: MiniVideoEncoder, maps: Tensor, camera: Tensor) -> Tensor:
    """Chances `[B, 2T, 3]` of what `local_motion` gives: the mean counts of the picture and its
    mirror image."""
    logits = encoder.from_maps(maps, camera) + encoder.from_maps(mirrored(maps), camera)
    return (logits / 2).sigmoid()


def peaks(
    curve: np.ndarray, threshold: float, rate: float = BIN_RATE, apart: float = _APART
) -> np.ndarray:
    """Times in seconds of the local maxima of a curve of bins, the highest taken first."""
    higher = (curve >= np.roll(curve, 1)) & (curve > np.roll(curve, -1)) & (curve >= threshold)
    inner = np.flatnonzero(higher)
    taken: list[int] = []
    for index in inner[np.argsort(-curve[inner])]:
        if all(abs(index - other) >= apart * rate for other in taken):
            taken.append(int(index))
    return (np.sort(np.array(taken, dtype=float)) + 0.5) / rate


def bumps(times: Sequence[float], strengths: Sequence[float], bins: int) -> Tensor:
    """Chances [bins, 3] as in training: a Gaussian of 20 ms at each hit, and its strength."""
    centres = (torch.arange(bins) + 0.5) / BIN_RATE
    chances = torch.zeros(bins, 3)
    for time, strength in zip(times, strengths, strict=True):
        bump = torch.exp(-0.5 * ((centres - time) / _BUMP_SECONDS) ** 2)
        nearer = bump > chances[:, 0].clamp_min(0.13)
        chances[:, 1] = torch.where(nearer, torch.tensor(strength), chances[:, 1])
        chances[:, 0] = torch.maximum(chances[:, 0], bump)
    return chances


def _moves(frames: Tensor) -> bool:
    """Whether any place of grey frames `[T, S, S]` changes from one frame to the next."""
    for first in range(0, len(frames) - 1, _CHUNK):
        part = frames[first : first + _CHUNK + 1].float()
        if float(F.avg_pool2d(part.diff(dim=0).abs()[:, None], 8).max()) > _STILL:
            return True
    return False
