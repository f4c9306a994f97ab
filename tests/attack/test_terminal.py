"""What is printed or drawn: names and words of others come out as plain text."""

from __future__ import annotations

import io
import logging
import os
import shutil
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest
import torch
from command import QUICK, run
from foleystage.cli import main
from foleystage.cli.terminal import LogFormatter, safe_streams
from foleystage.core.media import probe
from foleystage.core.printable import printable
from foleystage.core.results.plot import drawable, plot_take

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX terminals")
HOSTILE = {
    "colour": ("\x1b[31mred", r"\x1b[31mred"),
    "title": ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
    "8-bit escape": ("\x9b31m", r"\x9b31m"),
    "another line": ("a\nfoleystage: done", r"a\nfoleystage: done"),
    "over the line": ("a\rb", r"a\rb"),
    "tab": ("a\tb", r"a\tb"),
    "next line": ("a\x85b\u2028c", r"a\x85b\u2028c"),
    "backspace": ("a\x08\x7f", r"a\x08\x7f"),
    "null": ("a\0b", r"a\x00b"),
    "right to left": ("\u202egpj.exe", r"\u202egpj.exe"),
    "isolate": ("\u2066a\u2069", r"\u2066a\u2069"),
    "no width": ("a\u200b\ufeffb", r"a\u200b\ufeffb"),
    "tag": ("a\U000e0041", r"a\U000e0041"),
    "no UTF-8": ("a\udcff", r"a\udcff"),
}
PLAIN = (
    "",
    "clip 1.mp4",
    "Fu\u00dfboden",
    "\u91d1\u5c5e\u3000\u97f3",
    "\u0627\u0644",
    "e\u0301",
    "\U0001f600",
)


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_text_is_shown_as_an_escape(text, shown):
    assert printable(text) == shown
    assert printable(text, keep=text) == text


@pytest.mark.parametrize("text", PLAIN)
def test_text_of_every_script_stays(text):
    assert printable(text) == text


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_errors_and_warnings_are_one_safe_line(text, shown, tmp_path, capsys):
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s is cut off", (text,), None)
    assert LogFormatter("%(message)s").format(record) == f"{shown} is cut off"
    if "\0" in text:
        return
    assert main(["generate", str(tmp_path / text), "-o", "o.wav"]) == 2
    assert f"{shown}'" in capsys.readouterr().err
    assert main(["generate", "-o", str(tmp_path / text / "o.wav")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{shown}'" in line
    with pytest.raises(SystemExit) as ended:
        main(["generate", "v.mp4", "-o", "o.wav", text, "--steps", text])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == error[: error.index("error:")].count("\n") + 1
    assert printable(error, keep="\n") == error


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp932", "utf-8"])
def test_no_stream_is_without_words_for_a_name(encoding, monkeypatch):
    held = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(held, encoding))
    with safe_streams():
        print("\u91d1 \u00e4 \U0001f600 \x1b \udcff", end="\n")
    text = held.getvalue().decode(encoding)
    assert text.endswith(" \\x1b \\udcff\n") and text.encode(encoding) == held.getvalue()
    assert ("\u91d1" in text) == (encoding in ("cp932", "utf-8"))


TITLES = {
    "a formula": "a$x^$b$",
    "half a formula": "$",
    "backslashes": r"$\frac{\sqrt{x}$ \alpha",
    "no UTF-8": "a\udcff.mp4",
    "lines": "a\n\n\nb\r\tc",
    "escapes": "\x1b[31m\x07\u202e",
    "Chinese": "\u91d1\u5c5e",
    "many scripts": "\u0627\u0644 \u05d0 \u0915 \u0e01 \U0001f600 \U0010ffff",
    "long": "metal " * 5000,
    "nothing": "",
}


@pytest.mark.parametrize("title", TITLES.values(), ids=TITLES)
def test_every_title_is_drawn_without_a_word(title, film, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_take(film, torch.zeros(1, 8000), 16000, tmp_path / "p.png", title=title)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_titles_are_cut_and_keep_what_a_font_has():
    text, fonts = drawable("$x^$ \u00e4\u0416 \U0010ffff")
    assert text == "$x^$ \u00e4\u0416 \\U0010ffff" and fonts[0] == "DejaVu Sans"
    assert drawable("\u1b00")[0] in ("?", "\u1b00")
    assert len(drawable("x" * 500)[0]) < 120 and drawable("x" * 500)[0].endswith("x...")


@POSIX
@pytest.mark.slow
def test_a_run_on_hostile_names_says_all_in_plain_text(film, tmp_path):
    video = b"a$x_$b\x1b[31m\nc\xff.mp4"
    with open(os.path.join(os.fsencode(tmp_path), video), "wb") as file:
        file.write(film.read_bytes())
    output = "o\x1b[31m\n\u202e.wav"
    arguments = ["-o", output, "--plot", "p$^$.png", "--prompt", "$x^$ \u91d1\x1b[31m", *QUICK]
    status, out, error = run(tmp_path, "generate", video, *arguments, env={"PYTHONUTF8": "1"})
    assert status == 0 and out.startswith(r"o\x1b[31m\n\u202e.wav  (0.50 s")
    for text in (out, error):
        assert printable(text, keep="\n") == text
    assert "Glyph" not in error and "Traceback" not in error
    assert {output, "p$^$.png"} < set(os.listdir(tmp_path))


@POSIX
@pytest.mark.slow
def test_a_name_that_the_terminal_lacks_is_written_and_said(tmp_path, film):
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    shutil.copy(film, tmp_path / "v.mp4")
    given = ["generate", "v.mp4", "-o", "\u91d1.wav", *QUICK]
    status, out, error = run(tmp_path, *given, env=environment)
    assert status == 0 and out.startswith(r"\u91d1.wav  (0.50 s")
    assert error == (
        "The video encoder sees no hit in this video; a cue sheet (foleystage cues, Foley "
        "Timeline) puts hits where they are wanted.\n"
    )
    assert (tmp_path / "\u91d1.wav").stat().st_size > 10_000


def _broken() -> int:
    """The end to write to of a pipe that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    return writes


STREAMS = {
    "no standard output": lambda: {"closed": (1,)},
    "no standard error": lambda: {"closed": (2,)},
    "nothing at all": lambda: {"closed": (0, 1, 2)},
    "nobody reads the output": lambda: {"stdout": _broken()},
    "nobody reads the errors": lambda: {"stderr": _broken()},
    "nobody reads": lambda: {"stdout": _broken(), "stderr": _broken()},
    "full": lambda: {"stdout": open("/dev/full", "wb"), "stderr": open("/dev/full", "wb")},
}


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_nobody_listening_changes_neither_the_file_nor_the_status(streams, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    scene = ("scene", "1", "-o", "o.mp4", "--seconds", "0.5", "--height", "32")
    status, out, error = run(tmp_path, *scene, **streams())
    assert status == 0 and error == ""
    assert probe(tmp_path / "o.mp4").seconds == pytest.approx(0.5, abs=0.05)
    status, out, error = run(tmp_path, "scene", "1", "-o", "no/o.mp4", **streams())
    assert status == 2 and out == "" and "Traceback" not in error
    assert os.listdir(tmp_path) == ["o.mp4"]


def test_every_escape_is_of_a_character_that_is_not_shown():
    for code in range(0x110000):
        char = chr(code)
        shown = printable(char)
        if shown == char:
            assert unicodedata.category(char)[0] not in "C" and char not in "\u2028\u2029", hex(
                code
            )
        else:
            assert shown.isascii() and shown.isprintable() and shown[0] == "\\", hex(code)
