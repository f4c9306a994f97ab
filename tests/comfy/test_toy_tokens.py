"""A token system from this one file: its generator, its encoder and its codec.

It is used from Python, from the command line, and in a ComfyUI that knows nothing else of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from foleystage.core import catalog
from foleystage.core.codecs.base import Codec
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
from foleystage.core.parts import CodecPart, GeneratorPart, StreamEncoder, VideoEncoderPart
from foleystage.core.sampling import Sampling
from safetensors.torch import save_file
from torch import nn

MODEL, ENCODER, CODEC, CODES = "toy_tokens", "toy_level", "toy_codec", 16


@dataclass(frozen=True)
class ToyConfig(GeneratorConfig):
    latent = LatentSpec(CODEC, 1, 25.0, 16000, codes=CODES)
    streams = (StreamSpec("level", 2, 25.0, null="zeros", meaning="how much light there is"),)
    trained_seconds = 4.0


class ToyTokens(Generator):
    """Logits of each token from it and its neighbours, and the level at its place."""

    dynamics = "tokens"

    def __init__(self, config, *, operations=nn, dtype=None, device=None):
        super().__init__()
        made = {"dtype": dtype, "device": device}
        self.config = config
        self.table = operations.Embedding(CODES + 1, 8, **made)
        self.outer = operations.Linear(3 * 8 + 2, CODES, **made)

    def null(self, stream):
        return torch.zeros(1, 2)

    def prepare(self, streams, seconds=None, *, lengths=None, batch=None):
        size = self.check_streams(streams) or batch or 1
        lengths = lengths or self.lengths(streams, seconds)
        like = next(self.parameters())
        level = streams.get("level", torch.zeros(size, 1, 2, device=like.device))
        level = nn.functional.interpolate(level.transpose(1, 2), lengths["latent"]).transpose(1, 2)
        return Prepared({"level": level})

    def forward(self, x, t, prepared):
        level = prepared.batched["level"]
        own = self.table(x).to(level)
        around = (own.roll(1, 1), own, own.roll(-1, 1))
        return 3 * self.outer(torch.cat((*around, 2 * level), 2))


class Level(VideoEncoder):
    """Two numbers of a frame's mean brightness."""

    stream, rate, width = "level", 25.0, 2
    frame_request = FrameRequest(fps=25.0, size=8)

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2), requires_grad=False)

    windows = staticmethod(single_frames)

    def encode_batch(self, frames):
        bright = frames.float().mean((1, 2, 3, 4)) / 255
        return torch.stack((bright * 8, torch.cos(bright * 20)), 1)[:, None] * self.scale

    def window_bytes(self, frames):
        return 4096


class Steps(Codec):
    """A token is a level, held for 40 ms."""

    sample_rate, channels, latent_dim, samples_per_latent = 16000, 1, 1, 640

    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.linspace(-0.8, 0.8, CODES), requires_grad=False)

    def encode(self, waveform):
        frames = waveform.mean(1).unfold(1, 640, 640).mean(2)
        return (frames[..., None] - self.level).abs().argmin(2)

    def decode(self, latent, *, generator=None):
        return self.level[latent].repeat_interleave(640, dim=1)[:, None]


def add_to_catalogue(weights):
    """The rows, whose files lie in a folder; what `catalog.add` takes is all that is needed."""
    folder = Path(weights)
    checkpoint = CheckpointSpec(
        "toy_tokens",
        "Toy",
        lambda shapes, about: ToyConfig() if "table.weight" in shapes else None,
        ToyTokens,
    )
    generator = GeneratorPart(
        name=MODEL,
        title="a toy of tokens",
        files={"generator": folder / "toy_tokens.safetensors"},
        checkpoint=checkpoint,
        config=ToyConfig(),
    )
    encoder = VideoEncoderPart(
        name=ENCODER,
        title="brightness",
        files={"level": folder / "toy_level.safetensors"},
        encoders={"level": StreamEncoder(Level, lambda path, **made: Level())},
    )
    codec = CodecPart(
        name=CODEC,
        title="steps",
        files={"codec": folder / "toy_codec.safetensors"},
        load=lambda files, **made: Steps(),
    )
    system = catalog.SystemSpec(
        name=MODEL,
        title="a toy of tokens that follows light",
        generator=generator,
        video=ENCODER,
        codec=CODEC,
        sampling=Sampling("maskgit", steps=7, scale=2.0, temperature=4.0),
    )
    catalog.add(encoder, codec, system)
    return encoder, codec, system


