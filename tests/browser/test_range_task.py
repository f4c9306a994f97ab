"""A range drawn on Foley Task, and what the graph makes of it."""

from __future__ import annotations

import json

import pytest
import torch
from frontend import ALONE, RENDERERS, run_to_end
from graphs import node
from range_page import SHOWN, VIEW, Line, ours, range_server

pytestmark = pytest.mark.slow

KIND = "FoleyStageTask"
RATE, SECONDS = 22050, 2.0
CHOOSE = """task => {
    const node = window.app.graph.nodes.find(n => n.foleyRange);
    const widget = node.widgets.find(w => w.name === "task");
    widget.value = task;
    widget.callback?.(task, window.app.canvas, node);
}"""
# Alone in view, at its own size.
FRAME = """() => {
    const {graph, canvas} = window.app, node = graph.nodes.find(n => n.foleyRange);
    graph.nodes.forEach(n => { if (n !== node) n.pos = [0, 3000]; });
    node.pos = [0, 0];
    Object.assign(canvas.ds, {scale: 1, offset: [300, 200]});
    canvas.setDirty(true, true);
}"""
NUMBERS = """count => {
    const first = (window.lastNumber ?? 0) + 1;
    window.lastNumber = first + count;
    return first;
}"""
HEIGHT = "window.app.graph.nodes[0].size[1]"
FIELDS = """() => window.app.graph.nodes[0].widgets
    .filter(w => !(w.hidden || w.options?.hidden)).map(w => w.name)"""


@pytest.fixture(scope="module")
def server():
    return range_server()


def bursts() -> torch.Tensor:
    """Noise that sets in at 0.25 s and 1 s, [1, T]."""
    sound = torch.zeros(1, round(SECONDS * RATE))
    noise = torch.Generator().manual_seed(0)
    for time in (0.25, 1.0):
        part = sound[:, round(time * RATE) :]
        decay = torch.exp(-torch.arange(part.shape[-1]) / (0.15 * RATE))
        part += 0.2 * decay * torch.randn(part.shape, generator=noise)
    return sound.clamp(-1, 1)


@pytest.fixture(scope="module")
def own(server):
    """The sound that is edited, as it is read from its file in the input folder."""
    from foleystage.core.media import read_audio, write_audio

    path = server.base / "input" / "bursts.wav"
    write_audio(path, bursts(), RATE)
    return read_audio(path)[0]


def graph(text: str = "") -> dict:
    system = {name: ["system", place] for place, name in enumerate(("model", "encoder", "words"))}
    return {
        "system": node("LoadSystem", name="foleygenex_mini", weight_dtype="float32"),
        "clip": node("/LoadVideo", file="clip.mp4"),
        "sound": node("/LoadAudio", audio="bursts.wav"),
        "video": node(
            "EncodeVideo",
            video_encoder=system["encoder"],
            video=["clip", 0],
            start=0.0,
            seconds=0.0,
            fps=25.0,
        ),
        "text": node(
            "EncodeText", text_encoder=system["words"], prompt="metal hit", negative_prompt=""
        ),
        "task": node(
            "Task",
            task="edit",
            model=system["model"],
            video=["video", 0],
            text=["text", 0],
            audio=["sound", 0],
            codec=["system", 3],
            range=text,
            seconds=SECONDS,
            surrogate="video",
            inversion="off",
        ),
        "sample": node(
            "Sampler",
            model=system["model"],
            positive=["task", 0],
            negative=["task", 1],
            latent=["task", 2],
            seed=0,
            steps=3,
            cfg=3.0,
            sampler_name="euler",
            scheduler="published",
            denoise=1.0,
            takes=1,
        ),
        "decode": node(
            "Decode", samples=["sample", 0], codec=["system", 3], normalize=True, loudness=-20.0
        ),
        "save": node("/SaveAudio", audio=["decode", 0], filename_prefix="edited"),
    }


def opened(page, text=""):
    """The graph in the page, Foley Task in view; the numbers of its nodes by name."""
    named = graph(text)
    # New numbers: the frontend keeps the results and values of one that was there before.
    first = page.evaluate(NUMBERS, len(named))
    numbers = {name: str(first + place) for place, name in enumerate(named)}
    for box in named.values():
        for name, value in box["inputs"].items():
            if isinstance(value, list):
                box["inputs"][name] = [numbers[value[0]], value[1]]
    numbered = {numbers[name]: box for name, box in named.items()}
    page.evaluate("graph => window.app.loadApiJson(graph, 'edit')", numbered)
    page.wait_for_function(f"!!{VIEW}", timeout=10_000)
    frame(page)
    return numbers


