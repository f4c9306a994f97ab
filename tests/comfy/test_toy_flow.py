"""A sixth system from this one file: a flow generator with a stream of its own, and its encoder.

It is used from Python, from the command line, and in a ComfyUI that knows nothing else of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from foleystage.core import catalog
from foleystage.core.encoders.base import VideoEncoder, single_frames
from foleystage.core.generators import (
    CheckpointSpec,
    Generator,
    GeneratorConfig,
    LatentSpec,
    Prepared,
    StreamSpec,
)
from foleystage.core.media import FrameRequest
from foleystage.core.parts import GeneratorPart, StreamEncoder, VideoEncoderPart
from foleystage.core.sampling import Sampling
from safetensors.torch import save_file
from torch import nn

MODEL, ENCODER, CODEC = "toy_flow", "toy_shade", "foley_mini_codec"


@dataclass(frozen=True)
class ToyConfig(GeneratorConfig):
    latent = LatentSpec(CODEC, 32, 31.25, 32000)
    streams = (StreamSpec("shade", 4, 25.0, null="zeros", meaning="how bright the picture is"),)
    trained_seconds = 4.0


class ToyFlow(Generator):
    """Two layers over each latent frame, its time and its shade."""

    def __init__(self, config, *, operations=nn, dtype=None, device=None):
        super().__init__()
        self.config = config
        self.inner = operations.Linear(32 + 1 + 4, 64, dtype=dtype, device=device)
        self.outer = operations.Linear(64, 32, dtype=dtype, device=device)

    def null(self, stream):
        return torch.zeros(1, 4)

    def prepare(self, streams, seconds=None, *, lengths=None, batch=None):
        size = self.check_streams(streams) or batch or 1
        lengths = lengths or self.lengths(streams, seconds)
        like = next(self.parameters())
        shade = streams.get("shade", torch.zeros(size, 1, 4, device=like.device))
        shade = nn.functional.interpolate(shade.transpose(1, 2), lengths["latent"]).transpose(1, 2)
        return Prepared({"shade": shade})

    def forward(self, x, t, prepared):
        time = t.to(x).expand(len(x))[:, None, None].expand(*x.shape[:2], 1)
        inputs = torch.cat((x, time, prepared.batched["shade"].to(x)), 2)
        return self.outer(torch.tanh(self.inner(inputs)))


class Shade(VideoEncoder):
    """Four numbers of a frame's mean brightness."""

    stream, rate, width = "shade", 25.0, 4
    frame_request = FrameRequest(fps=25.0, size=8)

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4), requires_grad=False)

    windows = staticmethod(single_frames)

    def encode_batch(self, frames):
        bright = frames.float().mean((1, 2, 3, 4)) / 255
        return torch.cos(bright[:, None] * torch.arange(1, 5) * 9)[:, None] * self.scale

    def window_bytes(self, frames):
        return 4096


def add_to_catalogue(weights):
    """The rows, whose files lie in a folder; what `catalog.add` takes is all that is needed."""
    checkpoint = CheckpointSpec(
        "toy_flow",
        "Toy",
        lambda shapes, about: ToyConfig() if "outer.bias" in shapes else None,
        ToyFlow,
    )
    generator = GeneratorPart(
        name=MODEL,
        title="a toy",
        files={"generator": Path(weights) / "toy_flow.safetensors"},
        checkpoint=checkpoint,
        config=ToyConfig(),
    )
    encoder = VideoEncoderPart(
        name=ENCODER,
        title="brightness",
        files={"shade": Path(weights) / "toy_shade.safetensors"},
        encoders={"shade": StreamEncoder(Shade, lambda path, **made: Shade())},
    )
    system = catalog.SystemSpec(
        name=MODEL,
        title="a toy that follows brightness",
        generator=generator,
        video=ENCODER,
        codec=CODEC,
        sampling=Sampling(steps=6, scale=2.0),
    )
    catalog.add(encoder, system)
    return encoder, system


