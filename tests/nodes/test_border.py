"""ComfyUI's values at the door."""

from __future__ import annotations

import os
from fractions import Fraction
from io import BytesIO

import pytest
import torch
from comfy_api.latest import InputImpl, Types
from foleystage.core.errors import FoleyError
from foleystage.core.media import ImageFrames, encode_frames
from foleystage.nodes.border import (
    container_suffix,
    one_sound,
    original_sound,
    picture_of,
    sound_of,
    whole_file,
    with_channels,
)


def audio(waveform, rate=16000):
    return {"waveform": waveform, "sample_rate": rate}


def test_sound_without_a_batch_or_channels_gets_them():
    assert sound_of(audio(torch.zeros(100)))[0].shape == (1, 1, 100)
    assert sound_of(audio(torch.zeros(2, 100)))[0].shape == (1, 2, 100)


def test_packed_samples_are_turned_round():
    packed = torch.tensor([[0.1, -0.1]]).repeat(100, 1)
    sound = sound_of(audio(packed[None]))[0]
    assert sound.shape == (1, 2, 100)
    assert torch.equal(sound[0, :, 0], torch.tensor([0.1, -0.1]))


@pytest.mark.parametrize("count", [1, 2, 6])
def test_other_channels_are_the_mean(count):
    stereo = torch.tensor([[[0.2, 0.4], [0.4, 0.8]]])
    made = with_channels(stereo, count)
    assert made.shape == (1, count, 2)
    mean = torch.tensor([[[0.3, 0.6]]]).expand(1, count, 2)
    assert torch.allclose(made, stereo if count == 2 else mean)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_integers_become_minus_one_to_one(dtype):
    limits = torch.iinfo(dtype)
    values = torch.tensor(
        [[[limits.min, limits.max, (limits.min + limits.max + 1) // 2]]], dtype=dtype
    )
    sound = sound_of(audio(values))[0]
    assert sound.dtype == torch.float32
    assert torch.allclose(sound[0, 0], torch.tensor([-1.0, 1.0, 0.0]), atol=0.01)


def test_the_value_given_is_never_changed():
    given = torch.ones(1, 1, 10)
    sound_of(audio(given))[0].mul_(0)
    assert given.sum() in (0, 10)
    half = torch.full((1, 1, 4), 7, dtype=torch.int16)
    sound_of(audio(half))
    assert half.dtype == torch.int16 and int(half[0, 0, 0]) == 7


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "no sound track"),
        (audio(torch.zeros(1, 1, 0)), "no samples"),
        (audio(torch.full((1, 1, 9), float("nan"))), "NaN or infinite"),
        (audio(torch.zeros(1, 1, 9), 0), "0 Hz"),
    ],
)
def test_a_sound_that_is_none_is_refused(value, words):
    with pytest.raises(FoleyError, match=words):
        sound_of(value)


def test_takes_are_not_taken_for_one_sound():
    with pytest.raises(FoleyError, match="Foley Takes"):
        one_sound(audio(torch.zeros(3, 1, 9)))


def test_a_video_of_components_is_read_without_encoding_it():
    images = torch.rand(5, 8, 8, 3)
    parts = Types.VideoComponents(images=images, audio=None, frame_rate=Fraction(24000, 1001))
    picture = picture_of(InputImpl.VideoFromComponents(parts))
    assert isinstance(picture.source, ImageFrames) and picture.source.images is images
    assert picture.source.fps == pytest.approx(23.976, abs=1e-3)


class Trimmed:
    """A VIDEO of a newer ComfyUI: a window of its file."""

    def __init__(self, path, start, seconds):
        self.path, self.trim, self.written = str(path), (start, seconds), 0

    def get_stream_source(self):
        return self.path

    def get_active_trim_window(self):
        return self.trim

    def has_pending_frame_edits(self):
        return False

    def save_to(self, path, **_):
        self.written += 1
        open(path, "wb").close()


def test_a_trimmed_video_is_read_inside_its_window(clip):
    picture = picture_of(Trimmed(clip, 0.5, 1.0))
    assert picture.window(0.0, None) == (0.5, 1.0)
    assert picture.window(0.25, 5.0) == (0.75, 0.75)
    with pytest.raises(FoleyError, match="start earlier"):
        picture.window(1.5, None)


def test_a_trimmed_video_is_written_out_for_a_mux(clip, weights):
    video = Trimmed(clip, 0.5, 1.0)
    assert whole_file(video) != str(clip) and video.written == 1
    whole = Trimmed(clip, 0.0, 0.0)
    assert whole_file(whole) == str(clip) and whole.written == 0


def test_integer_sound_of_a_video_is_read_from_its_file(tmp_path):
    path = tmp_path / "pcm.mkv"
    tone = torch.sin(torch.arange(16000) * 0.1).expand(2, -1) * 0.5
    frames = torch.zeros(25, 16, 16, 3, dtype=torch.uint8)
    encode_frames(frames, 25.0, path, waveform=tone, sample_rate=16000)
    sound, rate = original_sound(InputImpl.VideoFromFile(str(path)))
    assert rate == 16000 and sound.shape == (2, 16000)
    assert torch.allclose(sound, tone, atol=1e-3)


def test_a_video_without_sound_has_no_original(clip):
    assert original_sound(InputImpl.VideoFromFile(str(clip))) is None
    assert original_sound(None) is None


def test_the_container_of_the_source_is_kept(tmp_path, clip):
    assert container_suffix(BytesIO(clip.read_bytes())) == ".mp4"
    assert container_suffix(BytesIO(b"\x1aE\xdf\xa3" + bytes(64))) == ".mkv"
    assert container_suffix(tmp_path / "a.MKV") == ".mkv"
    assert container_suffix(tmp_path / "a.avi") == ".mkv"
    assert container_suffix(ImageFrames(torch.zeros(2, 4, 4, 3), 8.0)) == ".mp4"


@pytest.mark.parametrize("node, widget", [("LoadModel", "name"), ("Quick", "model")])
def test_weights_load_again_only_when_their_file_changed(nodes, weights, node, widget):
    stamp = nodes[f"FoleyStage{node}"].fingerprint_inputs
    choice = {widget: "random_mini.safetensors"}
    os.utime(weights / choice[widget], (1, 1))
    first = stamp(**choice)
    assert first == stamp(**choice)
    os.utime(weights / choice[widget], (2, 2))
    assert first != stamp(**choice)
