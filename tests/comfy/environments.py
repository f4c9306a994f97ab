"""One light virtual environment a ComfyUI: what it pins, over the repository's own .venv.

Its site-packages come first and .venv's after them, so torch and whatever else fits is shared
and only what this ComfyUI wants otherwise is installed. The folder is named for the ComfyUI's
version and requirements, and lies in .venv, with which it goes. As a program: prints the Python
for the newest ComfyUI.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import sysconfig
from pathlib import Path

from find_comfyui import ROOT, ComfyUI, find, newest_first

HOME = Path(sys.prefix) / "comfyui"
CONSTRAINTS = ROOT / "constraints.txt"
_LAYER = "import site; site.addsitedir({!r})\n"
_PIP = ("-m", "pip", "install", "-qq", "--disable-pip-version-check")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def _shared_packages() -> list[str]:
    """Names and versions of what .venv holds: when they change, pip is asked again."""
    return sorted(p.name for p in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))


def prepare(comfyui: ComfyUI) -> Path:
    """The Python that has all that a ComfyUI needs; run by .venv's Python.

    Raises:
        RuntimeError: its packages could not be installed; pip has said why.
    """
    wanted = comfyui.requirements.read_text(encoding="utf-8")
    constraints = CONSTRAINTS.read_text(encoding="utf-8")
    folder = HOME / f"{comfyui.version}-{_digest(wanted, constraints)}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    state = _digest(*_shared_packages())
    if python.exists() and ready.is_file() and ready.read_text() == state:
        return python
    print(f"Setting up {folder.name} for {comfyui}...", file=sys.stderr, flush=True)
    try:
        _layer(folder, python)
        pip = [python, *_PIP, "--root-user-action=ignore", "--constraint", CONSTRAINTS]
        # Some versions import requests without saying so.
        subprocess.run([*pip, "requests", "--requirement", comfyui.requirements], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(
            f"What {comfyui} needs could not be installed into {folder} ({error}): see above, "
            f"and try again, or leave this ComfyUI out of COMFYUI_PATH."
        ) from error
    ready.write_text(state)
    return python


def _layer(folder: Path, python: Path) -> None:
    """An empty environment that sees .venv's packages after its own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout
    shared = sysconfig.get_path("purelib")
    (Path(own.strip()) / "shared.pth").write_text(_LAYER.format(shared), encoding="utf-8")


def main() -> int:
    try:
        print(prepare(newest_first(find())[0]))
    except (LookupError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
