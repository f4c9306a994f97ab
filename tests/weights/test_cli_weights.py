"""`foleystage models`, `download` and `convert` as a person types them, against a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from fake_hub import weights
from foleystage.cli import main
from foleystage.core.catalog import SYSTEMS
from foleystage.core.weights import advice
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.load import read_weights
from foleystage.core.weights.registry import ENTRIES

TESTS = Path(__file__).resolve().parents[1]
RUNNER = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import conftest; "
    "from foleystage.cli import main; raise SystemExit(main(sys.argv[1:]))"
)
REPO_FILE = "FF2416/AC-Foley/weights/ac_foley.pth"
CONTENT = weights(3_000_000)


def command(*arguments):
    return [sys.executable, "-c", RUNNER, str(TESTS), *arguments]


def sentence(capsys):
    """The one line of an error."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("foleystage: ") and "Traceback" not in lines[-1]
    return lines[-1]


def test_models_lists_every_row_with_licence_terms_and_place(folder, capsys):
    folder.mkdir()
    (folder / "v1-16.pth").write_bytes(bytes(2_500_000))
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    for row in ENTRIES:
        assert f"  {row.name}  (" in shown and row.licence.terms in shown
    assert "codec; 2.5 MB; CC-BY-NC-4.0, not for commercial use" in shown
    assert str(folder / "v1-16.pth") in shown
    assert f"not here: {advice.command()} download ac_foley\n" in shown
    assert "specvqgan_melgan  (vocoder; size not stated; " in shown
    assert "mel_picture_codec  (codec; " in shown and "0.0 MB" not in shown
    assert "not here: get mdsgen_audioldm.pt by hand from Google Drive" in shown


