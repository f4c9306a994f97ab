"""Downloads from a server that plays faults: what comes is looked at before it gets its name."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from fake_hub import tensors, weights
from foleystage.cli import main
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.weights import fetch, store
from foleystage.core.weights.entries import Hub, Url

CONTENT = weights(300_000)
TENSORS = tensors(300_000)
PAGE = b"<!DOCTYPE html><html><body>Please log in to the hotel's network</body></html>"
SECRET = "pass-word-1"
SENTENCE_MOST = 700


def send(handler, body, status=200, length=True, **headers):
    """An answer as a fault has it. length: whether and how long it says it is."""
    handler.send_response(status)
    for key, value in headers.items():
        handler.send_header(key.replace("_", "-"), value)
    if length:
        handler.send_header("Content-Length", str(len(body) if length is True else length))
    handler.end_headers()
    handler.wfile.write(body)


def asked_from(handler):
    """Where the part that was asked for begins, 0 for all of it."""
    return int(handler.headers.get("Range", "bytes=0-")[6:-1])


@pytest.fixture
def release(hub, row):
    """release(content, file): the row of a release that publishes no hash."""

    def add(content, file="net.pth"):
        row(Url(f"{hub.url}/owner/release", file))
        hub.add(f"owner/release/{file}", content)

    return add


@pytest.fixture
def refused(folder):
    """refused(sentence): that a download is, in one sentence, and nothing gets its name."""

    def check(sentence, seconds=20.0):
        start = time.monotonic()
        with pytest.raises(FoleyError, match=sentence) as caught:
            store.download("test")
        assert time.monotonic() - start < seconds
        said = str(caught.value)
        assert "\n" not in said and said.isprintable() and len(said) < SENTENCE_MOST
        assert store.find("test") is None
        left = {p.suffix for p in folder.rglob("*") if p.is_file()} if folder.exists() else set()
        assert left <= {".part", ".json", ".lock"}
        return said

    return check


NOT_WHAT_IT_SAYS = {
    "a page for weights": (PAGE, "net.pth", "is a web page"),
    "a page for tensors": (PAGE, "net.safetensors", "is a web page"),
    "a page for a vocabulary": (b"\n <html lang=en>", "spiece.model", "is a web page"),
    "nothing": (b"", "net.pth", "is empty"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "net.pth", "is a text file"),
    "a message": (b'{"error": "rate limit"}', "net.safetensors", "is a text file"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(1000), "net.pth", "cut off or damaged"),
    "an archive without its end": (CONTENT[:-30], "net.pth", "cut off or damaged"),
    "tensors without their end": (TENSORS[:-30], "net.safetensors", "cut off or damaged"),
    "tensors and more": (TENSORS + b"more", "net.safetensors", "cut off or damaged"),
    "an endless header": ((1 << 62).to_bytes(8, "little"), "net.safetensors", "cut off or damaged"),
    "a header of nonsense": (b"\x08" + bytes(7) + b"nonsense", "net.safetensors", "cut off"),
    "JSON that is cut off": (b'{"a": [1, 2', "net.json", "no JSON"),
    "JSON without a floor": (b"[" * 200_000, "net.json", "nested too deeply"),
}


@pytest.mark.parametrize("case", NOT_WHAT_IT_SAYS)
def test_what_is_no_such_file_gets_no_name(hub, folder, release, refused, case):
    content, file, says = NOT_WHAT_IT_SAYS[case]
    release(content, file)
    said = refused(says)
    assert "sent something else than" in said and not (folder / f"{file}.part").exists()


def packed(handler, content):
    send(handler, gzip.compress(content), Content_Encoding="gzip")


def of_no_length(handler, content):
    send(handler, content[: len(content) // 2], length=False)


def in_pieces_without_end(handler, content):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"3e8\r\n" + content[:1000] + b"\r\n")


def of_nonsense_length(handler, content):
    send(handler, content, length="many")


def of_less_than_nothing(handler, content):
    send(handler, content, length="-5")


def longer_than_any_disk(handler, content):
    send(handler, content, length=10**17)


def more_than_it_says(handler, content):
    send(handler, content + content, length=len(content) + 1)


def always_elsewhere(handler, content):
    send(handler, content, 206, Content_Range=f"bytes 7-{len(content) - 1}/{len(content)}")


def a_part_without_a_place(handler, content):
    send(handler, content, 206)


def a_part_of_another_whole(handler, content):
    first = asked_from(handler)
    half = content[first : first + 100_000]
    send(handler, half, 206, length=len(content), Content_Range=f"bytes {first}-9/17")


def never_whole(handler, content):
    send(handler, b"", length=len(content))


def closes_at_once(handler, content):
    handler.connection.close()


def no_http(handler, content):
    handler.wfile.write(b"SSH-2.0-OpenSSH_9\r\n\r\n")


def endless_headers(handler, content):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n")


def a_long_header(handler, content):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n")


def gone(handler, content):
    send(handler, b"", 410)


def forbidden(handler, content):
    send(handler, PAGE, 403)


def teapot(handler, content):
    send(handler, PAGE, 418)


def broken_server(handler, content):
    send(handler, PAGE, 500)


def no_such_range(handler, content):
    send(handler, b"", 416)


UNREACHABLE = "could not be reached, or broke off"
FAULTS = {
    packed: "sends net.pth packed",
    of_no_length: "does not say how long net.pth is",
    in_pieces_without_end: "does not say how long net.pth is",
    of_nonsense_length: "does not say how long net.pth is",
    of_less_than_nothing: "does not say how long net.pth is",
    longer_than_any_disk: "needs 100000000.02 GB",
    always_elsewhere: UNREACHABLE,
    a_part_without_a_place: UNREACHABLE,
    a_part_of_another_whole: UNREACHABLE,
    never_whole: UNREACHABLE,
    closes_at_once: UNREACHABLE,
    no_http: UNREACHABLE,
    endless_headers: UNREACHABLE,
    a_long_header: UNREACHABLE,
    gone: "has no net.pth",
    forbidden: "without permission",
    teapot: r"refused net.pth \(status 418\)",
    broken_server: UNREACHABLE,
    no_such_range: "does not fit the file",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_server_at_fault_is_one_sentence(hub, release, refused, fault):
    release(CONTENT)
    hub.fault = fault
    refused(FAULTS[fault])


def test_the_rest_of_another_place_is_not_stitched_on(hub, folder, release):
    release(CONTENT)
    hub.cuts = [100_000]
    wrong = [True]

    def once(handler, content):
        hub.fault = other if asked_from(handler) == 0 else None
        send(handler, content[:100_000], length=len(content))

    def other(handler, content):
        hub.fault = None
        wrong.append(asked_from(handler) == 100_000)
        send(handler, content[50_000:], 206, Content_Range=f"bytes 50000-9/{len(content)}")

    hub.fault = once
    assert store.download("test").read_bytes() == CONTENT
    assert wrong == [True, True]


LEADS = {
    "a file": "file:///etc/passwd",
    "another protocol": "ftp://127.0.0.1/net.pth",
    "text": "data:text/plain,hello",
    "nowhere": "http://",
    "spaces": "http://a b/net.pth",
    "a port that is none": "http://127.0.0.1:port/net.pth",
    "a name that is too long": f"http://{'a' * 70}.{'b' * 300}/net.pth",
    "brackets": "http://[::1/net.pth",
    "a script": "javascript:alert(1)",
}


@pytest.mark.parametrize("case", LEADS)
def test_only_web_addresses_are_followed(hub, release, refused, monkeypatch, case):
    release(CONTENT)
    hub.redirect, hub.leads = True, LEADS[case]
    refused("refused net.pth|could not be reached|leads to no address")


def test_a_circle_of_addresses_ends(hub, release, refused):
    release(CONTENT)
    hub.redirect, hub.leads = True, f"{hub.url}/owner/release/net.pth"
    refused("refused net.pth")


@pytest.fixture
def hasty(monkeypatch):
    """The limits of time, 100 times as strict."""
    monkeypatch.setattr(fetch, "TIMEOUT", 0.3)
    monkeypatch.setattr(fetch, "OVER", 0.6)
    monkeypatch.setattr(fetch, "SLOWEST", 100_000)


def drips(handler, content):
    """A byte now and then."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    for place in range(len(content)):
        try:
            handler.wfile.write(content[place : place + 1])
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


