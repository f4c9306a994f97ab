"""What Foley Takes hands on, and what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
import torch
from comfy_api.latest import InputImpl
from foleystage.core.errors import FoleyError
from foleystage.core.media import probe

RATE = 16000
NO_GRAPH = {"prompt": None, "extra_pnginfo": None}


@pytest.fixture
def audio(weights):
    """Three takes of 2 s, each of one value."""
    values = torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    return {"waveform": values.expand(3, 1, 2 * RATE).contiguous(), "sample_rate": RATE}


@pytest.fixture
def run(nodes):
    """Runs the node as it is without a graph: nothing to write into its sounds."""
    node = type("Takes", (nodes["FoleyStageTakes"],), {"hidden": SimpleNamespace(**NO_GRAPH)})
    return node.execute


@pytest.fixture
def batch():
    """25 frames, each of its own grey."""
    greys = torch.arange(25) / 25
    return greys[:, None, None, None].expand(25, 32, 48, 3).contiguous()


def path_of(file):
    import folder_paths

    return Path(
        folder_paths.get_directory_by_type(file["type"]), file["subfolder"], file["filename"]
    )


def level_of(file):
    with av.open(str(path_of(file))) as media:
        return float(next(media.decode(audio=0)).to_ndarray().flat[0])


def test_the_picked_take_goes_on_and_all_are_shown(run, audio):
    out = run(audio=audio, pick=2)
    assert torch.equal(out.result[0]["waveform"], audio["waveform"][1:2])
    assert list(out.ui) == ["takes", "ranking"] and len(out.ui["takes"]) == 3
    levels = [level_of(file) for file in out.ui["takes"]]
    assert [level / levels[0] for level in levels] == pytest.approx([1, 2, 3], rel=0.01)


HITS = (0.4, 1.0, 1.6)


def hits(*times, level=0.4):
    """[1, T], a decaying hit at each of the times."""
    clock = torch.arange(2 * RATE) / RATE
    sound = 1e-4 * torch.randn(2 * RATE, generator=torch.Generator().manual_seed(0))
    for time in times:
        since = (clock - time).clamp_min(0)
        sound = sound + level * (clock >= time) * torch.exp(-since / 0.05) * torch.sin(5600 * since)
    return sound[None]


@pytest.fixture
def struck(weights):
    """Three takes: the second is in time, the third clips besides."""
    late, right = hits(*(t + 0.2 for t in HITS)), hits(*HITS)
    waveform = torch.stack([late, right, right.clamp(-0.2, 0.2)])
    return {"waveform": waveform, "sample_rate": RATE}


@pytest.fixture
def seen():
    from foleystage.core.encoders.mini_video import bumps
    from foleystage.nodes.values import EncodedFeatures

    chance = bumps(list(HITS), [1.0] * 3, 100)[:, 0]
    return EncodedFeatures("video", "mini_video_encoder", {}, seconds=2.0, chance=chance)


def test_takes_in_time_with_what_was_seen_come_first(run, struck, seen):
    ranking = run(audio=struck, pick=1, features=seen).ui["ranking"]
    assert [one["take"] for one in ranking] == [2, 3, 1]
    assert [one["in_time"] for one in ranking] == [3, 3, 0] and ranking[1]["clips"]
    json.dumps(ranking, allow_nan=False)


def test_without_features_the_list_is_by_level_and_clipping(run, struck):
    ranking = run(audio=struck, pick=1).ui["ranking"]
    assert [one["take"] for one in ranking] == [1, 2, 3] and "hits" not in ranking[0]


def test_a_silent_take_can_be_shown(run, struck):
    struck["waveform"][1] = 0
    ranking = run(audio=struck, pick=1).ui["ranking"]
    assert ranking[-1]["take"] == 2 and ranking[-1]["silent"]
    json.dumps(ranking, allow_nan=False)


def test_pick_0_is_the_best_of_the_list(run, struck, seen):
    out = run(audio=struck, pick=0, features=seen)
    assert torch.equal(out.result[0]["waveform"], struck["waveform"][1:2])
    assert torch.equal(run(audio=struck, pick=0).result[0]["waveform"], struck["waveform"][:1])


def test_another_pick_ranks_nothing_anew(run, struck, seen, monkeypatch):
    from foleystage.nodes import ranked

    asked, rank = [], ranked.rank
    monkeypatch.setattr(ranked, "rank", lambda *a, **k: asked.append(k) or rank(*a, **k))
    for pick in (1, 3, 0):
        run(audio=struck, pick=pick, features=seen)
    assert len(asked) == 1
    run(audio=struck, pick=1)
    assert len(asked) == 2


def test_a_rate_too_low_for_a_level_is_shown_without_ranks(run, struck):
    out = run(audio={**struck, "sample_rate": 2000}, pick=0)
    assert not out.ui["ranking"]
    assert torch.equal(out.result[0]["waveform"], struck["waveform"][:1])


def test_a_video_is_shown_with_them(run, audio, clip):
    out = run(audio=audio, pick=1, video=InputImpl.VideoFromFile(str(clip)))
    (file,) = out.ui["picture"]
    assert (file["type"], file["subfolder"]) == ("temp", "foleystage")
    assert probe(path_of(file)).seconds == pytest.approx(2.0, abs=0.01)


def test_the_picture_begins_where_the_takes_do(run, audio, clip):
    out = run(audio=audio, pick=1, video=InputImpl.VideoFromFile(str(clip)), start=0.4)
    assert probe(path_of(out.ui["picture"][0])).seconds == pytest.approx(1.6, abs=0.01)


def test_an_image_batch_is_shown_at_its_rate(run, audio, batch):
    out = run(audio=audio, pick=1, video=batch, fps=12.5)
    shown = probe(path_of(out.ui["picture"][0]))
    assert (shown.fps, shown.seconds) == (12.5, pytest.approx(2.0, abs=0.01))


def test_another_pick_makes_no_new_picture(run, audio, batch, clip):
    for video in (batch, InputImpl.VideoFromFile(str(clip))):
        first, second = (run(audio=audio, pick=n, video=video).ui["picture"][0] for n in (1, 3))
        assert first == second
        third = run(audio=audio, pick=3, video=video, start=0.2).ui["picture"][0]
        assert third["filename"] != first["filename"]
        path_of(first).unlink()
        assert path_of(run(audio=audio, pick=1, video=video).ui["picture"][0]).is_file()


def test_a_picture_is_not_kept_alive(run, audio, batch):
    import weakref

    video = batch.clone()
    run(audio=audio, pick=1, video=video)
    gone = weakref.ref(video)
    del video
    assert gone() is None


def test_what_cannot_be_is_refused(run, audio, batch, clip):
    video = InputImpl.VideoFromFile(str(clip))
    with pytest.raises(FoleyError, match="Take 4 was picked, but there are only 3"):
        run(audio=audio, pick=4)
    with pytest.raises(FoleyError, match="start earlier"):
        run(audio=audio, pick=1, video=video, start=2.5)
    with pytest.raises(FoleyError, match="from 0 to 86400"):
        run(audio=audio, pick=1, video=video, start=-1.0)
    with pytest.raises(FoleyError, match="set fps"):
        run(audio=audio, pick=1, video=batch, fps=0.0)
    with pytest.raises(FoleyError, match="one frame"):
        run(audio=audio, pick=1, video=batch[:1])
