from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media import ImageFrames, fit_length, read_audio, write_audio

RATE = 44100


def noise(channels: int, samples: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(channels, samples, generator=generator) - 0.5) * 1.5


def packed(sound: torch.Tensor) -> np.ndarray:
    return sound.T.contiguous().numpy().reshape(1, -1)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_written_file_comes_back_within_24_bits(tmp_path, suffix, channels):
    sound = noise(channels, 100_001)
    write_audio(tmp_path / f"a{suffix}", sound, 48000)
    got, rate = read_audio(tmp_path / f"a{suffix}")
    assert rate == 48000 and got.shape == sound.shape and got.dtype == torch.float32
    assert (got - sound).abs().max() <= 2**-23


def test_values_beyond_full_scale_are_clipped_not_wrapped(tmp_path):
    write_audio(tmp_path / "a.wav", torch.tensor([[2.0, -2.0, 0.5]]), RATE)
    got, _ = read_audio(tmp_path / "a.wav")
    assert torch.allclose(got, torch.tensor([[1.0, -1.0, 0.5]]), atol=1e-6)


@pytest.mark.parametrize(
    ("codec", "form", "scale", "shift", "dtype"),
    [
        ("pcm_u8", "u8", 127, 128, np.uint8),
        ("pcm_s16le", "s16", 32767, 0, np.int16),
        ("pcm_s32le", "s32", 2147483000, 0, np.int32),
        ("pcm_f32le", "flt", 1, 0, np.float32),
        ("pcm_f64le", "dbl", 1, 0, np.float64),
    ],
)
def test_every_sample_format_reads_as_the_same_sound(
    tmp_path, media, codec, form, scale, shift, dtype
):
    sound = noise(2, 5000)
    array = packed(sound).astype(np.float64) * scale + shift
    array = array.astype(dtype) if form in ("flt", "dbl") else np.rint(array).astype(dtype)
    path = media.write_samples(tmp_path / "a.wav", {0: array}, codec, form, "stereo")
    got, rate = read_audio(path)
    assert rate == RATE and got.shape == (2, 5000)
    assert (got - sound).abs().max() < 0.02 if form == "u8" else 1e-4


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "ts"])
def test_the_sound_of_a_video_keeps_its_place(tmp_path, media, suffix):
    sound = media.click_track(2, RATE, 1.0, channels=2)
    codec = "mpeg4" if suffix == "avi" else "libx264"
    sound_codec = {"avi": "pcm_s16le", "ts": "ac3", "mkv": "flac"}.get(suffix, "aac")
    path = media.make_clip(
        tmp_path / f"a.{suffix}",
        codec=codec,
        sound=sound,
        sound_codec=sound_codec,
        b_frames=0 if sound_codec in ("aac", "ac3") else 2,
    )
    got, rate = read_audio(path)
    assert rate == RATE and got.shape[0] == 2
    peak = got[0].abs().argmax() / rate
    assert abs(float(peak) - 1.0) < (0.001 if suffix != "ts" else 0.007)


def test_the_padding_of_the_last_aac_frame_is_not_sound(clip):
    got, rate = read_audio(clip)
    assert abs(got.shape[1] - 2 * rate) <= rate // 1000


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize(("start", "seconds"), [(0.0, 1.0), (0.123, 0.5), (7.5, 1.25), (9.5, 8.0)])
def test_a_window_is_exact_to_the_sample(tmp_path, suffix, start, seconds):
    sound = noise(1, RATE * 10)
    write_audio(tmp_path / f"a.{suffix}", sound, RATE)
    got, _ = read_audio(tmp_path / f"a.{suffix}", start=start, seconds=seconds)
    first = round(start * RATE)
    want = sound[:, first : first + round(seconds * RATE)]
    assert got.shape == want.shape and (got - want).abs().max() < 1e-6


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_a_late_window_of_a_video_equals_the_same_part_of_the_whole(tmp_path, media, suffix):
    path = media.make_clip(
        tmp_path / f"a.{suffix}", count=300, gop=50, sound=noise(1, RATE * 12) * 0.5
    )
    whole, _ = read_audio(path)
    got, _ = read_audio(path, start=9.0, seconds=2.0)
    most = 1e-4 if suffix != "mkv" else None
    want = whole[:, 9 * RATE : 11 * RATE]
    assert got.shape == want.shape
    if most:
        assert (got - want).abs().max() < most
    else:  # Matroska's time stamps are whole milliseconds
        shifts = [
            (got[:, 100:-100] - want[:, 100 + s : want.shape[1] - 100 + s]).abs().max()
            for s in range(-44, 45)
        ]
        assert min(shifts) < 1e-4