if __name__ != "toy":
    import pytest
    from toy_server import graph_of, server_with, sound_of

    @pytest.fixture(scope="module")
    def weights(tmp_path_factory):
        folder = tmp_path_factory.mktemp("toy")
        rng = torch.Generator().manual_seed(0)
        with torch.inference_mode(False):
            state = ToyFlow(ToyConfig()).state_dict()
            tensors = {k: torch.randn(v.shape, generator=rng) / 3 for k, v in state.items()}
        save_file(tensors, folder / "toy_flow.safetensors")
        save_file({"scale": torch.ones(4)}, folder / "toy_shade.safetensors")
        return folder

    @pytest.fixture(scope="module")
    def toy(weights):
        rows = add_to_catalogue(weights)
        yield rows
        catalog.remove(*rows)

    @pytest.fixture(scope="module")
    def clip(tmp_path_factory):
        from comfy_fixtures import write_inputs

        folder = tmp_path_factory.mktemp("input")
        write_inputs(folder)
        return folder / "clip.mp4"

    @pytest.fixture(scope="module")
    def take(toy, clip):
        from foleystage.core.loading import load_model
        from foleystage.core.pipeline import generate
        from foleystage.core.request import Request

        def make(**asked):
            request = Request(**{"seed": 3, "loudness": None, **asked})
            return generate(str(clip), load_model(MODEL), request).waveforms[0]

        return make

    def test_python_makes_a_take_that_follows_the_stream(toy, take, clip, monkeypatch):
        whole = take()
        assert whole.shape == (1, 64000) and float(whole.std()) > 1e-3
        assert torch.equal(take(), whole)
        monkeypatch.setattr(
            Shade, "encode_batch", lambda self, frames: torch.ones(len(frames), 1, 4)
        )
        assert not torch.allclose(take(), whole, atol=1e-3)

    def test_a_take_longer_than_trained_is_made_in_windows(toy):
        from foleystage.core.generators import Conditions
        from foleystage.core.loading import load_model

        system = load_model(MODEL)
        shade = torch.ones(1, 300, 4)
        options = {"seed": 0, "steps": 2}
        long = system.sample(Conditions({"shade": shade}, 12.0), **options)
        cut = system.sample(Conditions({"shade": shade}, 12.0), long="one pass", **options)
        assert long.shape == cut.shape == (1, 375, 32)

    def test_the_command_line_knows_it(toy, take, clip, tmp_path, capsys):
        from foleystage.cli import main
        from foleystage.core.media import read_audio

        out = tmp_path / "out.wav"
        command = ["generate", str(clip), "-o", str(out), "--model", MODEL, "--seed", "3"]
        assert main([*command, "--loudness", "off"]) == 0
        assert torch.allclose(read_audio(out)[0], take(), atol=2e-4)
        assert main(["models"]) == 0
        assert "a toy that follows brightness" in capsys.readouterr().out

    @pytest.mark.slow
    def test_a_graph_of_comfyui_makes_the_same_take(weights, take, tmp_path):
        graph = graph_of(MODEL, ENCODER, CODEC)
        guider = {"model": ["model", 0], "positive": ["both", 0], "start": 0.0, "stop": 1.0}
        with server_with(__file__, weights, tmp_path / "comfyui") as server:
            info = server.get("/object_info")
            for node, name in (
                ("LoadModel", MODEL),
                ("LoadVideoEncoder", ENCODER),
                ("Quick", MODEL),
            ):
                inputs = info[f"FoleyStage{node}"]["input"]["required"]
                assert name in str(inputs["model" if node == "Quick" else "name"])
            boxes = info["FoleyStageStreamGuider"]["input"]
            scales = {**boxes["required"], **boxes["optional"]}
            assert "how bright the picture is" in str(scales["shade"])
            made = sound_of(server, server.run(graph))
            assert float((made - take()).norm() / take().norm()) < 1e-3
            scales = {name: 2.0 for name, value in scales.items() if "strictly" in str(value)}
            by_stream = {
                **graph,
                "guider": {
                    "class_type": "FoleyStageStreamGuider",
                    "inputs": {**guider, **scales},
                },
            }
            sample = {**graph["sample"]["inputs"], "guider": ["guider", 0]}
            by_stream["sample"] = {**graph["sample"], "inputs": sample}
            # Equal scales are plain guidance, as the row has it.
            again = sound_of(server, server.run(by_stream))
            assert float((again - made).norm() / made.norm()) < 1e-3
            by_stream["guider"]["inputs"]["shade"] = 5.0
            stricter = sound_of(server, server.run(by_stream))
            assert float((stricter - made).norm() / made.norm()) > 1e-2
