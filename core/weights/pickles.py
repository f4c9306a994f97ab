"""What a pickled checkpoint would do, found out by walking its opcodes: nothing of it is built.

torch's own restricted unpickler keeps a file from running code, but not from growing in memory or
from taking minutes. What is walked here is known to stay within the file's size times 4, and a
fixed room for small files.
"""

from __future__ import annotations

import mmap
import pickletools
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from struct import unpack
from typing import Any

import torch

from ..errors import FoleyError
from .pickle_calls import (
    ATOM,
    CALLS,
    CLAIMS,
    DTYPE,
    ENTRY,
    GROWS,
    OBJECT,
    OTHER_WEIGHTS,
    RUNS,
    SLOT,
    STORAGES,
    TENSOR_BYTES,
    Items,
    Name,
    Refused,
    Storage,
    Walk,
    is_atom,
    is_of_weights,
    is_type,
    require,
)

ARCHIVE = b"PK\x03\x04"
# Of torch's files from before they were archives: a pickle of one number.
_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PICKLES_AFTER_MAGIC = 4  # protocol, machine, the checkpoint, keys of its storages
# Memory that a pickle may make objects in: so many times its file, of which a copy is read too.
_TIMES, _FIXED = 3, 32 << 20
_STOP = ord(".")
_MOST_OPCODES = 3_000_000
_MOST_NESTED = 100
_LONGEST_TEXT = 1 << 20
_LONGEST_NAME = 200
_LONGEST_INTEGER = 10
_PACKED = (
    "is a packed archive that may unpack without bound: it was refused; get the original file."
)


def is_archive(path: Path) -> bool:
    """Whether torch takes a file for a zip archive."""
    with path.open("rb") as file:
        return file.read(len(ARCHIVE)) == ARCHIVE


def check_pickled(path: Path) -> None:
    """FoleyError for a pickled checkpoint that is not plain weights, by what its opcodes do.

    Any other exception means that the file is damaged.
    """
    try:
        if is_archive(path):
            _check_archive(path)
        else:
            _check_stream(path)
    except Refused as why:
        raise FoleyError(f"{path.name} {why}") from None


def _check_archive(path: Path) -> None:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        names = [record.filename for record in records]
        if any(name.endswith("constants.pkl") for name in names):
            raise Refused(RUNS)  # a program of TorchScript
        # Torch stores its records unpacked, each once, and nothing behind them.
        packed = any(record.compress_type != zipfile.ZIP_STORED for record in records)
        if packed or archive.comment or len(set(names)) < len(names):
            raise Refused(_PACKED)
    if sum(record.file_size for record in records) > size:
        raise Refused(_PACKED)
    reader = torch._C.PyTorchFileReader(str(path))  # the very bytes that torch.load will read
    _Walk(reader.get_record("data.pkl"), size).run()


def _check_stream(path: Path) -> None:
    if tarfile.is_tarfile(path):  # torch's first format; older versions run what is in it
        raise Refused(RUNS)
    size = path.stat().st_size
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[: len(_MAGIC)] != _MAGIC:
            _Walk(data, size).run()
            raise ValueError("a pickle, but not of torch")
        walk = _Walk(data, size, len(_MAGIC))
        for _ in range(_PICKLES_AFTER_MAGIC):
            walk.run()


