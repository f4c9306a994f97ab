"""The rules of the house, checked on the tree itself."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path
    for folder in ("cli", "core", "nodes")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
) + sorted(ROOT.glob("*.py"))
CORE = [path for path in SOURCES if path.is_relative_to(ROOT / "core")]
HEAVY = {
    "accelerate",
    "transformers",
    "comfy",
    "matplotlib",
    "torchaudio",
    "torchvision",
    "scipy",
    "soundfile",
}
OPTIONAL = {"accelerate", "pyroomacoustics", "pyworld", "ray", "torch_directml"}
HOST_PACKAGES = {
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfy_extras",
    "folder_paths",
    "latent_preview",
    "node_helpers",
    "nodes",
    "server",
}
IMPORT_NAMES = {"pillow": "PIL"}
MOST_LINES = 420
MOST_MINI_BYTES = 46_000_000


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[Path]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listing = subprocess.run(command, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a source imports; relative ones are spelled out from `foleystage`."""
    package = ("foleystage", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join((*base, *(node.module.split(".") if node.module else ())))


def in_fresh_python(code: str) -> set[str]:
    """Runs `code` with the package alias in place; the top-level modules it loaded."""
    script = f"import sys; import conftest; {code}; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_core_loads_nothing_heavy():
    loaded = in_fresh_python("import foleystage.core")
    assert not loaded & (HEAVY | {"torch", "numpy", "av"})


@pytest.mark.slow
def test_importing_every_module_of_core_loads_nothing_heavy():
    modules = [
        "foleystage." + named(path)[:-3].replace("/", ".") for path in CORE if path.stem[0] != "_"
    ]
    loaded = in_fresh_python("; ".join(f"import {module}" for module in modules))
    assert not loaded & HEAVY


def test_root_imports_nothing():
    code = "import importlib.util as u; s = u.spec_from_file_location('pack', '__init__.py')"
    loaded = in_fresh_python(f"{code}; s.loader.exec_module(u.module_from_spec(s))")
    assert not loaded & (HEAVY | {"torch", "numpy", "av", "comfy_api"})


def test_core_knows_neither_nodes_nor_comfyui():
    for path in CORE:
        for name in imports(path):
            assert not name.startswith("foleystage.nodes"), named(path)
            assert name.partition(".")[0] not in HOST_PACKAGES, named(path)


def modules() -> dict[str, Path]:
    """The pack's modules by dotted name, a package by its folder's."""
    found = {}
    for path in SOURCES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(("foleystage", *(p for p in parts if p != "__init__")))] = path
    return found


