"""The pack inside a real ComfyUI: what it says of itself, and graphs from end to end."""

from __future__ import annotations

import os
import re

import av
import pytest
import torch
from find_comfyui import fitting
from foleystage.core.media import read_audio
from graphs import SPAN, node, quick, term, whole, with_changes, with_reference, with_system

BUNDLED = __import__("pathlib").Path(__file__).resolve().parents[2] / "core/weights/minis"
TRAINED = all(
    (BUNDLED / f"{n}.safetensors").is_file() for n in ("ac_foley_mini", "mini_video_encoder")
)
needs_minis = pytest.mark.skipif(not TRAINED, reason="the bundled minis are not in this checkout")

NODES = (
    "Quick LoadSystem LoadModel LoadVideoEncoder LoadTextEncoder LoadCodec EncodeVideo EncodeText "
    "EncodeReference EncodeAudioPrompt Conditioning EmptyLatent Guider PowerCosineGuider "
    "MultiCFGGuider StreamGuider GuidanceTerm "
    "CombineGuidance RescaleGuidance Sampler MaskGITSampler Decode EncodeAudio Mux Mix Plot Takes "
    "Timeline Example Task LoadBackbone LoadBridge ApplyControl LongTake Object ObjectTakes Stem "
    "SaveStems Variations"
).split()


def streams(path):
    """(seconds of picture, seconds of sound, sizes of the picture's packets)."""
    with av.open(str(path)) as media:
        video, audio = media.streams.video[0], media.streams.audio[0]
        ends = [float(s.duration * s.time_base) for s in (video, audio)]
        sizes = [p.size for p in media.demux(video) if p.size]
    return *ends, sizes


def test_every_node_is_listed_and_explains_itself(server):
    info = server.get("/object_info")
    ours = {name: entry for name, entry in info.items() if name.startswith("FoleyStage")}
    assert set(ours) == {f"FoleyStage{name}" for name in NODES}
    for name, entry in ours.items():
        assert entry["category"].startswith("FoleyStage") and entry["description"], name
        inputs = {**entry["input"].get("required", {}), **entry["input"].get("optional", {})}
        for key, (_, *options) in inputs.items():
            assert options and options[0].get("tooltip"), f"{name}.{key}"
        assert all(entry["output_name"]) and all(entry["output_tooltips"]), name
        widgets = [
            key
            for key, (kind, options) in inputs.items()
            if _is_widget(kind) and not options.get("forceInput")
        ]
        assert len(widgets) <= 8, f"{name} has {len(widgets)} widgets"


def _is_widget(kind):
    return isinstance(kind, list) or kind in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def test_start_up_is_quick(server):
    line = re.search(r"([\d.]+) seconds: \S*foleystage", server.log.read_text())
    # Processes that wait for a core share it: then the clock says more than the import took.
    busy = max(1.0, os.getloadavg()[0] / os.cpu_count())
    assert line and float(line[1]) < 0.5 * busy, (line, busy)


def test_the_whole_graph_puts_a_sound_under_the_untouched_picture(server):
    run = server.run(whole())
    assert run.ok, run.error or run.refusal
    (file,) = run.files("save", "images")
    picture, sound, sizes = streams(server.path_of(file))
    with av.open(str(server.base / "input" / "clip.mp4")) as source:
        assert sizes == [p.size for p in source.demux(video=0) if p.size]
    assert picture == pytest.approx(2.0, abs=0.01) and sound == pytest.approx(picture, abs=0.001)


@needs_minis
def test_one_loader_gives_what_four_give(server):
    four = server.run(
        whole(model="ac_foley_mini", encoder="mini_video_encoder", words="mini_text_encoder")
    )
    one = server.run(with_system(whole(), "ac_foley_mini"))
    assert one.ok and four.ok, one.error or one.refusal or four.error or four.refusal
    sounds = [read_audio(server.path_of(run.files("save", "images")[0]))[0] for run in (one, four)]
    assert torch.equal(*sounds) and float(sounds[0].abs().max()) > 0


