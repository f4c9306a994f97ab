"""Each file holds what the table says, whoever writes it."""

from __future__ import annotations

import av
import pytest
import torch
from foleystage.core.media import encode_frames, mux, write_audio
from foleystage.core.media.formats import ENCODED_FILES, SOUND_FILES, VIDEO_FILES, FileFormat

ENCODES = {"libx264": "h264", "libopus": "opus"}
SOUND = torch.linspace(-0.5, 0.5, 4800)[None]


def held(path) -> tuple[set[str], set[str]]:
    """Names of a file's container and of the codecs in it."""
    with av.open(str(path)) as container:
        codecs = {stream.codec_context.name for stream in container.streams}
        return set(container.format.name.split(",")), codecs


def said(form: FileFormat) -> set[str]:
    return {ENCODES.get(name, name) for name in (form.sound, form.picture) if name}


@pytest.mark.parametrize("suffix", ENCODED_FILES)
def test_encoded_and_copied_pictures(suffix, tmp_path):
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    encode_frames(torch.rand(3, 32, 32, 3), 25.0, first, waveform=SOUND, sample_rate=48000)
    mux(first, SOUND, 48000, second)
    form = ENCODED_FILES[suffix]
    for path in (first, second):
        containers, codecs = held(path)
        assert form.muxer in containers and codecs == said(form)


@pytest.mark.parametrize("suffix", SOUND_FILES)
def test_sounds(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    write_audio(path, SOUND, 48000)
    form = SOUND_FILES[suffix]
    assert held(path) == ({form.muxer}, said(form))


def test_a_suffix_means_one_thing():
    assert set(ENCODED_FILES) == set(VIDEO_FILES) - {".webm"}
    assert not set(VIDEO_FILES) & set(SOUND_FILES)