def test_models_as_json_say_what_each_system_is_made_of(folder, capsys):
    folder.mkdir()
    (folder / "v1-44.pth").write_bytes(bytes(1000))
    assert main(["models", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [system["name"] for system in shown["systems"]] == list(SYSTEMS)
    assert [row["name"] for row in shown["weights"]] == [row.name for row in ENTRIES]
    system = next(system for system in shown["systems"] if system["name"] == "ac_foley")
    streams = {stream["name"]: stream for stream in system["streams"]}
    assert (streams["clip"]["width"], streams["clip"]["rate"]) == (1024, 8)
    assert system["sampling"]["steps"] == 25 and system["sampling"]["scale"] == 4.5
    assert system["licence"]["spdx"] == "CC-BY-NC-4.0" and system["licence"]["commercial"] == "no"
    assert "not for commercial use" in system["licence"]["sentence"]
    parts = {part["role"]: part for part in system["parts"]}
    assert {"generator", "video encoder", "text encoder", "codec"} <= set(parts)
    files = {file["name"]: file for file in parts["codec"]["files"]}
    assert files["mmaudio_vae_44k"]["found"] == str(folder / "v1-44.pth")
    assert files["bigvgan_44k"]["found"] is None
    assert files["bigvgan_44k"]["source"] == "huggingface.co/nvidia/bigvgan_v2_44khz_128band_512x"
    ways = {row["name"]: row["how"] for row in shown["weights"]}
    assert ways["ac_foley_mini"] == "bundled" and ways["mdsgen_b"] == "by hand"
    assert ways["ac_foley"] == "download"


def test_download_puts_the_file_in_place_and_says_where_and_on_what_terms(hub, folder, capsys):
    hub.add(REPO_FILE, CONTENT)
    assert main(["download", "ac_foley"]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == str(folder / "ac_foley.pth")
    assert "CC-BY-NC-4.0, not for commercial use" in shown.err
    assert (folder / "ac_foley.pth").read_bytes() == CONTENT
    asked = len(hub.requests)
    assert main(["download", "ac_foley"]) == 0
    assert len(hub.requests) == asked


def test_download_into_a_folder_of_choice_says_how_it_is_found(hub, folder, tmp_path, capsys):
    hub.add(REPO_FILE, CONTENT)
    chosen = tmp_path / "chosen"
    assert main(["download", "ac_foley", "--folder", str(chosen)]) == 0
    shown = capsys.readouterr()
    assert (chosen / "ac_foley.pth").read_bytes() == CONTENT and not folder.exists()
    assert f"set FOLEYSTAGE_MODELS={chosen}" in shown.err
    assert main(["download", "ac_foley", "--folder", str(tmp_path / "second")]) == 0
    assert (tmp_path / "second" / "ac_foley.pth").is_file()


def test_the_token_of_the_environment_opens_a_gated_repository(hub, folder, monkeypatch, capsys):
    hub.add(REPO_FILE, CONTENT)
    hub.gated = {"FF2416/AC-Foley"}
    assert main(["download", "ac_foley"]) == 2
    assert "set HF_TOKEN" in sentence(capsys)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert main(["download", "ac_foley"]) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ac_foly", "choose one of ac_foley"),
        ("mdsgen_b", "put mdsgen_audioldm.pt from Google Drive"),
        ("cavp", "has no repository SimianLuo/Diff-Foley"),
    ],
)
def test_what_cannot_be_downloaded_is_one_sentence(hub, folder, capsys, name, message):
    assert main(["download", name]) == 2
    assert message in sentence(capsys)
    assert not list(folder.glob("*"))


def test_an_unknown_name_stops_before_anything_is_fetched(hub, folder, capsys):
    hub.add(REPO_FILE, CONTENT)
    assert main(["download", "ac_foley", "nonsense"]) == 2
    assert not hub.requests


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals and terminals")
def test_interrupt_keeps_what_came_and_the_next_run_goes_on(hub, folder, heed_interrupts):
    import pty

    content = weights(24_000_000)
    hub.add(REPO_FILE, content)
    hub.pace = 0.1
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        command("download", "ac_foley"),
        stderr=terminal,
        stdout=subprocess.PIPE,
        preexec_fn=heed_interrupts,
    )
    os.close(terminal)
    part = folder / "ac_foley.pth.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 4_000_000):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    drawn = os.read(screen, 1 << 16).decode()
    assert "ac_foley [#" in drawn and "MB of 24.0 MB" in drawn and "Traceback" not in drawn
    assert "stopped; what came is kept" in drawn
    kept = part.stat().st_size
    assert 4_000_000 < kept < len(content)
    hub.pace = 0.0
    done = subprocess.run(command("download", "ac_foley"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "ac_foley.pth").read_bytes() == content
    assert hub.gets[-1][1]["range"] == f"bytes={kept}-"


def test_convert_writes_safetensors_that_say_what_they_are(tmp_path, capsys):
    path = tmp_path / "some.pth"
    torch.save({"a": torch.ones(3)}, path)
    assert main(["convert", str(path), "--dtype", "float16"]) == 0
    assert "some.safetensors  (unknown; source: unknown; licence: unknown)" in (
        capsys.readouterr().out
    )
    out = tmp_path / "some.safetensors"
    assert read_weights(out)["a"].dtype == torch.float16
    assert len(read_metadata(out)["sha256"]) == 64


def text(path):
    path.write_text("no weights at all")


def fine(path):
    torch.save({"a": torch.ones(3)}, path)


@pytest.mark.parametrize(
    ("make", "extra", "message"),
    [
        (None, [], "There is no weights file"),
        (text, [], "cut off or damaged"),
        (fine, ["-o", "out.pth"], "must end in .safetensors"),
        (fine, ["-o", "there.safetensors"], "exists already"),
        (fine, ["-o", "there.safetensors/out.safetensors"], "cannot be written"),
    ],
)
def test_what_cannot_be_converted_is_one_sentence(
    tmp_path, monkeypatch, capsys, make, extra, message
):
    monkeypatch.chdir(tmp_path)
    Path("there.safetensors").write_text("kept")
    if make:
        make(Path("file.pth"))
    before = sorted(tmp_path.iterdir())
    assert main(["convert", "file.pth", *extra]) == 2
    assert message in sentence(capsys)
    assert sorted(tmp_path.iterdir()) == before
    assert Path("there.safetensors").read_text() == "kept"
