"""Objects of a picture: each is looked at by itself."""

from __future__ import annotations

import torch
from foleystage.core.evaluation.clips import clip_of
from foleystage.core.loading import load_model
from foleystage.core.media import ImageFrames
from foleystage.core.objects import VideoObject, generate_objects
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.onsets.matching import match_onsets
from foleystage.core.request import Request
from foleystage.core.scenes import sample_scene


def test_a_small_object_is_seen_as_large_as_it_can_be():
    """Hammering in an eighth of the height of a picture, which a glance at the whole would miss."""
    system = load_model("ac_foley_mini")
    seed = 0
    while True:
        scene = sample_scene(seed, "test", seconds=4.0, hard=False, kinds=("hammer",))
        seed += 1
        if len(scene.events) > 3:
            break
    clip = clip_of(scene, system.sample_rate)
    small = clip.picture(25.0, 64, 64).images
    picture = torch.full((len(small), 512, 512, 3), 0.5)
    mask = torch.zeros(1, 512, 512, 3).expand(len(small), -1, -1, -1).clone()
    picture[:, 400:464, 40:104] = small
    mask[:, 400:464, 40:104] = 1
    objects = [VideoObject(ImageFrames(mask, 25.0), "metal hit")]
    takes = generate_objects(ImageFrames(picture, 25.0), objects, system, Request(seed=1))
    (stem,) = takes.stems.values()
    found = detect_onsets(stem[0], takes.sample_rate)
    assert match_onsets(found, clip.times).f1 > 0.9
    left, right = (float(channel.square().mean()) for channel in stem[0])
    assert left > 3 * right
