"""A node that has seen hits and made a take of them, for tests of the timeline."""

from __future__ import annotations

import torch
from comfy_api.latest import ComfyExtension, io
from foleystage.core.encoders.foley_mini import sync_from_events
from foleystage.core.encoders.mini_video import bumps
from foleystage.nodes.common import Features
from foleystage.nodes.values import EncodedFeatures

RATE, SECONDS = 22050, 4.0
HITS = (0.51, 1.25, 2.01, 3.11)
STRENGTHS = (0.9, 0.7, 0.5, 0.6)


class Probe(io.ComfyNode):
    """Hits at HITS, and decaying noise at each."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FoleyStageSeenProbe",
            display_name="Seen Probe",
            category="test",
            inputs=[],
            outputs=[Features.Output("features"), io.Audio.Output("audio")],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        events = bumps(list(HITS), list(STRENGTHS), round(50 * SECONDS))
        streams = {"sync": sync_from_events(events)[None]}
        features = EncodedFeatures(
            "video", "mini_video_encoder", streams, 0.0, SECONDS, SECONDS, chance=events[:, 0]
        )
        noise = torch.Generator().manual_seed(0)
        sound = torch.zeros(1, round(SECONDS * RATE))
        for time, strength in zip(HITS, STRENGTHS, strict=True):
            part = sound[:, round(time * RATE) :]
            decay = torch.exp(-torch.arange(part.shape[-1]) / (0.06 * RATE))
            part += 0.6 * strength * decay * torch.randn(part.shape, generator=noise)
        return io.NodeOutput(features, {"waveform": sound.clamp(-1, 1)[None], "sample_rate": RATE})


class ProbeExtension(ComfyExtension):
    async def get_node_list(self):
        return [Probe]
