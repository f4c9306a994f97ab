"""FoleyStage in a real ComfyUI on a GPU, dynamic VRAM as the artist has it.

    python benchmarks/comfyui_gpu.py [--steps 25] [--cpu --fast]

Starts a ComfyUI server with this checkout as a custom node and runs graphs: `ac_foley_mini` as
bundled, from a video; AC-Foley at full size with random weights, 8 s, without a picture. Each is
loaded and sampled, sampled again, unloaded (/free) and loaded again, and must make the same latent
to rounding; then with a LoRA, which must change it, and in fp8. A ComfyUI is found as for the tests
(COMFYUI_PATH). Writes seconds and peak memory into `benchmarks/README.md`; `--cpu --fast`, a small
network on the processor, shows that everything runs and prints alone.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch
from full_size import network, write_files
from measure import machine, write_table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "comfy"))
EXAMPLE = ROOT / "workflows" / "media" / "example.mp4"
MODELS = {"ac_foley_mini": "foley_mini_codec", "ac_foley": "mmaudio_codec_44k"}
LAYER = "diffusion_model.joint_blocks.0.latent_block.attn.qkv"
SAME, DIFFERENT = 0.05, 1e-3  # relative L2; kernels of a GPU need not repeat their rounding


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    if not options.cpu and not torch.cuda.is_available():
        raise SystemExit("This machine has no usable CUDA device.")
    from comfy_server import Server
    from find_comfyui import fitting

    comfyui = fitting()
    base = Path(tempfile.mkdtemp(prefix="comfyui-"))
    try:
        _furnish(base, options.fast)
        server = Server(comfyui.folder, base, ("--cpu",) if options.cpu else ())
        try:
            rows = [row for name in MODELS for row in _model(server, name, options)]
            said = server.log.read_text()
        finally:
            server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    dynamic = "with" if "DynamicVRAM support detected" in said else "without"
    device = machine() if options.cpu else torch.cuda.get_device_name()
    lines = [
        f"ComfyUI {comfyui.version}, {dynamic} dynamic VRAM, {device}; {options.steps} steps, 8 s.",
        "",
        "| | seconds | peak memory of the device |",
        "|---|---|---|",
        *(f"| {what} | {seconds:.1f} | {peak / 1e9:.2f} GB |" for what, seconds, peak in rows),
    ]
    text = "\n".join(lines)
    print(text) if options.fast else write_table("comfyui_gpu", text)


def _furnish(base: Path, fast: bool) -> None:
    """ComfyUI's folders, the weights and a LoRA for each model."""
    from safetensors.torch import save_file

    for name in ("custom_nodes", "input", "output", "temp", "user", "models/foley", "models/loras"):
        (base / name).mkdir(parents=True)
    (base / "custom_nodes" / "foleystage").symlink_to(ROOT, target_is_directory=True)
    shutil.copy(EXAMPLE, base / "input")
    weights = base / "models" / "foley"
    write_files(weights, fast, {"mmaudio_vae_44k", "bigvgan_44k"}, torch.float16)
    with torch.no_grad():
        save_file(network(fast, torch.bfloat16).state_dict(), weights / "ac_foley.safetensors")
    for name in MODELS:
        width = 896 if name == "ac_foley" and not fast else 128
        rng = torch.Generator().manual_seed(0)
        lora = {
            f"{LAYER}.lora_A.weight": torch.randn(4, width, generator=rng),
            f"{LAYER}.lora_B.weight": torch.randn(3 * width, 4, generator=rng),
        }
        save_file(lora, base / "models" / "loras" / f"{name}.safetensors")


def _graph(name: str, steps: int, *, lora: bool = False, dtype: str = "default") -> dict:
    from graphs import node

    loaded = ["lora" if lora else "model", 0]
    told = {"model": loaded, "seconds": 8.0}
    graph = {
        "model": node("LoadModel", name=name, weight_dtype=dtype),
        "codec": node("LoadCodec", name=MODELS[name]),
        "told": node("Conditioning", **told),
        "sample": node(
            "Sampler",
            model=loaded,
            positive=["told", 0],
            negative=["told", 1],
            latent=["told", 2],
            seed=0,
            steps=steps,
            cfg=-1.0,
            sampler_name="the model's own",
            scheduler="published",
            denoise=1.0,
            takes=1,
        ),
        "decode": node(
            "Decode", samples=["sample", 0], codec=["codec", 0], normalize=False, loudness=-20.0
        ),
        "listen": node("/PreviewAudio", audio=["decode", 0], audioUI=""),
        "save": node("/SaveLatent", samples=["sample", 0], filename_prefix="take"),
    }
    if lora:
        graph["lora"] = node(
            "/LoraLoaderModelOnly",
            model=["model", 0],
            lora_name=f"{name}.safetensors",
            strength_model=1.0,
        )
    if name.endswith("mini"):
        graph["video"] = node("/LoadVideo", file=EXAMPLE.name)
        graph["eye"] = node("LoadVideoEncoder", name="mini_video_encoder")
        given = {"video_encoder": ["eye", 0], "video": ["video", 0]}
        graph["seen"] = node("EncodeVideo", **given, start=0.0, seconds=0.0, fps=25.0)
        graph["told"]["inputs"]["video"] = ["seen", 0]
    return graph


def _model(server, name: str, options: argparse.Namespace) -> list[tuple[str, float, int]]:
    """(what, seconds, peak bytes) of each run; SystemExit where one is not as it should be."""
    rows, latents = [], {}
    runs = (
        ("load and sample", {}),
        ("sample again", {}),
        ("after unloading", {}),
        ("with a LoRA", {"lora": True}),
        ("in fp8", {"dtype": "fp8_e4m3fn"}),
    )
    for number, (what, changes) in enumerate(runs):
        if what == "after unloading":
            server.post("/free", {"unload_models": True, "free_memory": True})
            time.sleep(2)
        graph = _graph(name, options.steps, **changes)
        # Nothing is taken from ComfyUI's cache of results.
        graph["sample"]["inputs"]["denoise"] = 1.0 - number * 1e-9
        start = time.perf_counter()
        with _Peak(server, options.cpu) as peak:
            run = server.run(graph)
        seconds = time.perf_counter() - start
        if not run.ok:
            raise SystemExit(f"{name}, {what}: {run.error or run.refusal}")
        latents[what] = _latent(server, run)
        rows.append((f"{name}, {what}", seconds, peak.bytes))
    first = latents["load and sample"]
    for what, latent in latents.items():
        apart = float((latent - first).norm() / first.norm())
        wrong = apart < DIFFERENT if what == "with a LoRA" else apart > SAME and what != "in fp8"
        print(f"{name}, {what}: relative difference {apart:.1e}", file=sys.stderr)
        if wrong:
            raise SystemExit(f"{name}, {what}: the latent is not as it should be.")
    return rows


def _latent(server, run) -> torch.Tensor:
    from safetensors.torch import load_file

    latent = load_file(server.path_of(run.files("save", "latents")[0]))["latent_tensor"]
    if not torch.isfinite(latent).all() or float(latent.std()) == 0:
        raise SystemExit("A latent is empty, or not a number.")
    return latent


class _Peak:
    """Bytes of the device in use at most, while it lasts, as the driver says of all processes."""

    def __init__(self, server, cpu: bool) -> None:
        self._read = server.memory if cpu else _used
        self.bytes = 0

    def __enter__(self) -> _Peak:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self.bytes = max(self.bytes, self._read())


def _used() -> int:
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(query, capture_output=True, text=True).stdout.splitlines()[0]) << 20


if __name__ == "__main__":
    main()
