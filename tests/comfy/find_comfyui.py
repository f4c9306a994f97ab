"""Where are ComfyUIs? Prints version and folder of each, or says in one line what to do.

Looked for in this order: the folders named by COMFYUI_PATH (several are joined as in PATH), and
nothing else where it is set; the ComfyUI whose custom_nodes holds this repository, every
~/ComfyUI*, ~/comfy/ComfyUI, .comfyui in this repository. With --clone, the official repository
is cloned into .comfyui when none of these is there.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OFFICIAL = "https://github.com/Comfy-Org/ComfyUI"
CLONE = ROOT / ".comfyui"
CLONE_SECONDS = 120
OPT_OUT = "FOLEYSTAGE_WITHOUT_COMFYUI"
ABSENT = (
    "NO COMFYUI: set COMFYUI_PATH to a ComfyUI folder, or run make comfyui where the network "
    f"allows it; {OPT_OUT}=1 leaves out the node, server and browser tests."
)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9.+!_-]+)\s*(?:#.*)?$", re.MULTILINE)
_VERSION = re.compile(r"^(?:__version__|version)\s*=\s*[\"']([^\"']+)", re.MULTILINE)


@dataclass(frozen=True)
class ComfyUI:
    """A ComfyUI's source tree."""

    folder: Path
    version: str

    def __str__(self) -> str:
        return f"ComfyUI {self.version} ({self.folder})"

    @property
    def requirements(self) -> Path:
        """The file that names the packages it needs."""
        return self.folder / "requirements.txt"

    @property
    def has_dynamic_vram(self) -> bool:
        """Whether layers can be without weights until a checkpoint is loaded."""
        return self._says("comfy/memory_management.py", "aimdo_enabled")

    @property
    def throttles_progress(self) -> bool:
        """Whether messages of quick steps are left out."""
        return self._says("comfy/utils.py", "PROGRESS_THROTTLE")

    def _says(self, source: str, word: str) -> bool:
        path = self.folder / source
        return path.is_file() and word in path.read_text(encoding="utf-8")

    @property
    def fits(self) -> bool:
        """Whether this Python has the very versions that it pins: its frontend, to begin with."""
        pins = dict(_PIN.findall(self.requirements.read_text(encoding="utf-8")))
        return all(_installed(name) == version for name, version in pins.items())


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _version(folder: Path) -> str:
    for name in ("comfyui_version.py", "pyproject.toml"):
        path = folder / name
        found = path.is_file() and _VERSION.search(path.read_text(encoding="utf-8"))
        if found:
            return found[1]
    return "of unknown version"


def _is_comfyui(folder: Path) -> bool:
    needed = ("main.py", "requirements.txt", "comfy/model_management.py")
    return all((folder / name).is_file() for name in needed)


def _candidates() -> list[Path]:
    """Folders where a ComfyUI may be, the most explicit first.

    Raises:
        LookupError: COMFYUI_PATH names a folder without a ComfyUI.
    """
    named = [Path(n) for n in os.environ.get("COMFYUI_PATH", "").split(os.pathsep) if n]
    for folder in named:
        if not _is_comfyui(folder):
            raise LookupError(f"COMFYUI_PATH names {folder}, where no ComfyUI is: correct it.")
    host = [ROOT.parent.parent] if ROOT.parent.name == "custom_nodes" else []
    home = Path.home()
    return named or [*host, *sorted(home.glob("ComfyUI*")), home / "comfy" / "ComfyUI", CLONE]


def find() -> list[ComfyUI]:
    """Every ComfyUI once, in the order above.

    Raises:
        LookupError: there is none, or COMFYUI_PATH is wrong; the message says what to do.
    """
    folders = dict.fromkeys(folder.resolve() for folder in _candidates() if _is_comfyui(folder))
    if not folders:
        raise LookupError(ABSENT)
    return [ComfyUI(folder, _version(folder)) for folder in folders]


def newest_first(found: list[ComfyUI]) -> list[ComfyUI]:
    """By version, and as found where versions are equal."""
    return sorted(found, key=lambda c: [-int(n) for n in re.findall(r"\d+", c.version)] or [0])


def fitting() -> ComfyUI:
    """The first ComfyUI whose packages this Python has.

    Raises:
        LookupError: there is none; the message says what to do.
    """
    found = find()
    for comfyui in found:
        if comfyui.fits:
            return comfyui
    names = " and ".join(map(str, found))
    raise LookupError(
        f"{sys.executable} has not the packages that {names} needs: run make test, or a Python "
        "that it made, one a ComfyUI, in .venv/comfyui."
    )


def opted_out() -> bool:
    """Whether the environment allows tests without a ComfyUI."""
    return os.environ.get(OPT_OUT, "") not in ("", "0")


def clone() -> None:
    """Clones the official repository, newest commit only; nothing is there where that fails."""
    command = ["git", "clone", "--quiet", "--depth", "1", OFFICIAL, str(CLONE)]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        subprocess.run(
            command, check=True, env=environment, capture_output=True, timeout=CLONE_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{OFFICIAL} could not be cloned: {error}", file=sys.stderr)


def find_or_clone() -> list[ComfyUI]:
    """As `find`, after a clone where nothing is found and no folder is named."""
    try:
        return find()
    except LookupError:
        if os.environ.get("COMFYUI_PATH"):
            raise
    clone()
    return find()


def main() -> int:
    cloning = "--clone" in sys.argv[1:] and not opted_out()
    try:
        found = find_or_clone() if cloning else find()
    except LookupError as error:
        print(error, file=sys.stderr)
        return 0 if opted_out() else 1
    for comfyui in found:
        print(comfyui)
    return 0


if __name__ == "__main__":
    sys.exit(main())
