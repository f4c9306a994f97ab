"""Graphs in ComfyUI's API format, built from small pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MODEL, ENCODER = "random_mini.safetensors", "random_encoder.safetensors"
CODEC = "foley_mini_codec"

Graph = dict[str, dict[str, Any]]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    """A node of the pack, or of core when its name begins with a slash."""
    name = kind[1:] if kind.startswith("/") else f"FoleyStage{kind}"
    return {"class_type": name, "inputs": inputs}


def whole(
    video: str = "clip.mp4",
    *,
    model: str = MODEL,
    encoder: str = ENCODER,
    words: str = "",
    prompt: str = "metal hit",
    seed: int = 0,
    steps: int = 3,
    seconds: float = 0.0,
    **sampler: Any,
) -> Graph:
    """Every step as a node, from LoadVideo to SaveVideo."""
    return {
        "video": node("/LoadVideo", file=video),
        "model": node("LoadModel", name=model, weight_dtype="default"),
        "encoder": node("LoadVideoEncoder", name=encoder),
        "words": node("LoadTextEncoder", name=words or model),
        "codec": node("LoadCodec", name=CODEC),
        "encoded": node(
            "EncodeVideo",
            video_encoder=["encoder", 0],
            video=["video", 0],
            start=0.0,
            seconds=seconds,
            fps=25.0,
        ),
        "read": node(
            "EncodeText", text_encoder=["words", 0], prompt=prompt, negative_prompt="wood"
        ),
        "conditioning": node(
            "Conditioning",
            model=["model", 0],
            video=["encoded", 0],
            text=["read", 0],
            negative_text=["read", 1],
            seconds=8.0,
        ),
        "sample": node(
            "Sampler",
            model=["model", 0],
            positive=["conditioning", 0],
            negative=["conditioning", 1],
            latent=["conditioning", 2],
            seed=seed,
            steps=steps,
            **{
                "cfg": 3.0,
                "sampler_name": "euler",
                "scheduler": "published",
                "denoise": 1.0,
                "takes": 1,
                **sampler,
            },
        ),
        "decode": node(
            "Decode", samples=["sample", 0], codec=["codec", 0], normalize=True, loudness=-20.0
        ),
        "mux": node("Mux", video=["video", 0], audio=["decode", 0], start=["decode", 1], fps=25.0),
        "save": node(
            "/SaveVideo", video=["mux", 0], filename_prefix="t", format="auto", codec="auto"
        ),
    }


def with_system(graph: Graph, name: str) -> Graph:
    """The graph of `whole` with one loader in place of four."""
    loaders = {"model": 0, "encoder": 1, "words": 2, "codec": 3}
    rest = {key: n for key, n in graph.items() if key not in loaders}
    rest = {
        key: {
            **n,
            "inputs": {
                k: ["system", loaders[v[0]]] if isinstance(v, list) and v[0] in loaders else v
                for k, v in n["inputs"].items()
            },
        }
        for key, n in rest.items()
    }
    return {"system": node("LoadSystem", name=name, weight_dtype="default"), **rest}


def quick(video: str = "clip.mp4", *, model: str = MODEL, **inputs: Any) -> Graph:
    """Quick Foley between LoadVideo and SaveVideo."""
    values = {
        "prompt": "",
        "negative_prompt": "",
        "seed": 0,
        "steps": 3,
        "cfg": 3.0,
        "seconds": 0.0,
        "fps": 25.0,
        **inputs,
    }
    return {
        "video": node("/LoadVideo", file=video),
        "quick": node("Quick", video=["video", 0], model=model, audioUI="", **values),
        "save": node(
            "/SaveVideo", video=["quick", 0], filename_prefix="q", format="auto", codec="auto"
        ),
    }


def with_changes(graph: Graph, **changes: dict[str, Any]) -> Graph:
    """A copy in which inputs of some nodes are others; a value of None takes an input away."""
    copy = {name: {**n, "inputs": dict(n["inputs"])} for name, n in graph.items()}
    for name, inputs in changes.items():
        for key, value in inputs.items():
            if value is None:
                copy[name]["inputs"].pop(key, None)
            else:
                copy[name]["inputs"][key] = value
    return copy


def with_reference(graph: Graph, sound: str | list) -> Graph:
    """A copy whose take is to have the timbre of a sound file, or of a node's output."""
    graph = with_changes(graph, conditioning={"reference": ["timbre", 0]})
    if isinstance(sound, str):
        graph["load"], sound = node("/LoadAudio", audio=sound, audioUI=""), ["load", 0]
    graph["timbre"] = node("EncodeReference", audio=sound, codec=["codec", 0], model=["model", 0])
    return graph


SPAN = {"start": 0.0, "stop": 1.0}


def term(weight: float, slot: int = 0, **more: Any) -> dict[str, Any]:
    """A term of a guidance that keeps every stream of one side of the conditioning."""
    keeps = {f"hear_{name}": True for name in ("sync", "clip", "text", "audio")}
    side = ["conditioning", slot]
    return node("GuidanceTerm", conditioning=side, weight=weight, **keeps, **SPAN, **more)


_WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
_CHOICE_WITH_INPUTS = "COMFY_DYNAMICCOMBO_V3"
_NOTES = {"Note", "MarkdownNote"}
_NOTHING = object()


def api_of(workflow: dict[str, Any], info: dict[str, Any]) -> Graph:
    """The API form of a workflow in the frontend's format, by the nodes' own description."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    graph: Graph = {}
    for box in workflow["nodes"]:
        if box["type"] in _NOTES:
            continue
        linked = {i["name"]: sources[i["link"]] for i in box["inputs"] if i.get("link")}
        values = iter(box["widgets_values"])
        inputs: dict[str, Any] = {}
        for name, (kind, *options) in _declared(info[box["type"]]):
            inputs |= _take(values, name, kind, options[0] if options else {})
        graph[str(box["id"])] = {"class_type": box["type"], "inputs": {**inputs, **linked}}
    return graph


def _declared(entry: dict[str, Any]):
    for section in ("required", "optional"):
        for name in entry["input_order"].get(section, []):
            yield name, entry["input"][section][name]


def _take(values: Iterator[Any], name: str, kind: Any, options: dict[str, Any]) -> dict[str, Any]:
    """What a saved node says of one input: nothing where it is no widget, or came later."""
    if kind == _CHOICE_WITH_INPUTS:
        return _take_choice(values, name, options)
    if not isinstance(kind, list) and kind not in _WIDGETS:
        return {}
    taken = _next(values, name)
    if options.get("control_after_generate"):
        next(values, None)
    return taken


def _next(values: Iterator[Any], name: str) -> dict[str, Any]:
    value = next(values, _NOTHING)
    return {} if value is _NOTHING else {name: value}


def _take_choice(values: Iterator[Any], name: str, options: dict[str, Any]) -> dict[str, Any]:
    """A choice that brings inputs of its own, which are named after it."""
    taken = _next(values, name)
    chosen = [o["inputs"] for o in options["options"] if o["key"] == taken.get(name)]
    for inputs in chosen:
        for section in ("required", "optional"):
            for key, (kind, *more) in inputs.get(section, {}).items():
                taken |= _take(values, f"{name}.{key}", kind, more[0] if more else {})
    return taken