if __name__ != "toy":
    import pytest
    from graphs import node
    from toy_server import graph_of, server_with, sound_of

    @pytest.fixture(scope="module")
    def weights(tmp_path_factory):
        folder = tmp_path_factory.mktemp("toy")
        rng = torch.Generator().manual_seed(0)
        with torch.inference_mode(False):
            state = ToyTokens(ToyConfig()).state_dict()
            tensors = {k: torch.randn(v.shape, generator=rng) / 3 for k, v in state.items()}
        save_file(tensors, folder / "toy_tokens.safetensors")
        save_file({"scale": torch.ones(2)}, folder / "toy_level.safetensors")
        save_file({"level": torch.ones(1)}, folder / "toy_codec.safetensors")
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
            return generate(str(clip), load_model(MODEL), request).waveforms

        return make

    def test_python_makes_a_take_that_follows_the_stream(take, monkeypatch):
        whole = take()
        assert whole.shape == (1, 1, 32000) and len(whole.unique()) > 4
        assert torch.equal(take(takes=3)[0], whole[0]) and not torch.equal(take(seed=4), whole)
        monkeypatch.setattr(
            Level, "encode_batch", lambda self, frames: -torch.ones(len(frames), 1, 2)
        )
        assert not torch.equal(take(), whole)

    def test_the_command_line_knows_it(take, clip, tmp_path, capsys):
        from foleystage.cli import main
        from foleystage.core.media import read_audio

        out = tmp_path / "out.wav"
        command = ["generate", str(clip), "-o", str(out), "--model", MODEL, "--seed", "3"]
        assert main([*command, "--loudness", "off"]) == 0
        assert torch.allclose(read_audio(out)[0], take()[0], atol=2e-4)
        assert main(["models"]) == 0
        assert "a toy of tokens that follows light" in capsys.readouterr().out

    @pytest.mark.slow
    def test_a_graph_of_comfyui_makes_the_same_take(weights, take, tmp_path):
        graph = graph_of(MODEL, ENCODER, CODEC)
        with server_with(__file__, weights, tmp_path / "comfyui") as server:
            info = server.get("/object_info")
            for loader, name in (("Model", MODEL), ("VideoEncoder", ENCODER), ("Codec", CODEC)):
                choices = info[f"FoleyStageLoad{loader}"]["input"]["required"]["name"]
                assert name in str(choices)
            made = sound_of(server, server.run(graph))
            assert torch.allclose(made, take()[0], atol=2e-4)

            boxes = info["FoleyStageStreamGuider"]["input"]
            scales = {**boxes["required"], **boxes["optional"]}
            assert "how much light there is" in str(scales["level"])
            scales = {name: 2.0 for name, value in scales.items() if "strictly" in str(value)}
            guider = {"model": ["model", 0], "positive": ["both", 0], "start": 0.0, "stop": 1.0}
            sample = {**graph["sample"]["inputs"], "guider": ["guider", 0]}
            by_stream = {
                **graph,
                "guider": node("StreamGuider", **guider, **scales),
                "sample": {**graph["sample"], "inputs": sample},
            }
            # Equal scales are plain guidance, as the row has it.
            assert torch.equal(sound_of(server, server.run(by_stream)), made)
            by_stream["guider"]["inputs"]["level"] = 9.0
            assert not torch.equal(sound_of(server, server.run(by_stream)), made)

            for changes, sentence in (
                ({"sampler_name": "euler"}, "'euler' removes noise, but toy_tokens makes tokens"),
                ({"scheduler": "karras"}, "scheduler 'karras' is for models that remove noise"),
                ({"denoise": 0.5}, "set denoise to 1"),
            ):
                run = server.run(graph_of(MODEL, ENCODER, CODEC, **changes))
                assert sentence in run.error

            values = {"seed": 3, "steps": 4, "cfg": 2.0, "sampler_name": "euler"}
            values |= {"scheduler": "normal", "denoise": 1.0}
            sides = {k: graph["sample"]["inputs"][k] for k in ("model", "positive", "negative")}
            latent = {"latent_image": graph["sample"]["inputs"]["latent"]}
            continuous = {**graph, "sample": node("/KSampler", **sides, **latent, **values)}
            assert "This model makes tokens" in server.run(continuous).error

    @pytest.mark.slow
    def test_a_range_is_made_anew_and_the_rest_stays(weights, take, tmp_path):
        graph = graph_of(MODEL, ENCODER, CODEC)
        sound = node(
            "EncodeAudio",
            audio=["decode", 0],
            codec=["codec", 0],
            like=["both", 2],
            regenerate_from=0.8,
            regenerate_to=1.2,
        )
        inputs = {**graph["sample"]["inputs"], "latent": ["sound", 0], "seed": 9}
        again = {
            **graph,
            "sound": sound,
            "anew": {**graph["sample"], "inputs": inputs},
            "after": node(
                "Decode", samples=["anew", 0], codec=["codec", 0], normalize=False, loudness=-20.0
            ),
        }
        again["save"] = node("/SaveAudio", audio=["after", 0], filename_prefix="anew")
        with server_with(__file__, weights, tmp_path / "comfyui") as server:
            made = sound_of(server, server.run(again))
        whole, window = take()[0], slice(round(0.8 * 16000), round(1.2 * 16000))
        kept = torch.ones(32000, dtype=torch.bool)
        kept[window] = False
        assert torch.allclose(made[:, kept], whole[:, kept], atol=2e-4)
        assert not torch.allclose(made[:, window], whole[:, window], atol=1e-2)
