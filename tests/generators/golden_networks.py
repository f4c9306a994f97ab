"""The reduced networks of the golden cases, as configs and streams of this package."""

from __future__ import annotations

from dataclasses import replace

import case as golden
import torch
from foleystage.core.generators import AC_FOLEY, L44, L44_V2, ACFoley, Lengths, MMAudio

CASES = ["ac_foley_net", "mmaudio_net", "mmaudio_net_v2"]
FIGURES = ["latent_dim", "clip_dim", "sync_dim", "text_dim", "hidden_dim", "depth", "fused_depth"]
FIGURES += ["num_heads", "text_seq_len"]


def build(case: golden.Case, **factory) -> MMAudio:
    figures = case.config["constructor"]
    family, published = MMAudio, L44_V2 if figures.get("v2") else L44
    if case.config["class_"] == "AC_Foley":
        family, published = ACFoley, AC_FOLEY
    return family(replace(published, **{name: figures[name] for name in FIGURES}), **factory)


def network(case: golden.Case) -> MMAudio:
    """The network of a case; a take of it has the case's lengths, whatever its seconds."""
    built = build(case)
    built.load_state_dict(case.state_dict())
    built.lengths = lambda streams, seconds=None: lengths(case)
    return built.eval()


def lengths(case: golden.Case) -> Lengths:
    c = case.config["constructor"]
    names = ("latent", "clip", "sync", "text", "audio")
    return {name: c.get(f"{name}_seq_len", 0) for name in names}


def streams(case: golden.Case) -> dict[str, torch.Tensor]:
    names = ["clip", "sync", "text"] + ["audio"] * ("audio_f" in case.info["inputs"])
    return {name: case.input(f"{name}_f") for name in names}
