"""Features are computed once for the same content, weights and preprocessing, and only then."""

from __future__ import annotations

import errno
import os

import pytest
import torch
from foleystage.core.encoders.base import Features
from foleystage.core.encoders.cache import FeatureCache, content_key, fingerprint
from foleystage.core.encoders.video import encode_frames
from foleystage.core.media import FrameRequest


def some(seed: int, count: int = 10) -> Features:
    values = torch.randn(1, count, 4, generator=torch.Generator().manual_seed(seed))
    return Features(values, 8.0)


def test_the_same_clip_is_encoded_once(colour, frames):
    cache = FeatureCache()
    first = encode_frames(frames, colour, cache=cache)
    again = encode_frames(frames.clone(), colour, cache=cache)
    assert colour.batches == 1 and torch.equal(first.values, again.values)


@pytest.mark.parametrize("change", ["content", "weights", "preprocessing"])
def test_whatever_the_features_depend_on_makes_them_new(colour, frames, change):
    cache = FeatureCache()
    encode_frames(frames, colour, cache=cache)
    other = type(colour)()
    other.load_state_dict(colour.state_dict())
    if change == "content":
        frames = frames.clone()
        frames[3, 1, 1, 0] += 1
    elif change == "weights":
        with torch.no_grad():
            other.mix.bias[0] += 1
    else:
        other.frame_request = FrameRequest(fps=10.0, size=8, resample="area")
    encode_frames(frames, other, cache=cache)
    assert other.batches == 1


def test_the_oldest_go_first_when_room_is_short():
    size = some(0).values.numel() * 4
    cache = FeatureCache(room=2 * size)
    made = []

    def ask(name: int) -> None:
        cache.get(str(name), lambda: made.append(name) or some(name))

    for name in (1, 2, 1, 3, 1, 2):
        ask(name)
    assert made == [1, 2, 3, 2] and cache.used <= 2 * size


def test_features_larger_than_the_room_are_handed_on_and_not_kept():
    cache = FeatureCache(room=8)
    assert cache.get("a", lambda: some(0)).values.shape == (1, 10, 4)
    assert cache.used == 0


def test_a_folder_outlives_the_memory(tmp_path):
    FeatureCache(folder=tmp_path).get("ab12", lambda: some(1))
    found = FeatureCache(folder=tmp_path).get("ab12", lambda: pytest.fail("computed again"))
    assert torch.equal(found.values, some(1).values) and found.rate == 8.0


def test_a_folder_keeps_to_its_room_and_to_its_own_files(tmp_path):
    keys = [content_key(str(number)) for number in range(3)]
    FeatureCache(folder=tmp_path).get(keys[0], lambda: some(0))
    (first,) = tmp_path.glob("??/*.safetensors")
    room = 2 * first.stat().st_size + 1
    (tmp_path / "ab").mkdir(exist_ok=True)
    foreign = tmp_path / "ab" / "model.safetensors"
    foreign.write_bytes(bytes(room))

    def ask(number: int) -> bool:
        made = []
        cache = FeatureCache(folder=tmp_path, disk_room=room)
        cache.get(keys[number], lambda: made.append(1) or some(number))
        for path in tmp_path.glob("??/*.safetensors"):  # a while passes
            about = path.stat()
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns - 10**9))
        return bool(made)

    # 1 makes room for 2: it was 0 that was used since.
    assert [ask(number) for number in (1, 0, 2, 0, 1)] == [True, False, True, False, True]
    assert len(list(tmp_path.glob("??/*.safetensors"))) == 3 and foreign.exists()


def test_a_damaged_file_is_made_again(tmp_path):
    FeatureCache(folder=tmp_path).get("ab12", lambda: some(1))
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:50])
    for seed in (2, 3):
        found = FeatureCache(folder=tmp_path).get("ab12", lambda seed=seed: some(seed))
        assert torch.equal(found.values, some(2).values)


def test_a_full_disk_costs_nothing_but_the_copy(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    cache = FeatureCache(folder=tmp_path)
    assert torch.equal(cache.get("ab12", lambda: some(1)).values, some(1).values)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_keys_keep_shapes_and_types_apart():
    zeros = torch.zeros(4, 2)
    parts = [(zeros,), (zeros.T,), (zeros.half(),), (torch.ones(4, 2),), ("a", "b"), ("ab",)]
    assert len({content_key(*one) for one in parts}) == 6


def test_equal_weights_have_equal_fingerprints(colour):
    other, same = type(colour)(), type(colour)()
    same.load_state_dict(colour.state_dict())
    assert fingerprint(other) != fingerprint(colour) == fingerprint(same)
