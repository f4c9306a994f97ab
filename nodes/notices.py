"""Texts shown on a node, such as what core warns of while it runs, where that is no error."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from .. import core

_HARMLESS = {ord("<"): "\u2039", ord(">"): "\u203a"}
_HARMLESS |= {code: " " for code in (*range(9), *range(11, 32), *range(127, 160))}


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line not in self.lines:
            self.lines.append(line)


@contextlib.contextmanager
def shown_on(node_id: str | None) -> Iterator[None]:
    """Warnings of core inside the block become a text on the node when the block ends well."""
    collector = _Collector()
    log = logging.getLogger(core.__name__)
    log.addHandler(collector)
    try:
        yield
    finally:
        log.removeHandler(collector)
    if collector.lines:
        show_text("\n".join(collector.lines), node_id)


def show_text(text: str, node_id: str | None) -> None:
    """Shows a text on a node while its page is open."""
    if node_id is None:
        return
    from server import PromptServer

    show = getattr(getattr(PromptServer, "instance", None), "send_progress_text", None)
    if show is not None:
        # Steps that unfold from a node are shown in its place.
        show(harmless(text), node_id.partition(".")[0])


def show_early(message: str, shown: Mapping[str, Any], node_id: str | None) -> None:
    """Tells the page that asked for the run what a node shows, before it ends, or fails."""
    if node_id is None:
        return
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    # Without a client ComfyUI would tell all of them.
    if getattr(server, "client_id", None) is not None:
        told = {"node": node_id.partition(".")[0], **shown}
        server.send_sync(message, told, server.client_id)


def harmless(text: str) -> str:
    """A text for a page: frontends before 1.30 read it as HTML, and a file may be named so."""
    return text.translate(_HARMLESS)
