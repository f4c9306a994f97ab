"""A ComfyUI of its own for a test that adds a system: the pack, and the test's file beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from comfy_fixtures import ROOT, write_inputs
from comfy_server import Run, Server
from find_comfyui import fitting
from foleystage.core.media import read_audio
from graphs import Graph, node

# The pack under its own name, as for tests, and then what the file adds to its catalogue.
_WRAPPER = """
import importlib.util, sys
def load(name, path, **more):
    spec = importlib.util.spec_from_file_location(name, path, **more)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
comfy_entrypoint = load("foleystage", r"{root}/__init__.py", submodule_search_locations=[r"{root}"]
).comfy_entrypoint
load("toy", r"{file}").add_to_catalogue(r"{weights}")
"""


@contextlib.contextmanager
def server_with(file: str, weights: Path, base: Path) -> Iterator[Server]:
    """A server whose catalogue has what `add_to_catalogue(weights)` of a test's file adds."""
    pack = base / "custom_nodes" / "pack"
    pack.mkdir(parents=True)
    for name in ("input", "output", "temp", "user", "models"):
        (base / name).mkdir()
    text = _WRAPPER.format(root=ROOT, file=file, weights=weights)
    (pack / "__init__.py").write_text(text, encoding="utf-8")
    write_inputs(base / "input")
    server = Server(fitting().folder, base)
    try:
        yield server
    finally:
        server.stop()


def graph_of(model: str, encoder: str, codec: str, **sampler) -> Graph:
    """Loaders, conditioning, sampler, decode and a sound file, with untouched widgets."""
    defaults = {"seed": 3, "steps": 0, "cfg": -1.0, "sampler_name": "the model's own"}
    defaults |= {"scheduler": "published", "denoise": 1.0, "takes": 1}
    conditioned = {"positive": ["both", 0], "negative": ["both", 1], "latent": ["both", 2]}
    encoded = {"video": ["video", 0], "start": 0.0, "seconds": 0.0, "fps": 25.0}
    return {
        "video": node("/LoadVideo", file="clip.mp4"),
        "model": node("LoadModel", name=model, weight_dtype="float32"),
        "encoder": node("LoadVideoEncoder", name=encoder),
        "codec": node("LoadCodec", name=codec),
        "encoded": node("EncodeVideo", video_encoder=["encoder", 0], **encoded),
        "both": node("Conditioning", model=["model", 0], video=["encoded", 0], seconds=8.0),
        "sample": node("Sampler", model=["model", 0], **conditioned, **{**defaults, **sampler}),
        "decode": node(
            "Decode", samples=["sample", 0], codec=["codec", 0], normalize=False, loudness=-20.0
        ),
        "save": node("/SaveAudio", audio=["decode", 0], filename_prefix="toy"),
    }


def sound_of(server: Server, run: Run):
    """The waveform [C, T] that a graph of `graph_of` wrote."""
    assert run.ok, run.error or run.refusal
    return read_audio(server.path_of(run.files("save", "audio")[0]))[0]
