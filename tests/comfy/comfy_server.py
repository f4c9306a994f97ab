"""A real ComfyUI server for tests: started on a free port, spoken to as the frontend does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 300
RUN_SECONDS = 300


@dataclass
class Run:
    """What came over the websocket for one graph, and what /history says of it."""

    prompt_id: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, Any] | None = None

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The data of all messages of a kind."""
        return [m["data"] for m in self.messages if m["type"] == kind]

    @property
    def ok(self) -> bool:
        return bool(self.of("execution_success"))

    @property
    def error(self) -> str:
        """The sentence on the node, empty when there was none."""
        errors = self.of("execution_error")
        return errors[0]["exception_message"].strip() if errors else ""

    @property
    def refusal(self) -> str:
        """What the server says of a graph that it does not even start."""
        return json.dumps(self.refused) if self.refused else ""

    @property
    def cached(self) -> set[str]:
        return {node for data in self.of("execution_cached") for node in data["nodes"]}

    def files(self, node: str, kind: str) -> list[dict[str, str]]:
        """Files that a node put out, those of nodes it unfolded into too."""
        return [
            file
            for name, output in self.outputs.items()
            if name == node or name.startswith(f"{node}.")
            for file in output.get(kind, [])
        ]


class Server:
    """A running ComfyUI; `base` is its folder with input, output, temp and models."""

    def __init__(self, comfyui: Path, base: Path, options: Sequence[str] = ("--cpu",)) -> None:
        self.base = base
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = base / "server.log"
        command = [sys.executable, str(comfyui / "main.py"), *options, "--listen", "127.0.0.1"]
        command += ["--port", str(self.port), "--base-directory", str(base)]
        command += ["--disable-auto-launch", "--database-url", "sqlite:///:memory:"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=base,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                self.get("/system_stats")
                return
            time.sleep(0.3)
        self.stop()
        raise RuntimeError(f"ComfyUI did not start:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> None:
        """Ends the server."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return json.load(answer)

    def text(self, path: str) -> str:
        """A page of the server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return answer.read().decode()

    def post(self, path: str, data: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(data).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def run(self, graph: dict[str, Any], *, cancel_in: str | None = None) -> Run:
        """Posts a graph and follows it to its end. cancel_in: presses Cancel once that node steps.

        No certain step can be asked for: newer ComfyUIs leave out messages that come too often.
        """
        return asyncio.run(asyncio.wait_for(self._run(graph, cancel_in), RUN_SECONDS))

    async def _run(self, graph: dict[str, Any], cancel_in: str | None) -> Run:
        import aiohttp

        client, address = uuid.uuid4().hex, f"127.0.0.1:{self.port}"
        async with aiohttp.ClientSession() as session:
            socket_at = f"ws://{address}/ws?clientId={client}"
            async with session.ws_connect(socket_at, max_msg_size=0) as stream:
                body = {"prompt": graph, "client_id": client}
                async with session.post(f"http://{address}/prompt", json=body) as answer:
                    reply = await answer.json()
                if "prompt_id" not in reply:
                    return Run("", refused=reply)
                run = Run(reply["prompt_id"])
                async for message in stream:
                    if message.type == aiohttp.WSMsgType.BINARY:
                        run.texts.append(message.data[8:].decode(errors="replace"))
                        continue
                    data = json.loads(message.data)
                    if data["data"].get("prompt_id") not in (None, run.prompt_id):
                        continue
                    run.messages.append(data)
                    if cancel_in and _is_step(data, cancel_in):
                        await session.post(f"http://{address}/interrupt")
                        cancel_in = None
                    if data["type"] in _ENDS:
                        break
        run.outputs = await self._outputs(run.prompt_id)
        return run

    async def _outputs(self, prompt_id: str) -> dict[str, Any]:
        """From the history, which is written shortly after the last message."""
        while prompt_id not in (history := self.get(f"/history/{prompt_id}")):
            await asyncio.sleep(0.02)
        return history[prompt_id].get("outputs", {})

    def path_of(self, file: dict[str, str]) -> Path:
        """Where a file of an output lies."""
        return self.base / file["type"] / file["subfolder"] / file["filename"]

    def memory(self) -> int:
        """Resident bytes of the server."""
        import psutil

        return psutil.Process(self.process.pid).memory_info().rss


_ENDS = {"execution_success", "execution_error", "execution_interrupted"}


def _is_step(message: dict[str, Any], node: str) -> bool:
    return message["type"] == "progress" and message["data"]["node"] == node
