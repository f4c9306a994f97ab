"""Where is ComfyUI? Prints its folder, or says in one line what to do.

Looked for in this order: the folder named by COMFYUI_PATH, the ComfyUI whose custom_nodes holds
this repository, ComfyUI or comfy/ComfyUI in the home folder, .comfyui in this repository. With
--clone, the official repository is cloned into .comfyui when none of these is there.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OFFICIAL = "https://github.com/Comfy-Org/ComfyUI"
CLONE = ROOT / ".comfyui"
CLONE_SECONDS = 120
ABSENT = (
    "NO COMFYUI: the ComfyUI tests are skipped; set COMFYUI_PATH to a ComfyUI folder or run "
    "make comfyui where the network allows it."
)


def candidates() -> list[Path]:
    """Folders where a ComfyUI may be, the most explicit first."""
    named = os.environ.get("COMFYUI_PATH")
    home = Path.home()
    places = [ROOT.parent.parent, home / "ComfyUI", home / "comfy" / "ComfyUI", CLONE]
    return [Path(named), *places] if named else places


def find() -> Path | None:
    """The first candidate that holds a ComfyUI, or None."""
    for folder in candidates():
        if (folder / "main.py").is_file() and (folder / "comfy" / "model_management.py").is_file():
            return folder
    return None


def usable() -> bool:
    """Whether a ComfyUI is there and this Python has what it imports."""
    return find() is not None and importlib.util.find_spec("comfyui_frontend_package") is not None


def clone() -> Path | None:
    """Clones the official repository, newest commit only; None where that fails."""
    command = ["git", "clone", "--quiet", "--depth", "1", OFFICIAL, str(CLONE)]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        subprocess.run(
            command, check=True, env=environment, capture_output=True, timeout=CLONE_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return find()


def main() -> int:
    folder = find() or (clone() if "--clone" in sys.argv[1:] else None)
    print(folder or ABSENT)
    return 0 if folder else 1


if __name__ == "__main__":
    sys.exit(main())