def test_sound_that_starts_after_the_picture_is_preceded_by_silence(tmp_path, media):
    loud = np.full((1, RATE), 10000, np.int16)
    path = media.write_samples(tmp_path / "a.mkv", {RATE // 2: loud}, pictures=50)
    got, _ = read_audio(path)
    first = int((got[0].abs() > 0.1).nonzero()[0])
    assert abs(first - RATE // 2) <= RATE // 1000 and (got[0, :first] == 0).all()
    late, _ = read_audio(path, start=0.75)
    assert (late.abs() > 0.1).all()


def test_a_pause_in_the_time_stamps_becomes_silence(tmp_path, media):
    loud = np.full((1, RATE // 2), 10000, np.int16)
    path = media.write_samples(tmp_path / "a.mkv", {0: loud, RATE: loud})
    got, _ = read_audio(path)
    assert got.shape[1] == pytest.approx(1.5 * RATE, abs=45)
    assert (got[0, RATE // 2 + 50 : RATE - 50] == 0).all() and (got[0, RATE + 50 :] > 0.1).all()


def test_rate_and_channels_are_converted_on_request(tmp_path, media):
    write_audio(tmp_path / "a.wav", media.click_track(1, 48000, 0.5, channels=2), 48000)
    got, rate = read_audio(tmp_path / "a.wav", sample_rate=22050, mono=True, seconds=0.75)
    assert rate == 22050 and got.shape == (1, round(0.75 * 22050))
    assert abs(int(got.argmax()) - 11025) <= 1


def test_an_8_khz_mono_file_is_read(tmp_path, media):
    write_audio(tmp_path / "a.wav", media.click_track(1, 8000, 0.5), 8000)
    got, rate = read_audio(tmp_path / "a.wav", sample_rate=44100)
    assert got.shape == (1, 44100) and rate == 44100


def test_a_file_like_object_is_read(tmp_path):
    sound = noise(1, 1000)
    write_audio(tmp_path / "a.wav", sound, RATE)
    got, _ = read_audio(io.BytesIO((tmp_path / "a.wav").read_bytes()))
    assert (got - sound).abs().max() < 1e-6


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_in_a_file_is_refused(tmp_path, media, value):
    array = packed(noise(1, 2000))
    array[0, 1000] = value
    path = media.write_samples(tmp_path / "a.wav", {0: array}, "pcm_f32le", "flt")
    with pytest.raises(FoleyError, match="NaN or infinite"):
        read_audio(path)


def test_a_video_without_sound_is_refused(tmp_path, media):
    path = media.make_clip(tmp_path / "a.mp4", count=3)
    with pytest.raises(FoleyError, match="has no sound track"):
        read_audio(path)
    with pytest.raises(FoleyError, match="has no sound track"):
        read_audio(ImageFrames(torch.zeros(2, 4, 4, 3), 25.0))


def test_a_window_past_the_end_is_refused(tmp_path):
    write_audio(tmp_path / "a.wav", noise(1, RATE), RATE)
    for start in (1.0, 3.0, 30.0):
        with pytest.raises(FoleyError, match="starts at"):
            read_audio(tmp_path / "a.wav", start=start)
    with pytest.raises(FoleyError, match="longer than 0 s"):
        read_audio(tmp_path / "a.wav", seconds=0.0)


def test_a_cut_off_sound_file_gives_what_is_there(tmp_path):
    sound = noise(1, RATE * 2)
    write_audio(tmp_path / "a.flac", sound, RATE)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    got, _ = read_audio(tmp_path / "a.flac")
    assert RATE // 2 < got.shape[1] < RATE * 1.5
    assert (got[:, : RATE // 2] - sound[:, : RATE // 2]).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("name", "sound", "sentence"),
    [
        ("a.mp3", torch.zeros(1, 10), r"must end in \.wav, \.flac"),
        ("a", torch.zeros(1, 10), "must end in"),
        ("a.wav", torch.zeros(10), "channels, samples"),
        ("a.wav", torch.zeros(1, 0), "not empty"),
        ("a.wav", torch.zeros(1, 10, dtype=torch.int16), "float tensor"),
        ("a.wav", torch.full((1, 10), math.nan), "NaN"),
        ("a.wav", torch.zeros(7, 10), "7 channels"),
        ("no/folder/a.wav", torch.zeros(1, 10), "There is no folder"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, name, sound, sentence):
    with pytest.raises(FoleyError, match=sentence):
        write_audio(tmp_path / name, sound, RATE)
    assert list(tmp_path.iterdir()) == []


def test_length_is_fitted_by_silence_or_a_cut():
    sound = torch.ones(2, 5)
    assert fit_length(sound, 3).shape == (2, 3)
    longer = fit_length(sound, 8)
    assert longer.shape == (2, 8) and (longer[:, 5:] == 0).all() and (longer[:, :5] == 1).all()
