"""Synthetic scenes: truth, determinism, disjoint splits, randomised filming."""

from __future__ import annotations

import numpy as np
import pytest
from foleystage.core.encoders.local_motion import FLOW_CHANNELS, local_motion
from foleystage.core.scenes import CONTINUOUS, IMPACTS, KINDS, sample_scene
from foleystage.core.scenes.pairs import scene_sound
from foleystage.core.scenes.strikers import Strike
from foleystage.core.scenes.timing import sample_times
from foleystage.core.training.clips import event_targets


def test_a_seed_always_gives_the_same_picture_and_sound():
    first, second = (sample_scene(5, "train", seconds=1.0) for _ in range(2))
    assert first.events == second.events
    assert (first.frames_at(25, 32, 32) == second.frames_at(25, 32, 32)).all()
    assert np.array_equal(scene_sound(first, 16000)[1], scene_sound(second, 16000)[1])


def test_splits_share_no_scene():
    scenes = [sample_scene(3, split) for split in ("train", "validation", "test")]
    assert len({scene.look.seed for scene in scenes}) == 3
    assert len({scene.sound_seed for scene in scenes}) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_happens_and_is_seen(kind):
    scenes = [
        sample_scene(seed, "train", seconds=3.0, hard=False, kinds=(kind,)) for seed in range(6)
    ]
    assert sum(len(scene.events) for scene in scenes) > 3
    scene = next(scene for scene in scenes if scene.events)
    frames = scene.frames_at(25, 48, 48).float()
    assert float((frames[1:] - frames[:-1]).abs().mean()) > 0.05
    for event in scene.events:
        assert 0 <= event.time < 3.0
        assert 0.1 < event.strength <= 1
        assert (event.duration > 0) == (kind in CONTINUOUS)


@pytest.mark.parametrize("kind", [k for k in IMPACTS if k not in ("burst", "topple", "drops")])
def test_motion_changes_most_near_the_hits(kind):
    """What the eye takes for a hit: around it the motion changes more than elsewhere."""
    near, far = [], []
    for seed in range(8):
        scene = sample_scene(seed, "train", seconds=4.0, hard=False, kinds=(kind,))
        maps, _ = local_motion(scene.frames_at(25, 128, 128)[None])
        flow = maps[0, :, FLOW_CHANNELS[-1] :]
        change = (flow[1:] - flow[:-1]).norm(dim=1).amax((1, 2)).numpy()
        times = (np.arange(len(change)) + 1) / 25
        apart = np.min(
            np.abs(times[:, None] - np.array([e.time for e in scene.events] or [-9.0])), axis=1
        )
        near += list(change[apart < 0.05])
        far += list(change[apart > 0.2])
    assert np.mean(near) > 1.2 * np.mean(far)


def test_a_strike_touches_its_target_at_the_hits_only():
    rng = np.random.default_rng(0)
    strike = Strike.sample(rng, np.array([0.5, 1.1, 2.0]))
    assert np.allclose(strike.height(np.array([0.5, 1.1, 2.0])), 0, atol=1e-9)
    assert (strike.height(np.array([0.3, 0.9, 1.7, 3.0])) > 0.05).all()


def test_events_keep_their_distance_and_some_scenes_are_silent():
    rng = np.random.default_rng(1)
    draws = [sample_times(rng, 4.0) for _ in range(300)]
    assert 4 < sum(len(times) == 0 for times in draws) < 40
    assert all((np.diff(times) >= 0.159).all() for times in draws)


def test_hard_filming_varies_what_it_says():
    looks = [sample_scene(seed, "train").look for seed in range(60)]
    assert {look.source_fps for look in looks} >= {12.5, 25.0, 60.0}
    assert len({look.aspect for look in looks}) >= 5
    assert len({look.distractors for look in looks}) == 4
    assert any(look.cut for look in looks) and any(look.jpeg for look in looks)


def test_targets_peak_at_the_hits():
    scene = next(s for s in map(sample_scene, range(50)) if s.kind in IMPACTS and len(s.events) > 2)
    targets = event_targets(scene, 50.0)
    for event in scene.events:
        assert targets[int(event.time * 50) : int(event.time * 50) + 2, 0].max() > 0.8
    assert targets[..., 2].max() == 0


def test_the_reference_is_another_performance_of_the_same_object():
    scene = sample_scene(4, "test", kinds=("hammer",))
    material, target, reference = scene_sound(scene, 16000)
    assert len(reference) == round(1.92 * 16000)
    assert np.abs(reference).max() > 0.01
    assert material in ("air",) or np.isfinite(target).all()
    assert not np.array_equal(target[: len(reference)], reference)
