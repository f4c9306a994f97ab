"""A node with a drawn range, for tests of the drawing; nothing is generated."""

from __future__ import annotations

import torch
from comfy_api.latest import ComfyExtension, io
from foleystage.core.errors import FoleyError
from foleystage.nodes.ranges import drawn_range, range_of, range_preview

RATE = 22050
ONSETS = (0.5, 1.25, 2.0, 3.1)


def blows(seconds: float) -> torch.Tensor:
    """Decaying noise at ONSETS, [1, T]."""
    noise = torch.Generator().manual_seed(0)
    sound = torch.zeros(1, int(seconds * RATE))
    for place, time in enumerate(ONSETS):
        hit = sound[:, round(time * RATE) :]
        decay = torch.exp(-torch.arange(hit.shape[-1]) / (0.06 * RATE))
        hit += (0.6 - 0.12 * place) * decay * torch.randn(hit.shape, generator=noise)
    return sound.clamp(-1, 1)


class Probe(io.ComfyNode):
    """Makes blows, shows them, and lets nothing go on without a range."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FoleyStageRangeProbe",
            display_name="Range Probe",
            category="test",
            inputs=[
                io.Float.Input("seconds", default=4.0, min=0.1, max=3600.0),
                drawn_range("The part that is made anew."),
                io.String.Input("words", default="after"),
                io.Video.Input("video", optional=True),
            ],
            outputs=[io.String.Output("chosen")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, seconds: float, range: str, words: str, video=None) -> io.NodeOutput:
        from foleystage.nodes.preview import preview_of

        sound = blows(seconds)
        picture = None if video is None else preview_of(video, 25.0, 0.0, seconds)
        shown = range_preview(sound, RATE, picture)
        chosen = range_of(range)
        if chosen is None:
            # Without a value there is nothing that could be blocked.
            return io.NodeOutput(
                "", ui=shown, block_execution="Draw a range on the waveform first."
            )
        if chosen[1] > seconds:
            raise FoleyError(f"The range ends after the sound, which lasts {seconds:g} s.")
        return io.NodeOutput(f"{chosen[0]:.3f} to {chosen[1]:.3f} {words}", ui=shown)


class ProbeExtension(ComfyExtension):
    async def get_node_list(self):
        return [Probe]
