"""A sound for each object in a video: each is seen by itself, has its own words, and is heard where
it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from .cues import CueSheet
from .errors import CancelCheck, FoleyError
from .media import ImageFrames, Source
from .media.masking import view_of
from .media.mixing import MOST_STEMS, stem_titles
from .media.placing import path_of, placed
from .mixdown import mixdown
from .pipeline import generate
from .request import Request, Sound, Takes
from .system import System


@dataclass(frozen=True, eq=False)
class VideoObject:
    """mask: a video as long, white where the object is. level: dB. title: of its stem."""

    mask: ImageFrames
    prompt: str = ""
    negative: str = ""
    reference: Sound | None = None
    level: float = 0.0
    title: str = ""


def generate_objects(
    source: Source,
    objects: Sequence[VideoObject],
    system: System,
    request: Request,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    progress: Callable[[str, int, int], None] | None = None,
    cancelled: CancelCheck | None = None,
) -> Takes:
    """Takes in stereo with a stem for each object; what `request` says of words counts for none.

    width, depth: see `media.placing`; what is largest is as loud as it was made.

    Raises:
        FoleyError: as `pipeline.generate`; a mask without an object, no or too many objects.
    """
    if not 1 <= len(objects) <= MOST_STEMS:
        raise FoleyError(f"There are {len(objects)} objects: give 1 to {MOST_STEMS}.")
    names = [one.title or one.prompt.strip() or f"object {k}" for k, one in enumerate(objects, 1)]
    titles = stem_titles(names)
    masks = [one.mask.images[..., 0] for one in objects]
    paths = [
        path_of(mask, one.mask.fps, f"The mask of {title}")
        for mask, one, title in zip(masks, objects, titles)
    ]
    nearest = max(path.size for path in paths)
    layers: list[Tensor] = []
    for number, (one, mask, path) in enumerate(zip(objects, masks, paths)):

        def show(stage: str, step: int, total: int, number: int = number) -> None:
            if progress is not None:
                progress(stage, number * total + step, len(objects) * total)

        asked = replace(
            request,
            prompt=one.prompt,
            negative=one.negative,
            reference=one.reference,
            loudness=None,
            offset=0.0,
        )
        made = generate(
            source,
            system,
            asked,
            mask=one.mask,
            view=view_of(mask),  # encoders look at few pixels
            progress=show,
            cancelled=cancelled,
        )
        rate, gain = made.sample_rate, 10 ** (one.level / 20)
        # A mask is of the whole video, a take of a part of it.
        first = round(request.start * path.fps)
        path = replace(path, x=path.x[first:], share=path.share[first:])
        layers.append(
            gain * placed(made.waveforms, rate, path, width=width, depth=depth, nearest=nearest)
        )
    mixed = mixdown(
        layers, rate, range(1, request.takes + 1), replace(request, stems=True), CueSheet()
    )
    stems = dict(zip(titles, mixed.stems))
    return replace(made, waveforms=mixed.waveforms, loudness=mixed.loudness, stems=stems)