def test_progress_is_shown_for_every_step(server):
    run = server.run(whole(seed=3, steps=7))
    steps = [d["value"] for d in run.of("progress") if d["node"] == "sample"]
    if fitting().throttles_progress:
        # Of quick steps some are left out; the first and the last never are.
        assert steps == sorted(set(steps)) and (steps[0], steps[-1]) == (1, 7)
    else:
        assert steps == list(range(1, 8))


def test_another_seed_encodes_nothing_again(server):
    server.run(whole(seed=10))
    run = server.run(whole(seed=11))
    assert {"video", "model", "encoded", "read", "conditioning"} <= run.cached
    assert "sample" not in run.cached


def test_cancel_stops_at_once_and_the_next_graph_runs(server):
    run = server.run(whole(seed=20, steps=400), cancel_in="sample")
    assert run.of("execution_interrupted")
    assert max(d["value"] for d in run.of("progress") if d["node"] == "sample") < 40
    assert server.run(whole(seed=21)).ok


def custom(guider, **more):
    """The graph with SamplerCustomAdvanced and one of our guiders."""
    graph = whole()
    graph["guider"] = guider
    graph |= more
    graph["noise"] = node("/RandomNoise", noise_seed=1)
    graph["euler"] = node("/KSamplerSelect", sampler_name="euler")
    graph["sigmas"] = node(
        "/BasicScheduler", model=["model", 0], scheduler="simple", steps=3, denoise=1.0
    )
    graph["sample"] = node(
        "/SamplerCustomAdvanced",
        noise=["noise", 0],
        guider=["guider", 0],
        sampler=["euler", 0],
        sigmas=["sigmas", 0],
        latent_image=["conditioning", 2],
    )
    return graph


SIDES = {"model": ["model", 0], "positive": ["conditioning", 0], "negative": ["conditioning", 1]}


def test_the_guider_runs_in_core_s_sampler(server):
    run = server.run(custom(node("Guider", **SIDES, cfg=4.5, start=0.2, stop=0.9)))
    assert run.ok, run.error or run.refusal


def test_one_scale_a_stream_runs_in_core_s_sampler(server):
    guider = node(
        "StreamGuider",
        model=["model", 0],
        positive=["conditioning", 0],
        sync=6.0,
        clip=3.0,
        text=4.5,
        audio=1.0,
        **SPAN,
    )
    run = server.run(custom(guider))
    assert run.ok, run.error or run.refusal


def test_a_sum_of_one_s_own_runs_in_core_s_sampler(server):
    terms = {"a": term(3.0), "b": term(-1.0, slot=1, terms=["a", 0])}
    guider = node(
        "CombineGuidance", model=["model", 0], terms=["b", 0], rest="to the unconditioned"
    )
    run = server.run(custom(guider, **terms))
    assert run.ok, run.error or run.refusal


def test_k_sampler_with_a_lora_loader_and_denoise(server, base):
    import torch
    from safetensors.torch import save_file

    key = "diffusion_model.final_layer.conv"
    lora = {
        f"{key}.lora_A.weight": torch.ones(1, 128 * 7),
        f"{key}.lora_B.weight": torch.ones(32, 1),
    }
    save_file(lora, base / "models" / "loras" / "tiny.safetensors")
    graph = whole()
    graph["lora"] = node(
        "/LoraLoaderModelOnly", model=["model", 0], lora_name="tiny.safetensors", strength_model=0.1
    )
    graph["load"] = node("/LoadAudio", audio="reference.wav", audioUI="")
    graph["from"] = node(
        "EncodeAudio",
        audio=["load", 0],
        codec=["codec", 0],
        like=["conditioning", 2],
        regenerate_from=0.5,
        regenerate_to=1.0,
    )
    graph["sample"] = node(
        "/KSampler",
        model=["lora", 0],
        positive=["conditioning", 0],
        negative=["conditioning", 1],
        latent_image=["from", 0],
        seed=0,
        steps=4,
        cfg=4.5,
        sampler_name="dpmpp_2m",
        scheduler="normal",
        denoise=0.6,
    )
    run = server.run(graph)
    assert run.ok, run.error or run.refusal


