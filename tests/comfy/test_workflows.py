"""Every bundled workflow, run as it is."""

from __future__ import annotations

import json
import math
from pathlib import Path

import av
import numpy as np
import pytest
from graphs import api_of

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
MINIS = ROOT / "core" / "weights" / "minis"
TRAINED = (MINIS / "ac_foley_mini.safetensors").is_file()
# Without a picture: a sound is saved, and no scene says when things happen in it.
OF_WORDS = ("words to sound",)
MINUTE = "one minute, no seam"


def test_the_template_browser_lists_them(server):
    listed = server.get("/workflow_templates")["foleystage"]
    assert sorted(listed) == [path.stem for path in WORKFLOWS] and len(listed) >= 6


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_has_a_note_and_a_thumbnail(path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    assert any(node["type"] == "MarkdownNote" for node in workflow["nodes"])
    assert path.with_suffix(".jpg").is_file()


@pytest.fixture(scope="module")
def hits():
    """When things happen in the bundled clip, from the scene that it was rendered of."""
    from foleystage.core.scenes import sample_scene

    scene = sample_scene(108, "test", seconds=8.0, hard=False, kinds=("hammer",))
    return [event.time for event in scene.events]


@pytest.mark.skipif(not TRAINED, reason="the bundled minis are not in this checkout")
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_runs_as_it_is(server, path, hits):
    from foleystage.core.media import read_audio
    from foleystage.core.onsets.detect import detect_onsets

    info = server.get("/object_info")
    run = server.run(api_of(json.loads(path.read_text(encoding="utf-8")), info))
    assert run.ok, run.error or run.refusal
    if path.stem in OF_WORDS:
        _check_words(server, run)
        return
    videos = [f for out in run.outputs.values() for f in out.get("images", [])]
    videos = [f for f in videos if f["filename"].endswith(".mp4")]
    assert len(videos) == 1, run.outputs
    made = server.path_of(videos[0])
    with av.open(str(made)) as media:
        tracks = media.streams.video[0], media.streams.audio[0]
        picture, sound = (float(track.duration * track.time_base) for track in tracks)
    seconds = 60.0 if path.stem == MINUTE else 8.0
    assert picture == pytest.approx(seconds, abs=0.1) and sound == pytest.approx(picture, abs=0.001)
    waveform, rate = read_audio(made)
    onsets = detect_onsets(waveform, rate)
    if path.stem == MINUTE:
        _check_minute(onsets)
        return
    assert len(onsets) == len(hits)
    assert abs(onsets - hits).max() < 0.05 and abs(np.median(onsets - hits)) < 0.015
    _check_loudness(waveform, rate)


def _check_minute(onsets):
    """All of a minute is in sync, what is behind its borders too."""
    from foleystage.core.onsets.matching import match_onsets
    from foleystage.core.scenes import sample_scene

    scene = sample_scene(43, "test", seconds=60.0, hard=False, kinds=("hammer",))
    times = np.array([event.time for event in scene.events])
    for first in range(0, 60, 15):
        here, true = (x[(x >= first) & (x < first + 15)] for x in (onsets, times))
        assert match_onsets(here, true).f1 > 0.9


def _check_loudness(waveform, rate):
    from foleystage.core.media import integrated_loudness
    from foleystage.core.media.loudness import true_peak

    # Brought to -20 LUFS, or as near as peaks of -1 dB let it come.
    loudness, peak = integrated_loudness(waveform, rate), 20 * math.log10(true_peak(waveform, rate))
    assert loudness == pytest.approx(-20, abs=1.5) or (loudness < -20 and -3 < peak < 0)


def _check_words(server, run):
    from foleystage.core.media import read_audio
    from foleystage.core.onsets.detect import detect_onsets

    (sound,) = [f for out in run.outputs.values() for f in out.get("audio", [])]
    waveform, rate = read_audio(server.path_of(sound))
    assert waveform.shape[-1] == pytest.approx(6.0 * rate, abs=1)
    _check_loudness(waveform, rate)
    assert len(detect_onsets(waveform, rate)) >= 6