def frame(page):
    page.evaluate(FRAME)
    page.wait_for_timeout(700)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_what_is_drawn_is_made_anew_and_the_rest_stays(page, server, look, own, renderer):
    from foleystage.core.media import read_audio

    look(renderer)
    numbers = opened(page)
    assert Line(page).now["empty"] == "Run once to see the sound."
    asked = run_to_end(page, server)
    assert asked["status"]["status_str"] == "error"
    assert "draw a range on the waveform of Foley Task" in json.dumps(asked["status"])
    # It shows the sound all the same, and the picture that it goes with.
    page.wait_for_function(SHOWN, timeout=30_000)
    page.keyboard.press("Escape")
    page.locator(".foley-range-stage video").wait_for(state="visible")
    frame(page)
    line = Line(page)
    assert line.now["seconds"] == SECONDS and line.now["onsets"] == pytest.approx([0.25, 1], 0.01)
    line.drag(line.at(0.7), line.at(1.5))
    start, stop = line.range["start"], line.range["stop"]
    assert (start, stop) == (pytest.approx(0.7, abs=0.05), pytest.approx(1.5, abs=0.05))
    done = run_to_end(page, server)
    assert done["status"]["status_str"] == "success"
    assert done["outputs"][numbers["task"]]["foley_range"][0]["seconds"] == SECONDS
    (file,) = done["outputs"][numbers["save"]]["audio"]
    made, rate = read_audio(server.path_of(file))
    assert rate == RATE and made.shape == own.shape
    first, last = round(start * RATE), round(stop * RATE)
    off = (made - own).abs()
    # Two files of 16 bits.
    assert off[:, :first].max() < 2**-14 and off[:, last:].max() < 2**-14
    assert off[:, first:last].max() > 0.05
    assert line.range == {"start": start, "stop": stop} and not ours(page)


def test_in_a_subgraph_it_shows_its_sound_too(page, server, look, own):
    look("classic")
    opened(page)
    page.evaluate("""() => {
        const {graph} = window.app;
        graph.convertToSubgraph(new Set([graph.nodes.find(n => n.foleyRange)]));
    }""")
    page.wait_for_timeout(500)
    assert run_to_end(page, server)["status"]["status_str"] == "error"
    inner = "window.app.graph.nodes.find(n => n.subgraph).subgraph.nodes[0].foleyRange"
    page.wait_for_function(f"{inner}.peaks.length > 0", timeout=30_000)
    assert page.evaluate(f"{inner}.model.seconds") == SECONDS
    page.keyboard.press("Escape")


def test_a_graph_whose_results_are_kept_shows_its_sound_again(page, server, look, own):
    look("classic")
    text = '{"start": 0.5, "stop": 1}'
    for _ in range(2):
        opened(page, text)
        assert run_to_end(page, server)["status"]["status_str"] == "success"
        page.wait_for_function(SHOWN, timeout=30_000)
        assert Line(page).now["text"] == text


@pytest.mark.parametrize("renderer", RENDERERS)
def test_it_is_drawn_on_only_where_the_task_goes_by_a_range(page, look, renderer):
    look(renderer)
    page.evaluate(ALONE, [KIND, None])
    area = page.locator(".foley-range-area")
    others = ["task", "seconds", "surrogate", "inversion"]
    area.wait_for(state="hidden")
    page.wait_for_timeout(500)
    low = page.evaluate(HEIGHT)
    assert page.evaluate(FIELDS) == others
    for task in ("edit", "extend"):
        page.evaluate(CHOOSE, task)
        area.wait_for(state="visible")
        page.wait_for_timeout(300)
        assert page.evaluate(HEIGHT) > low + 100
        assert page.evaluate(FIELDS) == [*others, "foley_range_drawing"]
        page.evaluate(CHOOSE, "vta")
        area.wait_for(state="hidden")
        page.wait_for_timeout(300)
        assert page.evaluate(HEIGHT) <= low
    assert not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_saved_task_opens_as_it_was(page, look, renderer):
    look(renderer)
    page.evaluate(ALONE, [KIND, None])
    page.evaluate(CHOOSE, "edit")
    page.locator(".foley-range-area").wait_for(state="visible")
    page.wait_for_timeout(500)
    line = Line(page)
    line.drag(line.at(2.0), line.at(6.0))
    text, height = line.now["text"], page.evaluate(HEIGHT)
    saved = page.evaluate("JSON.stringify(window.app.graph.serialize())")
    page.evaluate("window.app.graph.clear()")
    page.evaluate("saved => window.app.loadGraphData(JSON.parse(saved))", saved)
    page.locator(".foley-range-area").wait_for(state="visible")
    page.wait_for_timeout(500)
    now = line.now
    assert now["text"] == text and now["range"] == json.loads(text)
    assert now["saved"] == ["edit", 8, text, "video", "off"]
    assert page.evaluate(HEIGHT) == pytest.approx(height, abs=30)
