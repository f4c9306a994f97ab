"""What is built, and what the registry of ComfyUI asks of a pack."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib")

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"


def tracked() -> list[Path]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """The wheel of the tracked files."""
    folder = tmp_path_factory.mktemp("source")
    for path in tracked():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    built = folder / "built"
    built.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(built)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(built / done.stdout.splitlines()[-1]) as archive:
        yield archive


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_of_its_making(wheel):
    packed = {name.partition("/")[2] for name in wheel.namelist() if name.startswith("foleystage/")}
    folders = ("cli", "core", "nodes", "web", "locales", "workflows")
    wanted = {
        named(path)
        for path in tracked()
        if path.relative_to(ROOT).parts[0] in folders
        and "core/training/recipes/logs" not in named(path)
    }
    wanted |= {path.name for path in ROOT.glob("*.py")} - {"setup.py"} | {"py.typed"}
    assert {name for name in packed if "core/training/recipes/logs" not in name} == wanted
    assert "core/weights/minis/ac_foley_mini.safetensors" in packed


@pytest.mark.slow
def test_wheel_says_its_licence_and_its_command(wheel):
    read = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    about = wheel.read(read["METADATA"]).decode("utf-8")
    assert "License-Expression: Apache-2.0" in about and "Classifier: License" not in about
    assert {"LICENSE", "NOTICE"} <= read.keys()
    assert "foleystage = foleystage.cli:main" in wheel.read(read["entry_points.txt"]).decode()


def test_registry_finds_what_it_asks_for(project):
    about, comfy = project["project"], project["tool"]["comfy"]
    assert re.fullmatch(r"[a-z][a-z0-9._-]{0,98}", about["name"]) and "comfyui" not in about["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", about["version"])
    assert about["requires-python"] and about["description"] and about["license"] == "Apache-2.0"
    assert "Operating System :: OS Independent" in about["classifiers"]
    assert comfy["PublisherId"] and comfy["DisplayName"] and comfy["requires-comfyui"]
    assert (ROOT / comfy["web"]).is_dir()


def test_version_has_its_section_in_the_changelog(project):
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)
    assert "## [Unreleased]" in text or versions[0] == project["project"]["version"]
    assert versions == sorted(versions, key=lambda v: [int(n) for n in v.split(".")], reverse=True)


def test_registry_gets_the_pack_without_what_only_makes_it():
    ignored = (ROOT / ".comfyignore").read_text("utf-8").split()
    parts = {path.relative_to(ROOT).parts[0] for path in tracked()}
    sent = {part for part in parts if part not in ignored and f"{part}/" not in ignored}
    assert not sent & {"tests", "docs", "benchmarks", ".ci", ".github", "Makefile"}
    needed = {"__init__.py", "cli", "core", "nodes", "web", "workflows", "requirements.txt"}
    assert needed <= sent


def test_nothing_is_installed_or_evaluated_at_run_time():
    forbidden = {"eval", "exec", "compile", "__import__"}
    sources = [
        path for folder in ("cli", "core", "nodes") for path in (ROOT / folder).rglob("*.py")
    ]
    for path in [*sources, *ROOT.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in forbidden, f"{named(path)}:{node.lineno} calls {called}"
                where = f"{named(path)}:{node.lineno}"
                assert called.partition(".")[0] not in {"subprocess", "pip"}, where
                assert called not in {"os.system", "os.popen"}, where
