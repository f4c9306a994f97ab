"""From grey frames to the streams that `ac_foley_mini` listens to, for clips of any length."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import Cancelled
from ..media import FrameRequest
from .foley_mini import (
    BIN_RATE,
    FRAME_RATE,
    FRAME_SIZE,
    MiniVideoEncoder,
    clip_stream,
    sync_from_events,
    sync_stream,
)
from .motion import measure_motion, stop_curve

log = logging.getLogger(__name__)

REQUEST = FrameRequest(FRAME_RATE, FRAME_SIZE, resample="area", gray=True)
FRAMES_PER_STEP = 4  # a take is a whole number of 0.16 s
SURE = 0.35  # chance from which a moment counts as a hit
_BLIND = 0.2  # below this everywhere, the encoder saw nothing
_STILL = 4 / 255  # mean |r| of the fastest 5 % of the picture below which nothing moves
_WHOLE_FRAMES = 750
_CHUNK, _OVERLAP = 500, 40
_BUMP_SECONDS = 0.02


@dataclass(frozen=True)
class Seen:
    """What was seen: streams for the generator, and the chance of a hit at 50 Hz, (bins,)."""

    sync: Tensor  # (1, bins, 99)
    clip: Tensor | None  # (1, bins / 8, 96); None when the motion curve stood in
    chance: Tensor
    source: str  # "encoder", "motion curve" or "nothing"


@torch.inference_mode()
def watch(
    encoder: MiniVideoEncoder, frames: Tensor, *, cancelled: Callable[[], bool] | None = None
) -> Seen:
    """Streams of grey frames (T, 64, 64) uint8 at 25 fps; the last frame is held to fill 0.16 s.

    Where the encoder sees no hit and no sweep although something moves, the weight-free stop curve
    takes its place (and the log says so).
    """
    missing = -len(frames) % FRAMES_PER_STEP
    frames = torch.cat([frames, frames[-1:].expand(missing, -1, -1)])
    device = next(encoder.parameters()).device
    features, logits = _encode(encoder, frames.to(device), cancelled)
    chances = logits.sigmoid()
    if float(chances[..., (0, 2)].max()) >= _BLIND:
        sync = sync_stream(features, logits)
        return Seen(sync, clip_stream(sync), chances[0, :, 0].cpu(), "encoder")
    motion = measure_motion(frames[None].to(device))
    fastest = motion.residual.abs().flatten(2).topk(50, dim=-1).values.mean(-1)
    if float(fastest.max()) < _STILL:
        log.warning("Nothing moves in this video, so there is nothing to time a sound by.")
        sync = sync_stream(features, logits)
        return Seen(sync, clip_stream(sync), chances[0, :, 0].cpu(), "nothing")
    log.warning("The video encoder saw no hit; hits are placed where fast motion stops instead.")
    events = events_of_curve(stop_curve(motion)[0])
    return Seen(sync_from_events(events[None]), None, events[:, 0].cpu(), "motion curve")


def events_of_curve(curve: Tensor) -> Tensor:
    """Chances (2T, 3) of hits at the clear peaks of a motion curve (T,) at 25 Hz."""
    height = float(curve.mean() + 1.5 * curve.std())
    inner = (curve[1:-1] >= curve[:-2]) & (curve[1:-1] > curve[2:]) & (curve[1:-1] > height)
    times = (inner.nonzero()[:, 0] + 1) / FRAME_RATE
    strength = (curve[1:-1][inner] / curve.max()).sqrt()
    return bumps(times.tolist(), strength.tolist(), 2 * len(curve)).to(curve.device)


def bumps(times: list[float], strengths: list[float], bins: int) -> Tensor:
    """Chances (bins, 3) as the generator was taught them: a Gaussian of 20 ms at each hit, and
    its strength.
    """
    moments = (torch.arange(bins) + 0.5) / BIN_RATE
    chances = torch.zeros(bins, 3)
    for time, strength in zip(times, strengths, strict=True):
        bump = torch.exp(-0.5 * ((moments - time) / _BUMP_SECONDS) ** 2)
        chances[:, 1] = torch.where(
            bump > chances[:, 0].clamp_min(0.13), torch.tensor(strength), chances[:, 1]
        )
        chances[:, 0] = torch.maximum(chances[:, 0], bump)
    return chances


def _encode(encoder: MiniVideoEncoder, frames: Tensor, cancelled) -> tuple[Tensor, Tensor]:
    """Features and logits; clips over half a minute in overlapping chunks, so that memory stays
    flat.
    """
    if len(frames) <= _WHOLE_FRAMES:
        return encoder(frames[None])
    features, logits = [], []
    for first in range(0, len(frames), _CHUNK):
        if cancelled is not None and cancelled():
            raise Cancelled
        start, stop = max(first - _OVERLAP, 0), min(first + _CHUNK + _OVERLAP, len(frames))
        keep = slice(2 * (first - start), 2 * (min(first + _CHUNK, len(frames)) - start))
        for part, whole in zip(encoder(frames[None, start:stop]), (features, logits), strict=True):
            whole.append(part[:, keep])
    return torch.cat(features, 1), torch.cat(logits, 1)
