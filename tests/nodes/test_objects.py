"""A sound for each object, where it is seen, and its stems."""

from __future__ import annotations

import av
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.onsets.detect import detect_onsets


@pytest.fixture(scope="module")
def two():
    """Frames [T, 64, 128, 3] of two scenes side by side, their hits, and a mask of each half."""
    from foleystage.core.scenes import sample_scene

    scenes = [
        sample_scene(seed, "test", seconds=4.0, hard=False, kinds=("hammer",)) for seed in (3, 7)
    ]
    frames = [scene.frames_at(25.0, 64, 64, gray=False).float() / 255 for scene in scenes]
    left = torch.zeros(100, 64, 128)
    left[..., :64] = 1.0
    times = [[event.time for event in scene.events] for scene in scenes]
    return torch.cat(frames, 2), times, (left, 1 - left)


@pytest.fixture
def loaded(call):
    return {
        "model": call("LoadModel", name="ac_foley_mini")[0],
        "codec": call("LoadCodec", name="foley_mini_codec")[0],
        "video_encoder": call("LoadVideoEncoder", name="mini_video_encoder")[0],
        "text_encoder": call("LoadTextEncoder", name="mini_text_encoder")[0],
    }


def objects_of(call, masks, **second):
    first = call("Object", mask=masks[0], prompt="wood hit")[0]
    return call("Object", mask=masks[1], prompt="metal hit", objects=first, **second)[0]


def test_each_object_is_heard_where_and_when_it_is_seen(call, loaded, two):
    frames, times, masks = two
    audio, stems = call(
        "ObjectTakes", **loaded, video=frames, fps=25.0, objects=objects_of(call, masks), steps=10
    )
    assert audio["waveform"].shape == (1, 2, 4 * 32000)
    assert list(stems.sounds) == ["wood hit", "metal hit"]
    for number, (side, wanted) in enumerate(zip((0, 1), times), 1):
        stem, title = call("Stem", stems=stems, number=number)
        sound = stem["waveform"][0]
        energy = sound.square().sum(-1)
        assert energy[side] > 3 * energy[1 - side] and title.endswith("hit")
        found = detect_onsets(sound, stem["sample_rate"])
        near = [min(abs(found - t), default=1.0) <= 0.06 for t in wanted]
        assert sum(near) >= 0.7 * len(near)
    total = sum(stems.sounds.values())
    assert float((total - audio["waveform"]).abs().mean()) < 0.01


def test_level_width_and_depth(call, loaded, two):
    frames, _, (left, right) = two
    small = torch.zeros_like(right)
    small[:, 24:40, 88:104] = 1.0
    given = {**loaded, "video": frames, "fps": 25.0, "steps": 4}
    near = call("ObjectTakes", **given, objects=objects_of(call, (left, right)), depth=0.0)[1]
    quiet = objects_of(call, (left, right), level=-20.0)
    far = call("ObjectTakes", **given, objects=quiet, depth=0.0, width=0.0)[1]
    one, other = (
        stems.sounds["metal hit"].square().sum() / stems.sounds["wood hit"].square().sum()
        for stems in (near, far)
    )
    assert float(other / one) == pytest.approx(0.01, rel=0.05)
    sound = far.sounds["wood hit"]
    torch.testing.assert_close(sound[:, 0], sound[:, 1])


def test_stems_are_saved_as_tracks(call, loaded, two, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    frames, _, masks = two
    audio, stems = call(
        "ObjectTakes", **loaded, video=frames, fps=25.0, objects=objects_of(call, masks), steps=2
    )
    for container in (".mkv", ".mov"):
        given = {"audio": audio, "stems": stems, "video": frames, "container": container}
        call("SaveStems", **given, filename_prefix="a/stems")
        (path,) = tmp_path.glob(f"a/*{container}")
        with av.open(str(path)) as file:
            assert len(file.streams.video) == 1 and len(file.streams.audio) == 3
    with pytest.raises(FoleyError, match="Take 2 of the stems"):
        call("SaveStems", **given, take=2)


def test_what_cannot_be_is_said(call, loaded, two):
    frames, _, (left, right) = two
    given = {**loaded, "video": frames, "fps": 25.0, "steps": 1}
    for masks, message in (
        ((left, torch.zeros_like(right)), "mask of metal hit is black throughout"),
        ((left, right[:40]), "The mask has 40 frames, but the video has 100"),
    ):
        with pytest.raises(FoleyError, match=message):
            call("ObjectTakes", **given, objects=objects_of(call, masks))
    many = None
    for _ in range(17):
        many = call("Object", mask=left, prompt="", **({} if many is None else {"objects": many}))[
            0
        ]
    with pytest.raises(FoleyError, match="There are 17 objects: give 1 to 16"):
        call("ObjectTakes", **given, objects=many)
    stems = call("LongTake", **loaded, seconds=2.0, steps=1)[2]
    with pytest.raises(FoleyError, match="There are no stems"):
        call("Stem", stems=stems)
