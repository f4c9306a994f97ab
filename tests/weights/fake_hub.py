"""A hub on 127.0.0.1, as far as huggingface_hub's own client needs one."""

from __future__ import annotations

import hashlib
import io
import os
import re
import threading
import time
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from foleystage.core.weights import fetch, registry, store
from foleystage.core.weights.entries import Entry, Licence
from safetensors.torch import save


class FakeHub:
    """Files by "repo/file". What goes wrong is set by attributes before a request.

    cuts: bytes after which each next answer breaks off. gated: repositories that ask for `token`.
    redirect: content comes from another host name, or what `leads` names. pace: seconds before each
    next megabyte. fault(handler, content): writes the answer to a request for content instead.
    """

    token = "hf_secret"

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.gated: set[str] = set()
        self.redirect = False
        self.ranges = True
        self.failing = 0
        self.pace = 0.0
        self.false_hash = ""
        self.leads = ""
        self.fault: Callable[[BaseHTTPRequestHandler, bytes], None] | None = None
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    def add(self, name: str, content: bytes) -> bytes:
        self.files[name] = content
        return content

    @property
    def gets(self) -> list[tuple[str, dict[str, str]]]:
        """Requests for content; the client also asks for things of its own below /api."""
        asked = [(path, headers) for verb, path, headers in self.requests if verb == "GET"]
        return [(path, headers) for path, headers in asked if not path.startswith("/api/")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *args) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.hub.requests.append((self.command, self.path, headers))
        if self.hub.failing and self.command == "GET":
            self.hub.failing -= 1
            return self._refuse(503, "")
        found = re.fullmatch(r"/(?:cdn/)?([^/]+/[^/]+)/(?:resolve/main/)?(.+)", self.path)
        repo, file = found.groups() if found else ("", "")
        content = self.hub.files.get(f"{repo}/{file}")
        on_cdn = self.path.startswith("/cdn/")
        if repo in self.hub.gated and not on_cdn:
            if headers.get("authorization") != f"Bearer {self.hub.token}":
                return self._refuse(401, "GatedRepo")
        if not any(name.startswith(f"{repo}/") for name in self.hub.files):
            return self._refuse(404, "RepoNotFound")
        if content is None:
            return self._refuse(404, "EntryNotFound")
        sha256 = self.hub.false_hash or hashlib.sha256(content).hexdigest()
        if self.hub.redirect and not on_cdn:
            port = self.server.server_address[1]
            self.send_response(302)
            place = self.hub.leads or f"http://localhost:{port}/cdn/{repo}/{file}"
            self.send_header("Location", place)
            self.send_header("X-Linked-Etag", f'"{sha256}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Repo-Commit", "c" * 40)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return self._content(content, sha256, headers)

    def _content(self, content: bytes, sha256: str, headers: dict[str, str]) -> None:
        if self.hub.fault is not None and self.command == "GET":
            self.close_connection = True
            return self.hub.fault(self, content)
        first = 0
        if self.hub.ranges and (asked := re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))):
            first = int(asked[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", f'"{sha256}"')
        self.send_header("X-Repo-Commit", "c" * 40)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if self.command == "HEAD":
            return
        body = content[first:]
        if self.hub.cuts:
            body = body[: self.hub.cuts.pop(0)]
            self.close_connection = True
        for start in range(0, len(body), 1 << 20):
            time.sleep(self.hub.pace)
            self.wfile.write(body[start : start + (1 << 20)])

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def weights(size: int) -> bytes:
    """An archive of about so many bytes that no two calls give, such as torch.save writes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        out.writestr("archive/data/0", os.urandom(size))
    return made.getvalue()


def tensors(size: int) -> bytes:
    """A safetensors file with so many bytes of numbers that no two calls give."""
    return save({"a": torch.frombuffer(bytearray(os.urandom(size)), dtype=torch.uint8)})


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A running FakeHub that HF_ENDPOINT names; `hub.url` for plain addresses."""
    pytest.importorskip("huggingface_hub")
    fake = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", fake.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf_home"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def row(monkeypatch):
    """Adds a row named `test` with these sources to the registry."""

    def add(*sources):
        made = Entry("test", "generator", "3 MB", Licence("CC-BY-NC-4.0", "no"), sources)
        monkeypatch.setattr(registry, "ENTRIES", (*registry.ENTRIES, made))

    return add


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where downloads go."""
    monkeypatch.setenv(store.VARIABLE, str(tmp_path / "models"))
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    return tmp_path / "models"
