"""Downloads from a real server, with huggingface_hub's own client: all that goes wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_hub import tensors, weights
from filelock import FileLock
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.weights import fetch, store
from foleystage.core.weights.entries import Hub, Manual, Url

CONTENT = weights(3_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def net(hub, row):
    """A row of one file, which the hub has."""
    row(Hub("someone/model", "net.pth"))
    hub.add("someone/model/net.pth", CONTENT)


def nothing_half_written(folder):
    left = {path.name for path in folder.rglob("*") if path.is_file()} if folder.exists() else set()
    return not {
        n for n in left if not n.endswith((".part", ".part.json", ".part.lock", store.RECORDS))
    }


def test_a_file_comes_whole_and_is_found_the_next_time(hub, folder, row):
    row(Hub("someone/model", "weights/net.pth", md5=MD5, sha256=SHA256, bytes=len(CONTENT)))
    hub.add("someone/model/weights/net.pth", CONTENT)
    steps = []
    path = store.download("test", lambda step, total: steps.append((step, total)))
    assert path == folder / "net.pth" and path.read_bytes() == CONTENT
    assert steps[-1] == (len(CONTENT), len(CONTENT)) and steps == sorted(steps)
    before = len(hub.requests)
    assert store.download("test") == store.find("test") == path
    assert len(hub.requests) == before
    assert sorted(p.name for p in folder.iterdir()) == [store.RECORDS, "net.pth"]


def test_size_and_hash_are_recorded_where_none_are_published(hub, folder, net):
    store.download("test")
    noted = json.loads((folder / store.RECORDS).read_text())["net.pth"]
    assert (noted["bytes"], noted["sha256"], noted["md5"]) == (len(CONTENT), SHA256, MD5)
    assert noted["licence"] == "CC-BY-NC-4.0"


def test_a_cut_connection_goes_on_where_it_broke(hub, folder, net):
    hub.cuts = [1_000_000, 500_000]
    assert store.download("test").read_bytes() == CONTENT
    ranges = [headers.get("range") for _, headers in hub.gets]
    assert ranges == [None, "bytes=1000000-", "bytes=1500000-"]


def test_a_server_without_ranges_starts_anew(hub, folder, net):
    hub.cuts, hub.ranges = [1_000_000], False
    assert store.download("test").read_bytes() == CONTENT


def test_a_download_that_was_given_up_is_resumed_by_the_next(hub, folder, net):
    hub.cuts = [1_200_000] + [0] * 20
    with pytest.raises(FoleyError, match="broke off the download of net.pth; 1 MB are kept"):
        store.download("test")
    assert nothing_half_written(folder)
    hub.cuts = []
    assert store.download("test").read_bytes() == CONTENT
    assert hub.gets[-1][1]["range"] == "bytes=1200000-"


def test_the_part_of_another_version_of_the_file_is_not_continued(hub, folder, row):
    row(Hub("someone/model", "net.pth"))
    hub.add("someone/model/net.pth", os.urandom(len(CONTENT)))
    hub.cuts = [1_200_000] + [0] * 20
    with pytest.raises(FoleyError):
        store.download("test")
    hub.cuts = []
    hub.add("someone/model/net.pth", CONTENT)
    assert store.download("test").read_bytes() == CONTENT


def test_cancelling_keeps_the_part_and_nothing_else(hub, folder, net):
    steps = []
    with pytest.raises(Cancelled):
        store.download("test", lambda *s: steps.append(s), cancelled=lambda: len(steps) > 0)
    assert nothing_half_written(folder) and (folder / "net.pth.part").stat().st_size > 0


def test_two_at_once_bring_one_file_once(hub, folder, net):
    hub.pace = 0.2
    steps = ([], [])
    with ThreadPoolExecutor(2) as both:
        paths = [
            both.submit(store.download, "test", lambda *s, into=into: into.append(s))
            for into in steps
        ]
    for path in paths:
        assert path.result().read_bytes() == CONTENT
    assert len(hub.gets) == 1 and all(steps)
    assert sorted(p.name for p in folder.iterdir()) == [store.RECORDS, "net.pth"]


def test_waiting_for_another_that_brings_the_file_can_be_cancelled(hub, folder, net):
    folder.mkdir()
    start = time.monotonic()
    with FileLock(folder / "net.pth.part.lock"), pytest.raises(Cancelled):
        store.download("test", cancelled=lambda: time.monotonic() > start + 0.1)
    assert time.monotonic() < start + 5 and not hub.gets
    assert store.download("test").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(hub, folder, net):
    hub.failing = 2
    assert store.download("test").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ({"bytes": 17}, f"{len(CONTENT)} bytes instead of 17"),
        ({"sha256": "0" * 64}, "wrong sha256"),
        ({"md5": "0" * 32}, "wrong md5"),
    ],
)
def test_what_is_not_the_published_file_is_refused(hub, folder, row, published, message):
    row(Hub("someone/model", "net.pth", **published))
    hub.add("someone/model/net.pth", CONTENT)
    with pytest.raises(FoleyError, match=message):
        store.download("test")
    assert nothing_half_written(folder) and not (folder / "net.pth.part").exists()


def test_the_hash_that_the_hub_names_is_checked(hub, folder, net):
    hub.false_hash = "a" * 64
    with pytest.raises(FoleyError, match="wrong sha256"):
        store.download("test")


def test_a_gated_repository_says_what_to_do(hub, folder, net):
    hub.gated = {"someone/model"}
    with pytest.raises(FoleyError, match="accept its licence on its page, then set HF_TOKEN"):
        store.download("test")
    assert nothing_half_written(folder)


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_a_token_opens_it_and_is_not_shown_to_another_host(hub, folder, net, monkeypatch, way):
    hub.gated, hub.redirect = {"someone/model"}, True
    if way == "environment":
        monkeypatch.setenv("HF_TOKEN", hub.token)
    token = hub.token if way == "argument" else None
    assert store.download("test", token=token).read_bytes() == CONTENT
    (elsewhere,) = [headers for path, headers in hub.gets if path.startswith("/cdn/")]
    assert "authorization" not in elsewhere


@pytest.mark.parametrize(
    ("there", "message"),
    [("someone/model/other.pth", "has no net.pth"), ("another/model/x", "has no repository")],
)
def test_what_is_gone_is_said_to_be_gone(hub, folder, row, there, message):
    row(Hub("someone/model", "net.pth"))
    hub.add(there, CONTENT)
    with pytest.raises(FoleyError, match=message):
        store.download("test")


def test_the_next_source_is_tried_when_one_is_gone(hub, folder, row):
    row(Url(f"{hub.url}/owner/release", "v1.pth"), Hub("someone/model", "copy.safetensors"))
    hub.add("someone/model/copy.safetensors", tensors(1000))
    assert store.download("test") == folder / "copy.safetensors"


def test_a_release_is_resumed_and_checked_too(hub, folder, row):
    row(Url(f"{hub.url}/owner/release", "v1.pth", md5=MD5))
    hub.add("owner/release/v1.pth", CONTENT)
    hub.cuts = [2_000_000]
    assert store.download("test").read_bytes() == CONTENT


def test_small_files_come_beside_the_weights(hub, folder, row):
    row(Hub("someone/model", "model.safetensors", also=("tokenizer.json", "not_there.json")))
    hub.add("someone/model/model.safetensors", tensors(1000))
    hub.add("someone/model/tokenizer.json", b"{}")
    path = store.download("test")
    assert path == folder / "test" / "model.safetensors" == store.find("test")
    assert (path.parent / "tokenizer.json").read_bytes() == b"{}"


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("kind", ["hub", "release", "offline"])
def test_without_network_file_source_licence_and_folder_are_named(
    hub, folder, row, monkeypatch, kind
):
    port = closed_port()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    if kind == "offline":
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    release = Url(f"http://127.0.0.1:{port}/owner/release", "net.pth")
    row(release if kind == "release" else Hub("someone/model", "net.pth"))
    with pytest.raises(FoleyError) as caught:
        store.download("test")
    sentence = str(caught.value)
    for part in ("net.pth", "CC-BY-NC-4.0", "not for commercial use", str(folder)):
        assert part in sentence
    assert sentence.count(". ") == 0 and "Traceback" not in sentence


def test_a_file_that_only_a_person_can_fetch_says_where_it_is(folder, row):
    row(Manual("Google Drive file 1XZo", "net.pt"))
    with pytest.raises(FoleyError, match="put net.pt from Google Drive file 1XZo"):
        store.download("test")


def test_too_little_room_is_noticed_before_the_download(hub, folder, net, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FoleyError, match="has only 0.00 GB free; make room"):
        store.download("test")
    assert not hub.gets


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_disk_that_fills_up_is_one_sentence(hub, folder, net):
    folder.mkdir()
    (folder / "net.pth.part").symlink_to("/dev/full")
    notes = {"bytes": len(CONTENT), "name": "net.pth", "tag": SHA256}
    (folder / "net.pth.part.json").write_text(json.dumps(notes))
    with pytest.raises(FoleyError, match="The disk of .* is full; make room"):
        store.download("test")
    assert nothing_half_written(folder)


def test_a_folder_that_cannot_be_made_is_one_sentence(hub, tmp_path, net, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(store.VARIABLE, str(tmp_path / "file" / "models"))
    with pytest.raises(FoleyError, match=r"cannot be written to .*; name another folder"):
        store.download("test")


def test_a_write_error_is_not_mistaken_for_a_network_error(hub, folder, net, monkeypatch):

    def refuse(*args):
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(fetch.os, "replace", refuse)
    with pytest.raises(FoleyError, match=re.escape("(Permission denied)")):
        store.download("test")