def test_frames_of_a_generator_become_a_video_with_sound(server):
    graph = with_changes(whole(), encoded={"video": ["frames", 0]}, mux={"video": ["frames", 0]})
    graph["frames"] = node("/GetVideoComponents", video=["video", 0])
    run = server.run(graph)
    assert run.ok, run.error or run.refusal
    picture, sound, sizes = streams(server.path_of(run.files("save", "images")[0]))
    assert len(sizes) == 50 and sound == pytest.approx(picture, abs=0.001)


def test_a_mask_changes_the_sound(server):
    graph = whole(seed=30)
    graph["black"] = node("/SolidMask", value=0.0, width=128, height=96)
    graph["preview"] = node("/PreviewAudio", audio=["decode", 0], audioUI="")
    plain = server.run(graph)
    masked = server.run(with_changes(graph, encoded={"mask": ["black", 0]}))
    assert plain.ok and masked.ok, masked.error
    sounds = [server.path_of(r.files("preview", "audio")[0]).read_bytes() for r in (plain, masked)]
    assert sounds[0] != sounds[1]


def test_takes_mix_plot_and_reference(server):
    graph = with_reference(whole(video="sounding.mp4", takes=3), "reference.wav")
    graph["takes"] = node("Takes", audio=["decode", 0], pick=2)
    graph["mix"] = node(
        "Mix",
        foley=["takes", 0],
        original=["video", 0],
        foley_db=0.0,
        original_db=-6.0,
        duck_db=12.0,
        start=0.0,
        normalize=True,
        loudness=-16.0,
    )
    graph["plot"] = node(
        "Plot", audio=["takes", 0], video=["video", 0], features=["encoded", 0], start=0.0, fps=25.0
    )
    run = server.run(with_changes(graph, mux={"audio": ["mix", 0], "start": 0.0}))
    assert run.ok, run.error or run.refusal
    assert len(run.files("takes", "takes")) == 3
    assert len(run.files("plot", "images")) == 1


@needs_minis
def test_quick_foley_has_a_player_on_its_face(server):
    run = server.run(quick(model="ac_foley_mini", prompt="metal hit"))
    assert run.ok, run.error or run.refusal
    assert run.files("quick", "audio")
    shown = [d for d in run.of("executed") if d["display_node"] == "quick" and d["output"]]
    assert any(d["output"].get("audio") for d in shown)
    picture, sound, _ = streams(server.path_of(run.files("save", "images")[0]))
    assert sound == pytest.approx(picture, abs=0.001)


@needs_minis
def test_another_seed_of_quick_foley_encodes_nothing_again(server):
    server.run(quick(model="ac_foley_mini", seed=40))
    run = server.run(quick(model="ac_foley_mini", seed=41))
    ran = {d["node"] for d in run.of("executing") if d["node"]}
    kinds = [name for name in ran if name.startswith("quick")]
    assert run.ok and len(kinds) <= 6, kinds


@needs_minis
def test_hits_fall_on_the_hits_of_the_scene(server, base):
    from foleystage.core.media import read_audio
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.scenes import sample_scene
    from foleystage.core.scenes.files import write_picture

    scene = sample_scene(3, "test", seconds=4.0, hard=False, kinds=("hammer",))
    write_picture(scene, base / "input" / "scene.mp4", 144, silent=True)
    run = server.run(quick(video="scene.mp4", model="ac_foley_mini", prompt="metal", steps=25))
    assert run.ok, run.error or run.refusal
    sound, rate = read_audio(server.path_of(run.files("save", "images")[0]))
    onsets = detect_onsets(sound, rate)
    hits = [e.time for e in scene.events]
    matched = [t for t in hits if len(onsets) and min(abs(onsets - t)) < 0.06]
    assert len(matched) >= 0.7 * len(hits), (hits, onsets)
    assert len(onsets) <= 1.5 * len(hits) + 1, (hits, onsets)
