"""Scenes that look filmed: hits where hands touch, a camera's exposure, reproducible frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foleystage.core.scenes import CONTINUOUS
from foleystage.core.scenes.bodies import Ambience
from foleystage.core.scenes.film import Film, spectrum_noise, wander
from foleystage.core.scenes.filmed import PERFORMERS, sample_filmed
from foleystage.core.scenes.limbs import Hand, Stroke, smooth
from foleystage.core.scenes.performers import Performer, rhythm
from foleystage.core.training.clips import event_targets


def first_of(kind: str):
    return next(s for s in map(sample_filmed, range(400)) if s.kind == kind and s.events)


@pytest.mark.parametrize("kind", PERFORMERS)
def test_a_seed_makes_the_same_frames_and_something_moves(kind):
    scene = first_of(kind)
    frames = scene.frames_at(25, 64, 64)
    assert torch.equal(frames, sample_filmed(scene.seed).frames_at(25, 64, 64))
    assert frames.shape == (100, 64, 64)
    assert float((frames[1:].float() - frames[:-1].float()).abs().mean()) > 0.05
    assert all(0 <= event.time < 4 and 0.1 < event.strength <= 1 for event in scene.events)
    assert sample_filmed(scene.seed, "test").look != scene.look


def test_colour_and_grey_show_the_same():
    scene = first_of("performer")
    times = np.arange(6) / 25
    gray = scene.frames(times, 48, 64, gray=True).float()
    colour = scene.frames(times, 48, 64).float() @ torch.tensor([0.299, 0.587, 0.114])
    assert float((gray - colour).abs().mean()) < 12


def test_a_stroke_touches_at_its_hits_and_never_stops_dead_elsewhere():
    rng = np.random.default_rng(0)
    for _ in range(20):
        times = rhythm(rng, 6.0)
        stroke = Stroke.sample(rng, times)
        assert stroke.height(times) == pytest.approx(np.zeros(len(times)), abs=1e-9)
        t = np.arange(0, 6, 0.005)
        height = stroke.height(t)
        assert (height > -1e-9).all() and (height < 1.3).all()
        apart = np.abs(t[:, None] - times[None]).min(1) if len(times) else np.full(len(t), 9.0)
        # The speed changes at once where it hits, or leaves again, and nowhere else.
        jumps = np.abs(np.diff(height, 2))[apart[1:-1] > stroke.dwell + 0.02]
        assert not len(jumps) or jumps.max() < 0.05


def test_a_hand_is_over_its_target_when_it_hits():
    rng = np.random.default_rng(3)
    targets = np.array([[-0.3, 0.1], [0.0, 0.2], [0.4, 0.0]])
    times = np.array([0.5, 0.9, 1.6, 2.4])
    hand = Hand.sample(rng, times, targets, 3.0, 0.3, -1.5)
    x, y = hand.point(times)
    assert np.stack([x, y], 1) == pytest.approx(targets[hand.aims], abs=1e-6)


def test_gestures_are_over_before_the_next_hit():
    rng = np.random.default_rng(5)
    seen = 0
    for _ in range(30):
        performer = Performer(rng, 4.0)
        for hand in performer.hands:
            for start, length, _, _ in hand.gestures:
                seen += 1
                inside = (hand.stroke.times > start) & (hand.stroke.times < start + length)
                assert not inside.any()
    assert seen > 20


def test_a_rolling_shutter_shows_the_lower_lines_later():
    look = Film.sample(np.random.default_rng(0), 4.0)
    look = type(look)(**{**vars(look), "exposure": 0.5, "source_fps": 25.0, "readout": 0.02})
    moments = look.sub_times(np.array([1.0]))
    assert moments.min() >= 1.0 and moments.max() <= 1.0 + 0.02 + 0.02
    shown = torch.from_numpy(moments).float()[:, :, None, None, None].expand(-1, -1, 1, 100, 8)
    exposed = look.expose(shown)[0, 0, :, 0]
    assert (exposed.diff() >= -1e-6).all()
    assert float(exposed[-1] - exposed[0]) == pytest.approx(0.02, abs=0.004)
    even = look.expose(torch.ones(1, look.blur, 1, 100, 8))
    assert torch.allclose(even, torch.ones_like(even), atol=1e-5)


def test_what_is_recorded_has_all_its_frames():
    scene = next(s for s in map(sample_filmed, range(200)) if s.look.quality is not None)
    look = scene.look
    frames = torch.randint(90, 160, (12, 3, 48, 64), dtype=torch.uint8)
    recorded = look.finish(frames.float() / 255, np.arange(12) / 25)
    assert recorded.shape == frames.shape and recorded.dtype == torch.uint8


def test_noise_falls_with_its_frequency():
    field = spectrum_noise(np.random.default_rng(0), 128, 128, 1.0)
    power = np.abs(np.fft.rfft2(field)) ** 2
    assert field.std() == pytest.approx(1, abs=0.01)
    # Amplitude as 1/f: eight times the frequency, a 64th of the power.
    assert power[4, 4] / power[32, 32] == pytest.approx(64, rel=0.05)


def test_a_hand_that_holds_a_camera_drifts_and_trembles_a_little():
    path = wander(np.random.default_rng(0), 200, 0.04)
    assert path.std() == pytest.approx(1, abs=0.01)
    power, frequency = np.abs(np.fft.rfft(path)) ** 2, np.fft.rfftfreq(200, 0.04)
    assert power[frequency < 2].sum() > 0.6 * power.sum()
    assert power[np.abs(frequency - 5) < 2].sum() > 5 * power[frequency > 10].sum()


def test_ambience_has_a_level_all_the_time_and_no_hit():
    scene = first_of("ambience")
    targets = event_targets(scene, 50.0)
    assert (targets[:, 2] == np.float32(scene.actor.strength)).all()
    assert not targets[:, :2].any()
    assert isinstance(scene.actor, Ambience)


def test_rhythms_keep_their_distance_and_some_are_silent():
    rng = np.random.default_rng(1)
    draws = [rhythm(rng, 4.0) for _ in range(300)]
    assert all((np.diff(times) >= 0.11 - 1e-9).all() for times in draws)
    assert 3 < sum(len(times) == 0 for times in draws) < 50
    assert sum(len(times) > 15 for times in draws) > 10


def test_a_move_begins_and_ends_at_rest():
    part = smooth(np.linspace(-0.5, 1.5, 401))
    assert part[0] == 0 and part[-1] == 1
    assert np.abs(np.diff(part, 2)).max() < 2e-4


def test_kinds_of_clean_scenes_are_filmed_too():
    kinds = {sample_filmed(seed).kind for seed in range(150)}
    assert set(PERFORMERS) < kinds and kinds - set(PERFORMERS) - set(CONTINUOUS)
