"""A loaded system: video, words and a reference become streams, these a latent, and that a sound.

The functions work on single parts, wherever they live; `System` binds those of one row.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from .catalog import TEXT_ENCODERS, VIDEO_ENCODERS, SystemSpec
from .context import KnownSound
from .encoders.base import EncodedVideo, Features, Progress
from .encoders.cache import FeatureCache, content_key
from .encoders.video import LazyEncoder, encode_frames, held
from .encoders.video import encode_video as encode_streams
from .errors import CancelCheck, FoleyError
from .generators import Conditions
from .generators.base import LATENT, GeneratorConfig, Streams
from .media import Source, Timing, kept_frames, made_seconds, read_frames
from .media.masking import View, hide, hold_last, led_by_itself
from .media.windowed import read_windows
from .parts import TextEncoderPart, VideoEncoderPart
from .plan import KnownLatent
from .reference import ReferencePick
from .sampling import (
    Long,
    always_conditioned,
    longest_seconds,
    preset,
    sample,
    windows_for,
)
from .sampling.dynamics import Dynamics, dynamics_of
from .sounds import encode_known, encode_lead, encode_reference, reference_spec
from .stores import Store

log = logging.getLogger(__name__)

_FAR = 1.25  # trained lengths beyond which quality drops


def encode_video(
    part: VideoEncoderPart,
    store: Store,
    source: Source,
    *,
    start: float,
    seconds: float,
    to_end: bool,
    timing: Timing = "nearest",
    mask: Source | None = None,
    mask_start: float | None = None,
    view: View | None = None,
    lead: float = 0.0,
    left_out: Sequence[str] = (),
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> EncodedVideo:
    """The streams of a window of a video, decoded once.

    start, seconds: the window; to_end: it is all that is left, which may turn out to be less than
    the file declares. mask: a video as long, black where nothing is to be seen; mask_start: where
    the window starts in it. view: the part of both pictures that is seen. lead: seconds before the
    window in which its own first frames are seen, over and over where it is shorter. left_out:
    streams that are not made.

    Raises:
        FoleyError: what cannot be read or encoded. Cancelled: as asked.
    """
    kept = {name: one for name, one in part.requests.items() if name not in left_out}
    wanted = {name: replace(one.timed(timing), view=view) for name, one in kept.items()}
    span = padded = seconds

    def fit(counts: Mapping[str, int]) -> dict[str, int]:
        """How many frames each stream has, which is only known when all are read."""
        nonlocal span, padded
        if to_end:
            span = min(seconds, max(count / wanted[name].fps for name, count in counts.items()))
        made = made_seconds(counts, wanted, span)
        padded = part.round_up_seconds(made)
        return kept_frames(counts, wanted, padded, made=made)

    if part.encoders and mask is None and view is None and not lead:
        encoders = {name: lazy_encoder(part, store, name) for name in wanted}
        features = encode_streams(
            source,
            encoders,
            start=start,
            seconds=seconds,
            timing=timing,
            fit=fit,
            cache=cache,
            progress=progress,
            cancelled=cancelled,
        )
    else:
        read = partial(read_frames, seconds=seconds, cancelled=cancelled)
        frames = read(source, wanted, start=start, progress=progress)
        if mask is not None:
            masks = read(mask, wanted, start=start if mask_start is None else mask_start)
            frames = {k: hide(f, hold_last(masks[k], len(f))[: len(f)]) for k, f in frames.items()}
        counts = fit({name: len(value) for name, value in frames.items()})
        frames = {k: hold_last(f, counts[k])[: counts[k]] for k, f in frames.items()}
        frames = {k: led_by_itself(f, round(lead * wanted[k].fps)) for k, f in frames.items()}
        encoded = _encode_held(part, store, frames, span, padded + lead, cache, cancelled)
        chance = encoded.chance
        if chance is not None and lead:
            chance = chance[round(lead / encoded.padded * len(chance)) :]
        return replace(encoded, chance=chance)
    return EncodedVideo({name: one.values for name, one in features.items()}, span, padded)


def encode_windows(
    part: VideoEncoderPart,
    store: Store,
    source: Source,
    times: Sequence[tuple[float, float]],
    *,
    timing: Timing = "nearest",
    left_out: Sequence[str] = (),
    cache: FeatureCache | None = None,
    cancelled: CancelCheck | None = None,
) -> Iterator[EncodedVideo]:
    """The streams of overlapping windows of a video, each as of a clip of its own; the video is
    decoded once, as they are asked for.

    times: as of `read_windows`. A window that reaches past the end holds its last frame.

    Raises:
        FoleyError: what cannot be read or encoded. Cancelled: as asked.
    """
    wanted = {n: one.timed(timing) for n, one in part.requests.items() if n not in left_out}
    with closing(read_windows(source, wanted, times, cancelled=cancelled)) as windows:
        for (start, stop), frames in zip(times, windows):
            there = {name: len(value) for name, value in frames.items()}
            span = min(stop - start, max(n / wanted[k].fps for k, n in there.items()))
            padded = part.round_up_seconds(stop - start)
            counts = kept_frames(there, wanted, padded, made=padded)
            held = {k: hold_last(f, counts[k])[: counts[k]] for k, f in frames.items()}
            yield _encode_held(part, store, held, span, padded, cache, cancelled)


def _encode_held(
    part: VideoEncoderPart,
    store: Store,
    frames: Mapping[str, Tensor],
    seconds: float,
    padded: float,
    cache: FeatureCache | None,
    cancelled: CancelCheck | None,
) -> EncodedVideo:
    """The streams of frames in memory."""
    if part.encode is not None:
        with store.using("video") as module:
            return replace(part.encode(module, frames, cancelled), seconds=seconds)
    encode = partial(encode_frames, cache=cache, cancelled=cancelled)
    features = {k: encode(f, lazy_encoder(part, store, k)) for k, f in frames.items()}
    return EncodedVideo({name: one.values for name, one in features.items()}, seconds, padded)


def encode_image(
    part: VideoEncoderPart,
    store: Store,
    source: Source,
    *,
    seconds: float | None = None,
    mask: Source | None = None,
    view: View | None = None,
    left_out: Sequence[str] = (),
    cache: FeatureCache | None = None,
) -> EncodedVideo:
    """What a single picture shows, held for a take of `seconds` (None: as long as was trained).

    Raises:
        FoleyError: an encoder of motion alone.
    """
    if not part.still:
        raise FoleyError("The video is a single picture, so nothing moves in it; give more frames.")
    seconds = part.still_seconds if seconds is None else seconds
    kept = (name for name in part.still if name not in left_out)
    wanted = {name: replace(part.requests[name], view=view) for name in kept}
    frames = {name: value[:1] for name, value in read_frames(source, wanted).items()}
    if mask is not None:
        masks = read_frames(mask, wanted)
        frames = {name: hide(value, masks[name][:1]) for name, value in frames.items()}
    padded = part.round_up_seconds(seconds)
    counts = kept_frames(dict.fromkeys(wanted, 1), wanted, padded)
    streams = {}
    for name, value in frames.items():
        features = encode_frames(value, lazy_encoder(part, store, name), cache=cache)
        streams[name] = features.values.expand(1, counts[name], -1)
    return EncodedVideo(streams, seconds, padded)


def lazy_encoder(part: VideoEncoderPart, store: Store, stream: str) -> LazyEncoder:
    """An encoder of a row, loaded when there is something new to encode."""
    layout = part.encoders[stream].layout
    return LazyEncoder(layout, store.weights(stream), partial(store.using, stream))


def encode_texts(
    part: TextEncoderPart,
    store: Store,
    prompts: Sequence[str],
    cache: FeatureCache | None = None,
) -> list[dict[str, Tensor]]:
    """The text stream `[1, N, D]` of each prompt by its name, float32 on the CPU; none where it
    says nothing. The encoder is loaded once, and only for a new one."""
    with ExitStack() as stack:
        opened: list[nn.Module] = []

        def compute(prompt: str) -> Features:
            if not opened:
                opened.append(stack.enter_context(store.using("text")))
                # Before the store frees it.
                stack.callback(opened.clear)
            stream = part.encode(opened[0], prompt)
            # An empty stream stands for None, since the cache keeps tensors.
            return Features(torch.zeros(1, 0, 0) if stream is None else stream.float().cpu(), 0.0)

        def encode(prompt: str) -> dict[str, Tensor]:
            if not prompt.strip():
                return {}
            make = partial(compute, prompt)
            key = content_key("words", store.weights("text"), prompt)
            stream = (make() if cache is None else cache.get(key, make, 1)).values
            return {part.stream: stream} if stream.shape[1] else {}

        return [encode(prompt) for prompt in prompts]


@dataclass(eq=False)
class System:
    """A row whose parts are in a store. name: the row's, or that of a file of one's own. cache: of
    features of videos and words, where the encoders are worth it."""

    name: str
    row: SystemSpec
    store: Store
    cache: FeatureCache | None = None

    @property
    def config(self) -> GeneratorConfig:
        """Of its generator."""
        return self.row.config

    @property
    def dynamics(self) -> Dynamics:
        """Of its generator, which is loaded for it."""
        with self.store.using("generator") as generator:
            return dynamics_of(generator.dynamics)

    @property
    def sample_rate(self) -> int:
        """Of its sound."""
        return self.row.sample_rate

    @property
    def video_encoder(self) -> VideoEncoderPart:
        """The row of its video encoder."""
        return VIDEO_ENCODERS[self.row.video]

    def encode_video(self, source: Source, **options) -> EncodedVideo:
        """See `encode_video`."""
        return encode_video(self.video_encoder, self.store, source, cache=self.cache, **options)

    def encode_windows(
        self, source: Source, times: Sequence[tuple[float, float]], **options
    ) -> Iterator[EncodedVideo]:
        """See `encode_windows`."""
        part = self.video_encoder
        return encode_windows(part, self.store, source, times, cache=self.cache, **options)

    @property
    def places_hits(self) -> bool:
        """Whether hits of one's own can be put in the place of those that it sees."""
        return bool(self.row.video) and self.video_encoder.place_hits is not None

    def place_hits(
        self, video: EncodedVideo, times: Sequence[float], strengths: Sequence[float]
    ) -> EncodedVideo:
        """See `VideoEncoderPart.place_hits`, without which nothing changes."""
        place = self.video_encoder.place_hits if self.row.video else None
        return video if place is None else place(video, times, strengths)

    def without_hits(self, video: EncodedVideo, times: Sequence[float]) -> EncodedVideo:
        """What was encoded, with what moves held around some times, in seconds: a system that knows
        no hits then sees less of one."""
        part, streams = self.video_encoder, dict(video.streams)
        for name in streams.keys() - set(part.still):
            streams[name] = held(streams[name], *part.moments(name), times)
        return replace(video, streams=streams)

    def encode_image(self, source: Source, **options) -> EncodedVideo:
        """See `encode_image`."""
        return encode_image(self.video_encoder, self.store, source, cache=self.cache, **options)

    def encode_words(self, prompt: str, negative: str = "") -> tuple[Streams, Streams]:
        """The text streams of a prompt and of a negative one; none where they say nothing."""
        if not self.row.text:
            if prompt.strip() or negative.strip():
                log.warning("%s follows the picture alone; the words have no effect.", self.name)
            return {}, {}
        part = TEXT_ENCODERS[self.row.text]
        positive, away = encode_texts(part, self.store, (prompt, negative), self.cache)
        return positive, away

    def encode_reference(
        self,
        reference,
        pick: ReferencePick = ReferencePick(),  # noqa: B008 - frozen
        rng: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The reference stream by its name; nothing without a reference."""
        if reference is None:
            return {}
        spec = reference_spec(replace(self.row, name=self.name))
        return encode_reference(spec, self.store, reference, pick, rng)

    def encode_lead(
        self,
        reference,
        pick: ReferencePick = ReferencePick(),  # noqa: B008 - frozen
    ) -> tuple[Tensor, float]:
        """See `sounds.encode_lead`."""
        row = replace(self.row, name=self.name)
        return encode_lead(row, self.store, reference, pick)

    def encode_known(self, sound: KnownSound, seconds: float) -> KnownLatent:
        """See `sounds.encode_known`."""
        return encode_known(self.config, self.store, sound, seconds, self.row.loudness)

    def latent_length(self, seconds: float) -> int:
        """Latent frames of so many seconds."""
        return self.config.lengths(seconds)[LATENT]

    def longest(self, seconds: float, long: Long | None) -> float:
        """As many of the seconds asked for as can be made; says so where they are fewer."""
        longest = longest_seconds(self.config, long)
        if seconds <= longest:
            return seconds
        log.warning(
            "%s makes %.2f s in one pass, so the sound ends there, %.2f s before the picture; "
            "windows make all of it (--long windows).",
            self.name,
            longest,
            seconds - longest,
        )
        return longest

    def seconds_made(self, seconds: float, long: Long | None) -> float:
        """What is made for a take of `seconds`; says so where it is far beyond the training."""
        trained = self.config.trained_seconds
        made = self.config.round_up_seconds(seconds)
        if self.row.degrades and made > _FAR * trained:
            windows = windows_for(self.config, made, long)
            log.warning(
                "%.1f s is far beyond the %g s that %s was trained on: it is made in %s, "
                "and quality drops; shorter parts sound better.",
                made,
                trained,
                self.name,
                "joined windows" if windows else "one pass",
            )
        return made

    def sample(
        self,
        conditions: Conditions,
        *,
        cfg: float | None = None,
        steps: int | None = None,
        published: bool = False,
        long: Long | None = None,
        **options,
    ) -> Tensor:
        """Latents `[B, N, C]` by the system's own sampling, or a scale and steps of one's own.

        published: see `sampling.cfg`. long: see `windows_for`. options: of `sampling.sample`.

        Raises:
            FoleyError: a wrong argument, or not enough memory. Cancelled: as asked.
        """
        own = self.row.sampling
        windows = windows_for(self.config, conditions.seconds, long)
        with self.store.using("generator") as generator:
            kept = always_conditioned(generator)
            given, words = conditions.positive.keys(), self.row.words
            guidance = preset(own, cfg, kept=kept, words=words, given=given, published=published)
            try:
                return sample(
                    generator,
                    conditions,
                    guidance,
                    solver=own.solver,
                    steps=own.steps if steps is None else steps,
                    temperature=own.temperature,
                    windows=windows,
                    **options,
                )
            except torch.OutOfMemoryError as error:
                raise FoleyError(
                    f"{self.name} ran out of memory on {self.store.device}; make fewer takes at "
                    "once or a shorter part, or load it in 8 bits (fp8)."
                ) from error

    def decode(self, latents: Tensor) -> Tensor:
        """Sound `[B, channels, T]`, float32 on the CPU."""
        with self.store.using("decoder") as codec:
            return codec.decode(latents).float().cpu()