def a_byte_each_time(handler, content):
    first = asked_from(handler)
    about = {"Content_Range": f"bytes {first}-9/{len(content)}"} if first else {}
    length = len(content) - first
    send(handler, content[first : first + 1], 206 if first else 200, length=length, **about)


def silent(handler, content):
    """Nothing after the headers, until the other side has gone."""
    send(handler, b"", length=len(content))
    handler.connection.settimeout(5)
    handler.rfile.read(1)


def never_answers(handler, content):
    handler.connection.settimeout(5)
    handler.rfile.read(1)


@pytest.mark.parametrize("fault", [drips, a_byte_each_time, silent, never_answers])
def test_what_comes_too_slowly_is_given_up(hub, folder, release, refused, hasty, fault):
    release(CONTENT)
    hub.fault = fault
    refused("sends next to nothing any more of net.pth|could not be reached", seconds=4)
    part = folder / "net.pth.part"
    slow = fault in (drips, a_byte_each_time)
    assert (part.exists() and part.stat().st_size > 0) == slow
    hub.fault = None
    assert store.download("test").read_bytes() == CONTENT
    assert not slow or hub.gets[-1][1]["range"].startswith("bytes=")


def test_a_slow_download_can_be_cancelled(hub, folder, release):
    release(CONTENT)
    hub.fault = drips
    start = time.monotonic()
    with pytest.raises(Cancelled):
        store.download("test", cancelled=lambda: time.monotonic() > start + 0.3)
    assert time.monotonic() < start + 2


