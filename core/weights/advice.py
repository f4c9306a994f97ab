"""What a reader can do to get a weights file: the command that there is, or a node's switch."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sysconfig
from collections.abc import Sequence
from pathlib import Path

_NAME = "foleystage"


def command() -> str:
    """What starts this package's command line here, a script below the working folder by its
    relative path; "" where nothing does.

    A clone in ComfyUI's custom_nodes has no `foleystage` command, and goes by its folder's name.
    """
    if shutil.which(_NAME):
        return _NAME
    # An environment that is not activated.
    script = shutil.which(_NAME, path=sysconfig.get_path("scripts"))
    if script is not None:
        path, here = Path(script), Path.cwd()
        return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
    own = __name__.partition(".")[0] == _NAME
    return f"python -m {_NAME}" if own and importlib.util.find_spec(_NAME) else ""


def download_advice(names: Sequence[str], *, in_comfyui: bool) -> str:
    """How to download rows of the registry, as the end of a sentence; "" where nothing can."""
    if in_comfyui:
        return "switch on download in the node that loads it"
    start = command()
    return f"run `{start} download {' '.join(names)}`" if start else ""
