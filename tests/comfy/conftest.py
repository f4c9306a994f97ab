"""One real ComfyUI server for all tests of this folder, with this checkout as a custom node."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
for folder in ("comfy", "nodes"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

from comfy_server import Server  # noqa: E402
from find_comfyui import ABSENT, find, usable  # noqa: E402
from random_minis import write_random_minis  # noqa: E402

if not usable():
    collect_ignore_glob = ["test_*.py"]
    print(f"\n{ABSENT}", file=sys.stderr)

FPS, SECONDS = 25.0, 2.0


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """ComfyUI's own folder: inputs, random minis, this checkout."""
    folder = tmp_path_factory.mktemp("comfyui")
    for name in ("custom_nodes", "input", "output", "temp", "user", "models/foley", "models/loras"):
        (folder / name).mkdir(parents=True)
    (folder / "custom_nodes" / "foleystage").symlink_to(ROOT, target_is_directory=True)
    write_random_minis(folder / "models" / "foley")
    write_inputs(folder / "input")
    return folder


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


@pytest.fixture(scope="session")
def server(base):
    """The running server."""
    running = Server(find(), base)
    yield running
    running.stop()