def uses(name: str, path: Path, known: set[str]) -> set[str]:
    """Modules of the pack that a module imports, itself left out; names of one are that one."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package.split(".")
        base = base[: len(base) - node.level + 1]
        target = ".".join((*base, *([node.module] if node.module else [])))
        named = {f"{target}.{alias.name}" for alias in node.names}
        found |= {one if one in known else target for one in named}
    return (found & known) - {name}


def test_nothing_imports_in_a_circle():
    known = modules()
    graph = {name: uses(name, path, set(known)) for name, path in known.items()}
    while leaves := [name for name, wanted in graph.items() if not wanted & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert not graph, f"these import each other, or what does: {sorted(graph)}"


# The layers, top to bottom; folders and modules of core go by their own name. Each may import from
# its own layer and from those below it.
LAYERS = (
    ("root", "cli", "nodes"),
    ("nodes.native",),
    ("nodes.values",),
    (
        "pipeline",
        "batch",
        "long_take",
        "mixdown",
        "nudge",
        "section_run",
        "section_store",
        "sections",
        "seen_cues",
        "objects",
        "request",
        "cues",
        "resolve",
        "listing",
        "results",
        "ranking",
        "evaluation",
        "training",
    ),
    (
        "system",
        "loading",
        "stores",
        "catalog",
        "catalog_parts",
        "tables",
        "parts",
        "recognition",
        "diffusers_folder",
        "reference",
        "sounds",
    ),
    ("plan", "context"),
    ("sampling",),
    ("generators",),
    ("encoders", "codecs", "scenes", "onsets"),
    ("media", "weights"),
    ("core", "errors", "heap", "layers", "leftovers", "precision", "printable", "tasks", "threads"),
)
# What a layer would allow and the design does not.
STRANGERS = {
    "cli": {"nodes"},
    "nodes": {"cli", "evaluation", "training"},
    "nodes.native": {"pipeline", "request", "results", "evaluation", "training"},
    "evaluation": {"training"},
    "training": {"evaluation"},
    "pipeline": {"evaluation", "training", "results"},
    "batch": {"evaluation", "training"},
    "sampling": {"encoders", "codecs", "media", "weights"},
    "generators": {"encoders", "codecs", "media"},
    "encoders": {"codecs"},
    "codecs": {"encoders"},
    "scenes": {"encoders", "codecs", "weights"},
    "media": {"weights"},
    "weights": {"media"},
}
# Scenes are for measuring and for training; no system knows them.
KNOWN_BY = {"scenes": {"cli", "evaluation", "training"}}
DEPTH = {unit: depth for depth, layer in enumerate(LAYERS) for unit in layer}


def unit_of(module: str) -> str:
    """The unit of the table that a module of the pack belongs to."""
    parts = module.split(".")[1:]
    if parts[:1] == ["core"]:
        return parts[1] if len(parts) > 1 else "core"
    if parts[:2] in (["nodes", "native"], ["nodes", "values"]):
        return ".".join(parts[:2])
    return parts[0] if parts and parts[0] in ("cli", "nodes") else "root"


def unit_imports() -> Iterator[tuple[str, str, str]]:
    """Each import between two units: both, and the modules in words."""
    known = modules()
    for name, path in known.items():
        for used in uses(name, path, set(known)):
            ours, theirs = unit_of(name), unit_of(used)
            if ours != theirs:
                yield ours, theirs, f"{name} imports {used}"


def test_every_unit_stands_in_the_table():
    assert {unit_of(name) for name in modules()} <= DEPTH.keys()
    named = {*STRANGERS, *KNOWN_BY}.union(*STRANGERS.values(), *KNOWN_BY.values())
    assert named <= DEPTH.keys()


def test_nothing_imports_upwards():
    upward = [words for ours, theirs, words in unit_imports() if DEPTH[theirs] < DEPTH[ours]]
    assert not upward


def test_what_is_not_to_know_each_other_does_not():
    wrong = [
        words
        for ours, theirs, words in unit_imports()
        if theirs in STRANGERS.get(ours, ()) or ours not in KNOWN_BY.get(theirs, {ours})
    ]
    assert not wrong


def test_units_do_not_import_in_a_circle():
    graph: dict[str, set[str]] = {}
    for ours, theirs, _ in unit_imports():
        graph.setdefault(ours, set()).add(theirs)
        graph.setdefault(theirs, set())
    while leaves := [unit for unit, wanted in graph.items() if not wanted & graph.keys()]:
        for unit in leaves:
            del graph[unit]
    assert not graph, f"these import each other, or what does: {sorted(graph)}"


def test_generators_know_no_files():
    known = modules()
    readers = {f"foleystage.core.weights.{name}" for name in ("load", "files", "store", "fill")}
    for name, path in known.items():
        if unit_of(name) != "generators":
            continue
        assert not uses(name, path, set(known)) & readers, name
        foreign = {imported.partition(".")[0] for imported in imports(path)}
        assert not foreign & {"io", "os", "pathlib", "safetensors"}, name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("open", "torch.load", "torch.save"), name


def test_sampling_holds_no_network():
    for name, path in modules().items():
        if unit_of(name) != "sampling":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                assert not bases & {"Module", "Generator", "VideoEncoder", "Codec"}, name


def test_package_imports_itself_relatively():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").partition(".")[0] not in {"foleystage", "core"}, path


def test_every_import_is_a_declared_requirement():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = [Requirement(line).name for line in lines if line and not line.startswith("#")]
    declared = {IMPORT_NAMES.get(name, name) for name in names}
    allowed = declared | OPTIONAL | set(sys.stdlib_module_names) | {"foleystage", "setuptools"}
    for path in SOURCES:
        allowed_here = allowed if path in CORE else allowed | HOST_PACKAGES
        foreign = {name.partition(".")[0] for name in imports(path)} - allowed_here
        assert not foreign, f"{named(path)} imports {foreign}, not in requirements.txt"


def test_verified_versions_lie_within_the_requirements():
    def parsed(name: str) -> list[Requirement]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return [Requirement(line) for line in lines if line and not line.startswith("#")]

    ranges = {requirement.name: requirement.specifier for requirement in parsed("requirements.txt")}
    pins = parsed("constraints.txt")
    assert set(ranges) <= {pin.name for pin in pins}
    for pin in pins:
        (version,) = (part.version for part in pin.specifier)
        assert ranges.get(pin.name) is None or ranges[pin.name].contains(version), pin


def test_nothing_is_unpickled():
    for path in SOURCES:
        assert "pickle" not in imports(path), named(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                flags = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert flags.get("weights_only") == "True", f"{named(path)}:{node.lineno}"


def test_every_folder_with_code_is_a_package():
    for path in SOURCES:
        assert (path.parent / "__init__.py").is_file(), f"{named(path.parent)} is not in a wheel"


def test_no_file_is_too_long():
    for path in [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= MOST_LINES, f"{named(path)} has {lines} lines"


def test_no_machine_paths_and_no_registry_hosts_in_the_repository():
    machine = re.compile(
        r"(?<![\w.~$}/:-])/(?:home|root|work|Users|tmp|opt|mnt|var)/\w|[A-Z]:\\\\?\w"
    )
    hosts = re.compile(r"py" + r"pi\.org|python" + r"hosted|npm" + r"js\.org|debian" + r"\.org")
    for path, text in texts():
        for pattern in (machine, hosts):
            found = pattern.search(text)
            assert not found, f"{named(path)} names {found.group()!r}"


def test_nothing_large_is_tracked():
    minis = ROOT / "core" / "weights" / "minis"
    assert (
        sum(path.stat().st_size for path in minis.rglob("*") if path.is_file()) <= MOST_MINI_BYTES
    )
    for path in tracked():
        assert path.is_relative_to(minis) or path.stat().st_size < 3_000_000, named(path)


def test_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