class _Walk(Walk):
    """The pickles in `data` from `place` on, one at each `run`; size: of their file."""

    def __init__(self, data: Any, size: int, place: int = 0) -> None:
        self.data, self.place = data, place
        self.room = _TIMES * size + _FIXED
        self.unclaimed = size
        self.opcodes = 0
        self.storages: dict[object, Storage] = {}

    def run(self) -> None:
        """Walks to the next STOP."""
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        code = None
        while code != _STOP:
            code = self.data[self.place]
            self.place += 1
            self.opcodes += 1
            if self.opcodes > _MOST_OPCODES:
                raise Refused(GROWS)
            self.charge(SLOT)
            if code not in _OPCODES:
                raise Refused(RUNS)
            _OPCODES[code](self)
        require(len(self.stack) == 1 and not self.below)

    def charge(self, size: int) -> None:
        self.room -= size
        if self.room < 0:
            raise Refused(GROWS)

    def push(self, value: object, size: int = 0) -> None:
        self.charge(size)
        self.stack.append(value)

    def take(self, count: int) -> bytes:
        taken = self.data[self.place : self.place + count]
        require(len(taken) == count)
        self.place += count
        return taken

    def number(self, form: str, count: int) -> int:
        return unpack(form, self.take(count))[0]

    def line(self) -> str:
        end = self.data.find(b"\n", self.place, self.place + _LONGEST_NAME)
        require(end >= 0)
        text = self.take(end - self.place).decode("utf-8")
        self.place += 1
        return text

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def protocol(self) -> None:
        if self.take(1) != b"\x02":
            raise Refused(RUNS)

    def mark(self) -> None:
        if len(self.below) >= _MOST_NESTED:
            raise Refused(GROWS)
        self.charge(2 * OBJECT)
        self.below.append(self.stack)
        self.stack = []

    def text(self, length: int) -> None:
        if length > _LONGEST_TEXT:
            raise Refused(GROWS)
        raw = self.take(length)
        self.push(str(raw, "utf-8", "surrogatepass"), OBJECT + len(raw) * (4 - 3 * raw.isascii()))

    def long(self) -> None:
        length = self.take(1)[0]
        if length > _LONGEST_INTEGER:
            raise Refused(GROWS)
        self.push(int.from_bytes(self.take(length), "little", signed=True), ATOM)

    def real(self) -> None:
        self.take(8)
        self.push(0.0, ATOM)

    def together(self, items: list[Any]) -> None:
        self.push(tuple(items), OBJECT + SLOT * len(items))

    def last(self, count: int) -> list[Any]:
        require(len(self.stack) >= count)
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def keep(self, place: int) -> None:
        self.charge(0 if place in self.memo else ENTRY)
        self.memo[place] = self.stack[-1]

    def get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        require(isinstance(target, Items) and target.kind == "list")
        self.charge(2 * SLOT * len(items))
        target.count += len(items)
        target.atoms = target.atoms and all(map(is_atom, items))

    def put(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        require(isinstance(target, Items) and target.kind.endswith("dict"))
        require(len(pairs) % 2 == 0)
        if not all(map(is_atom, pairs[::2])):
            raise Refused(RUNS)  # hashing other keys may run code, or for years
        self.charge(ENTRY * len(pairs))
        target.count += len(pairs) // 2
        target.key = pairs[-2] if pairs else target.key

    def name(self) -> None:
        module, name = self.line(), self.line()
        full = f"{module.replace('__builtin__', 'builtins')}.{name}"
        if full not in CALLS and not is_type(module, name):
            raise Refused(OTHER_WEIGHTS if is_of_weights(full) else RUNS)
        self.push(Name(full), OBJECT + len(full))

    def call(self) -> None:
        function, arguments = self.last(2)
        if not isinstance(function, Name) or function not in CALLS:
            raise Refused(RUNS)
        require(isinstance(arguments, tuple))
        self.stack.append(CALLS[function](self, *arguments))

    def build(self) -> None:
        """Metadata of a state dict, or the byte order of a type of numpy."""
        made, state = self.last(2)
        if made is DTYPE:
            plain = isinstance(state, tuple) and state[2:] == (None, None, None, -1, -1, 0)
        else:
            plain = isinstance(made, Items) and made.kind == "ordered dict"
            plain = plain and isinstance(state, Items) and state.kind.endswith("dict")
            plain = plain and state.count == 1 and state.key == "_metadata"
        if not plain:
            raise Refused(RUNS)
        self.stack.append(made)

    def storage(self) -> None:
        """What torch reads numbers into: one for each key, together no more than the file."""
        about = self.stack.pop()
        require(isinstance(about, tuple) and len(about) in (5, 6) and about[0] == "storage")
        kind, key, _, count, *view = about[1:]
        require(isinstance(kind, Name) and isinstance(key, str) and view in ([], [None]))
        require(type(count) is int and count >= 0)
        if key not in self.storages:
            self.charge(TENSOR_BYTES)
            item = STORAGES[kind.rpartition(".")[2]]
            self.storages[key] = Storage(count * item, item)
            self.unclaimed -= count * item
            if self.unclaimed < 0:
                raise Refused(CLAIMS)
        self.stack.append(self.storages[key])


def _pushes(value: object, size: int = 0) -> Callable[[_Walk], None]:
    return lambda walk: walk.push(value, size)


def _empty(kind: str) -> Callable[[_Walk], None]:
    return lambda walk: walk.push(Items(kind), 2 * OBJECT)


# Those that torch's restricted unpickler knows, but for NEWOBJ, which no plain weights need.
_STEPS: dict[str, Callable[[_Walk], None]] = {
    "PROTO": _Walk.protocol,
    "STOP": lambda walk: None,
    "MARK": _Walk.mark,
    "NONE": _pushes(None),
    "NEWTRUE": _pushes(True),
    "NEWFALSE": _pushes(False),
    "EMPTY_TUPLE": _pushes(()),
    "EMPTY_LIST": _empty("list"),
    "EMPTY_DICT": _empty("dict"),
    "EMPTY_SET": _empty("set"),
    "BININT": lambda walk: walk.push(walk.number("<i", 4), ATOM),
    "BININT1": lambda walk: walk.push(walk.number("<B", 1)),
    "BININT2": lambda walk: walk.push(walk.number("<H", 2), ATOM),
    "LONG1": _Walk.long,
    "BINFLOAT": _Walk.real,
    "BINUNICODE": lambda walk: walk.text(walk.number("<I", 4)),
    "SHORT_BINSTRING": lambda walk: walk.text(walk.number("<B", 1)),
    "TUPLE": lambda walk: walk.together(walk.since_mark()),
    "TUPLE1": lambda walk: walk.together(walk.last(1)),
    "TUPLE2": lambda walk: walk.together(walk.last(2)),
    "TUPLE3": lambda walk: walk.together(walk.last(3)),
    "APPEND": lambda walk: walk.append(walk.last(1)),
    "APPENDS": lambda walk: walk.append(walk.since_mark()),
    "SETITEM": lambda walk: walk.put(walk.last(2)),
    "SETITEMS": lambda walk: walk.put(walk.since_mark()),
    "BINPUT": lambda walk: walk.keep(walk.number("<B", 1)),
    "LONG_BINPUT": lambda walk: walk.keep(walk.number("<I", 4)),
    "BINGET": lambda walk: walk.get(walk.number("<B", 1)),
    "LONG_BINGET": lambda walk: walk.get(walk.number("<I", 4)),
    "GLOBAL": _Walk.name,
    "REDUCE": _Walk.call,
    "BUILD": _Walk.build,
    "BINPERSID": _Walk.storage,
}
_OPCODES = {
    ord(code.code): _STEPS[code.name] for code in pickletools.opcodes if code.name in _STEPS
}
