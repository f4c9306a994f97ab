"""The list of nodes that ComfyUI asks for."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import (
    bridge,
    condition,
    decode,
    encode,
    example,
    guide,
    load,
    long_take,
    mux,
    objects,
    quick,
    sample,
    task,
    timeline,
    view,
)
from .folders import register_folder

register_folder()


class FoleyStageExtension(ComfyExtension):
    """Every node of the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        begin, middle = (quick, example, load, encode), (condition, task, bridge, guide)
        themes = (*begin, *middle, sample, long_take, objects, decode, mux, view, timeline)
        return [node for theme in themes for node in theme.NODES]
