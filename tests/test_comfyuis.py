"""Which ComfyUIs the tests run on, and what a run without one says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "comfy"))

import find_comfyui  # noqa: E402
import runs  # noqa: E402


def make_comfyui(folder, version, *, dynamic_vram=False, requirements="torch\n"):
    (folder / "comfy").mkdir(parents=True)
    (folder / "main.py").touch()
    (folder / "comfy" / "model_management.py").touch()
    (folder / "requirements.txt").write_text(requirements)
    (folder / "comfyui_version.py").write_text(f'__version__ = "{version}"\n')
    if dynamic_vram:
        (folder / "comfy" / "memory_management.py").write_text("aimdo_enabled = False\n")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder without a ComfyUI, and nothing that the environment says of one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    monkeypatch.delenv(find_comfyui.OPT_OUT, raising=False)
    monkeypatch.setattr(find_comfyui, "CLONE", tmp_path / "clone")
    monkeypatch.setattr(runs, "prepare", lambda comfyui: Path(f"python-{comfyui.version}"))
    return tmp_path


@pytest.fixture
def two(home):
    """The floor and a newer one, in the home folder."""
    make_comfyui(home / "ComfyUI", "0.3.64")
    make_comfyui(home / "ComfyUI-new", "0.33.0", dynamic_vram=True)
    return home


def versions():
    return [comfyui.version for comfyui in find_comfyui.find()]


def test_every_comfyui_of_the_home_folder_is_found_once(two):
    (two / "comfy").mkdir()
    (two / "comfy" / "ComfyUI").symlink_to(two / "ComfyUI-new")
    (two / "ComfyUI-outputs").mkdir()
    assert versions() == ["0.3.64", "0.33.0"]


def test_named_folders_are_all_that_is_used(two, monkeypatch):
    named = [make_comfyui(two / name, name) for name in ("2.0", "1.0")]
    monkeypatch.setenv("COMFYUI_PATH", os.pathsep.join(map(str, named)))
    assert versions() == ["2.0", "1.0"]


def test_a_named_folder_without_a_comfyui_is_an_error(two, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", os.pathsep.join([str(two / "ComfyUI"), str(two / "no")]))
    with pytest.raises(LookupError, match="no, where no ComfyUI is"):
        find_comfyui.find()


def test_newest_is_by_number(two):
    make_comfyui(two / "ComfyUI-old", "0.4.0")
    ordered = find_comfyui.newest_first(find_comfyui.find())
    assert [comfyui.version for comfyui in ordered] == ["0.33.0", "0.4.0", "0.3.64"]


@pytest.mark.parametrize("pin, fits", [(pytest.__version__, True), ("0.0.1", False)])
def test_a_python_fits_when_it_has_what_is_pinned(home, pin, fits):
    make_comfyui(home / "ComfyUI", "1.0", requirements=f"torch\npytest=={pin} # exactly\n")
    (comfyui,) = find_comfyui.find()
    assert comfyui.fits is fits


def test_the_whole_suite_runs_on_the_newest_and_the_rest_on_every_other(two):
    nodes, other, rest, *parts, dynamic = every = runs.plan()
    assert nodes.folders == runs.OF_COMFYUI
    apart = [folder for part in (nodes, *parts) for folder in part.folders]
    assert set(runs.OF_COMFYUI) < set(apart) and len(set(apart)) == len(apart)
    assert rest.folders == ("tests", *(f"--ignore={folder}" for folder in apart))
    assert all((ROOT / folder).is_dir() for folder in apart)
    assert {run.python for run in (nodes, rest, *parts, dynamic)} == {Path("python-0.33.0")}
    assert other.folders == runs.OF_COMFYUI and other.python == Path("python-0.3.64")
    assert other.environment["COMFYUI_PATH"] == str((two / "ComfyUI").resolve())
    assert dynamic.folders == ("tests/nodes",)
    flags = [run.environment["FOLEYSTAGE_DYNAMIC_VRAM"] for run in every]
    assert flags == ["0"] * (len(every) - 1) + ["1"]
    assert len({run.log for run in every}) == len(every)


def test_without_a_comfyui_there_is_no_run_unless_that_is_allowed(home, monkeypatch):
    with pytest.raises(LookupError, match=find_comfyui.OPT_OUT):
        runs.plan()
    monkeypatch.setenv(find_comfyui.OPT_OUT, "1")
    assert [run.folders for run in runs.plan()] == [("tests",)]


@pytest.mark.slow
@pytest.mark.parametrize("allowed, status", [("", 1), ("1", 0)])
def test_tests_left_out_fail_the_run_unless_that_is_allowed(home, allowed, status):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/comfy"]
    command += [f"{__file__}::test_newest_is_by_number"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, find_comfyui.OPT_OUT: allowed, "COMFYUI_PATH": str(home / "none")},
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout and "tests/comfy: COMFYUI_PATH names" in done.stdout
    assert done.returncode == status
