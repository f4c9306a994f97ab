"""The nodes inside this process: ComfyUI's modules on the CPU, without a server.

FOLEYSTAGE_DYNAMIC_VRAM=1 has layers come without weights, as ComfyUI does with an NVIDIA card.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("comfy", "nodes", "pipeline")]

from left_out import comfyui_or_reason, leave_out  # noqa: E402

COMFYUI, REASON = comfyui_or_reason()


def _use(comfyui) -> None:
    """Makes a ComfyUI's modules importable, on the CPU."""
    sys.path.insert(1, str(comfyui.folder))
    from comfy.cli_args import args

    args.cpu = True
    if os.environ.get("FOLEYSTAGE_DYNAMIC_VRAM", "") not in ("", "0"):
        _switch_on_dynamic_vram(comfyui)


def _switch_on_dynamic_vram(comfyui) -> None:
    """As ComfyUI's main.py does it, less the driver, which asks for a graphics card."""
    if not comfyui.has_dynamic_vram:
        pytest.exit(f"{comfyui} has no dynamic VRAM: unset FOLEYSTAGE_DYNAMIC_VRAM.", returncode=1)
    import comfy.memory_management
    import comfy.model_patcher

    comfy.memory_management.aimdo_enabled = True
    comfy.model_patcher.CoreModelPatcher = comfy.model_patcher.ModelPatcherDynamic


if COMFYUI:
    _use(COMFYUI)
    from control_fixtures import (  # noqa: F401 - fixtures
        backbone,
        bridge,
        bridged,
        control,
        picture,
        plain,
    )
else:
    collect_ignore_glob = ["test_*.py"]


def pytest_configure(config):
    if not COMFYUI:
        leave_out(config, "tests/nodes", REASON)


@pytest.fixture(autouse=True)
def inference():
    """Nodes run as ComfyUI runs them."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """The models folder, with random minis in it."""
    import folder_paths
    from foleystage.nodes import extension  # noqa: F401 - registers the folder
    from random_minis import write_random_minis

    folder = tmp_path_factory.mktemp("foley")
    with torch.inference_mode(False):
        write_random_minis(folder)
    folder_paths.folder_names_and_paths["foley"] = ([str(folder)], set())
    folder_paths.set_temp_directory(str(tmp_path_factory.mktemp("temp")))
    return folder


@pytest.fixture(scope="session")
def call(nodes):
    """Runs a node as the executor does: `call("Decode", samples=..., codec=...)`."""
    from comfy_api.latest import io

    # Older ComfyUIs want the hidden inputs themselves, newer ones a dictionary that holds them.
    hidden = {io.Hidden.unique_id: None}

    def run(name: str, /, **inputs):
        node = nodes[f"FoleyStage{name}"].PREPARE_CLASS_CLONE({**hidden, "hidden_inputs": hidden})
        defaults = {
            i.id: i.default
            for i in node.GET_SCHEMA().inputs
            if getattr(i, "default", None) is not None
        }
        return node.execute(**{**defaults, **inputs}).result

    return run


@pytest.fixture(scope="session")
def nodes():
    """Every node class of the pack by its id."""
    import asyncio

    from foleystage.nodes.extension import FoleyStageExtension

    listed = asyncio.run(FoleyStageExtension().get_node_list())
    return {node.GET_SCHEMA().node_id: node for node in listed}


@pytest.fixture(scope="session")
def random_model(weights, call):
    """A MODEL with random weights, float32."""
    return call("LoadModel", name="random_mini.safetensors", weight_dtype="float32")[0]


@pytest.fixture(scope="session")
def model(random_model):
    """The MODEL of most tests; some modules have one of their own."""
    return random_model


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A video of 2 s in which a block jumps twice a second."""
    from foleystage.core.media import encode_frames

    frames = torch.zeros(50, 48, 64, 3, dtype=torch.uint8)
    for index in range(50):
        top = 4 + 3 * abs(index % 12 - 6)
        frames[index, top : top + 16, 20:44] = 220
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    encode_frames(frames, 25.0, path)
    return path


@pytest.fixture(scope="session")
def features(weights, call, clip):
    """FOLEY_FEATURES of the clip."""
    from comfy_api.latest import InputImpl

    encoder = call("LoadVideoEncoder", name="random_encoder.safetensors")[0]
    return call("EncodeVideo", video_encoder=encoder, video=InputImpl.VideoFromFile(str(clip)))[0]


@pytest.fixture(scope="session")
def text(weights, call):
    """Positive and negative text features."""
    encoder = call("LoadTextEncoder", name="random_mini.safetensors")[0]
    return call("EncodeText", text_encoder=encoder, prompt="metal hit", negative_prompt="wood")


@pytest.fixture(scope="session", autouse=True)
def made_first(random_model, features, text):
    """Before a module puts other files where these are looked for."""


@pytest.fixture(scope="session")
def conds(model, features, text, call):
    """positive, negative, latent of Foley Conditioning."""
    with torch.inference_mode():
        return call(
            "Conditioning", model=model, video=features, text=text[0], negative_text=text[1]
        )