def test_limits_of_time_are_those_that_are_promised():
    assert fetch.TIMEOUT == 30 and fetch.OVER + fetch.TIMEOUT <= 90 and fetch.SLOWEST == 1000


ENDPOINTS = {
    "no scheme": "huggingface.co",
    "spaces": "https://hugging face.co",
    "another scheme": "ftp://huggingface.co",
    "a file": "file:///etc",
    "nothing but a scheme": "https://",
    "a port that is none": "https://huggingface.co:port",
    "escapes": "https://huggingface.co/\x1b[31m",
    "a line": "https://huggingface.co\nHost: evil",
    "a question": "https://huggingface.co?a=b",
    "a script": "javascript:alert(1)",
    "brackets": "http://[::1",
    "a name": "https://someone@huggingface.co",
    "a password": f"https://someone:{SECRET}@huggingface.co",
    "a password without a scheme": f"someone:{SECRET}@huggingface.co",
    "a password and a port": f"http://a:{SECRET}@127.0.0.1:9",
}


@pytest.mark.parametrize("case", ENDPOINTS)
def test_an_odd_mirror_is_one_sentence_and_no_password_is_told(
    hub, folder, row, monkeypatch, refused, capsys, caplog, case
):
    row(Hub("someone/model", "net.pth"))
    monkeypatch.setenv("HF_ENDPOINT", ENDPOINTS[case])
    refused("HF_ENDPOINT (is set, but to no address|holds a name or a password)")
    assert main(["--verbose", "download", "test"]) == 2
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err + caplog.text


def test_a_password_in_an_address_is_not_told():
    assert fetch.Remote("net.pth", f"http://someone:{SECRET}@host:9/net.pth").host == "host:9"


def test_an_empty_file_in_place_is_no_download(hub, folder, release):
    release(CONTENT)
    folder.mkdir()
    (folder / "net.pth").touch()
    assert store.find("test") is None
    assert store.download("test").read_bytes() == CONTENT


RECORDS = {
    "a list": b"[]",
    "null": b"null",
    "text": b'"a"',
    "no JSON": b"{",
    "no text": b"\xff\xfe\x00",
    "empty": b"",
    "nested deeply": b"[" * 500_000,
    "huge": b'{"a": "' + b"b" * 3_000_000 + b'"}',
}


@pytest.mark.parametrize("case", RECORDS)
@pytest.mark.parametrize("file", [store.RECORDS, "net.pth.part.json"])
def test_notes_that_cannot_be_read_are_written_anew(hub, folder, release, caplog, case, file):
    release(CONTENT)
    folder.mkdir()
    (folder / file).write_bytes(RECORDS[case])
    assert store.download("test").read_bytes() == CONTENT
    assert list(json.loads((folder / store.RECORDS).read_text())) == ["net.pth"]
    assert ("is written anew" in caplog.text) == (file == store.RECORDS)


def test_50_mb_of_nested_notes_cost_nothing(hub, folder, release, bounded):
    release(CONTENT)
    folder.mkdir()
    (folder / store.RECORDS).write_bytes(b"[" * 50_000_000)
    with bounded(len(CONTENT)):
        assert store.download("test").read_bytes() == CONTENT


def test_a_folder_in_place_of_the_notes_is_left(hub, folder, release):
    release(CONTENT)
    (folder / store.RECORDS / "a").mkdir(parents=True)
    assert store.download("test").read_bytes() == CONTENT
