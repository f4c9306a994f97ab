"""The one server that all tests share, and what lies in its folders."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "nodes"))

from comfy_server import Server  # noqa: E402
from find_comfyui import fitting  # noqa: E402
from random_minis import write_random_minis  # noqa: E402

FPS, SECONDS = 25.0, 2.0


@functools.cache
def running() -> Server:
    """ComfyUI with this checkout as a custom node; it ends with the tests."""
    folder = Path(tempfile.mkdtemp(prefix="comfyui-"))
    for name in ("custom_nodes", "input", "output", "temp", "user", "models/foley", "models/loras"):
        (folder / name).mkdir(parents=True)
    (folder / "custom_nodes" / "foleystage").symlink_to(ROOT, target_is_directory=True)
    write_random_minis(folder / "models" / "foley")
    write_inputs(folder / "input")
    write_settings(folder / "user" / "default")
    server = Server(fitting().folder, folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stop)
    return server


@pytest.fixture(scope="session")
def server():
    """The running server."""
    return running()


@pytest.fixture(scope="session")
def base(server):
    """The server's own folder."""
    return server.base


def write_settings(folder: Path) -> None:
    """The frontend of somebody who has used it before: no greeting lies over the graph."""
    folder.mkdir(parents=True)
    settings = {"Comfy.TutorialCompleted": True}
    (folder / "comfy.settings.json").write_text(json.dumps(settings), encoding="utf-8")


def write_inputs(folder: Path) -> None:
    """Clips and sounds that the graphs load."""
    from foleystage.core.media import encode_frames, write_audio

    count = round(SECONDS * FPS)
    frames = torch.zeros(count, 96, 128, 3, dtype=torch.uint8)
    for index in range(count):
        top = 8 + 6 * abs(index % 12 - 6)
        frames[index, top : top + 32, 40:88] = 220
    tone = torch.sin(torch.arange(int(SECONDS * 22050)) * 0.05)[None] * 0.3
    encode_frames(frames, FPS, folder / "clip.mp4")
    encode_frames(frames, FPS, folder / "sounding.mp4", waveform=tone, sample_rate=22050)
    encode_frames(frames[:1], FPS, folder / "one_frame.mp4")
    write_audio(folder / "reference.wav", tone, 22050)
    write_audio(folder / "short_stereo.wav", tone[:, : 44100 // 20].expand(2, -1), 22050)
    write_audio(folder / "silent.wav", torch.zeros(1, 22050), 22050)
    (folder / "sound_only.mp4").write_bytes(_sound_only(tone))


def _sound_only(tone: torch.Tensor) -> bytes:
    import io

    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=22050)
        frame = av.AudioFrame.from_ndarray(tone.numpy(), format="fltp", layout="mono")
        frame.sample_rate = 22050
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()
