"""Pickles put together by hand, opcode by opcode, in the containers that torch reads."""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import Path

STOP = b"."
PROTO = b"\x80\x02"
MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(full: str) -> bytes:
    module, _, last = full.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def several(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(function: str, *arguments: bytes) -> bytes:
    return name(function) + several(*arguments) + b"R"


def dictionary(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def storage(key: str = "0", count: int = 1, kind: str = "torch.FloatStorage") -> bytes:
    return several(text("storage"), name(kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(
    size=(1,), stride=(1,), offset: int = 0, stored: bytes | None = None, *more: bytes
) -> bytes:
    numbers = (several(*map(number, some)) for some in (size, stride))
    hooks = call("collections.OrderedDict")
    return call(
        "torch._utils._rebuild_tensor_v2",
        storage() if stored is None else stored,
        number(offset),
        *numbers,
        b"\x89",
        hooks,
        *more,
    )


def archive(path: Path, pickle: bytes, *, data: int = 4, **records: bytes) -> None:
    """An archive as torch.save writes it, with `data` bytes of numbers; records: others."""
    stored = {"data.pkl": PROTO + pickle + STOP, "byteorder": b"little", "data/0": bytes(data)}
    with zipfile.ZipFile(path, "w") as out:
        for key, value in {**stored, **records, "version": b"3\n"}.items():
            out.writestr(f"archive/{key}", value)


def stream(path: Path, pickle: bytes, *, data: bytes | None = None) -> None:
    """A file as torch.save wrote it before there were archives."""
    protocol, machine = PROTO + number(1001) + STOP, PROTO + b"}" + STOP
    # Storages say here whether they are a part of another.
    pickle = re.sub(rb"(cpuJ....)tQ", rb"\1NtQ", pickle, flags=re.DOTALL)
    listed = b"](" + (text("0") if b"storage" in pickle else b"") + b"e"
    numbers = struct.pack("<q", 1) + bytes(4) if data is None else data
    path.write_bytes(
        MAGIC + protocol + machine + PROTO + pickle + STOP + PROTO + listed + STOP + numbers
    )
