"""What a pickle of weights may call, and what it makes of it, for `pickles`, which walks it.

Values stand for themselves where they matter (text, integers, tuples), else for their kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

RUNS = (
    "holds more than weights and could run code: it was refused; get a .safetensors file, or the "
    "original."
)
GROWS = "would take far more memory than its size: it was refused; get the original file."
CLAIMS = "claims weights larger than itself: it was refused."
OTHER_WEIGHTS = (
    "holds sparse, quantized or other weights that no network here takes; get its plain version."
)
_LONGEST_BYTES = 256  # of one number of numpy
STORAGES = {
    **dict.fromkeys(("UntypedStorage", "ByteStorage", "CharStorage", "BoolStorage"), 1),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 8),
    "ComplexDoubleStorage": 16,
}
_OTHER_KINDS = ("sparse", "qtensor", "nested", "QInt", "_get_layout", "_from_type", "no_storage")
_NUMPY_TYPES = ("f2", "f4", "f8", "i4", "i8", "u1", "b1")
# What CPython and torch take for one of each, about.
SLOT, ATOM, OBJECT, ENTRY, TENSOR_BYTES = 8, 32, 64, 110, 1000


class Refused(Exception):
    """Why a file is refused: the end of a sentence that begins with its name."""


class Name(str):
    """A global."""


class _Kind:
    """Something that is made, of which no more needs to be known."""


_TENSOR, DTYPE, _BYTES, _NUMBER, _DEVICE = (_Kind() for _ in range(5))


class Storage:
    """item: bytes of a number, 1 where that is not said."""

    def __init__(self, size: int, item: int) -> None:
        self.size, self.item = size, item


class Items:
    """A list, dict or set. atoms: whether all in it can be hashed in no time; key: the last one."""

    def __init__(self, kind: str, count: int = 0) -> None:
        self.kind, self.count, self.atoms = kind, count, True
        self.key: object = None


def require(right: object) -> None:
    """For what only a damaged or made-up file does."""
    if not right:
        raise ValueError("not a checkpoint")


def is_atom(value: object) -> bool:
    """Whether it can be a key of a dict at no cost."""
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 63  # longer ones can be made to collide
    return value is None or value is _NUMBER or isinstance(value, (str, float))


def numbers(values: object) -> bool:
    """Whether it is a tuple of sizes."""
    return isinstance(values, tuple) and all(type(n) is int and n >= 0 for n in values)


class Walk:
    """What calls need of a walk."""

    def charge(self, size: int) -> None:
        """Counts bytes that would be allocated."""
        raise NotImplementedError


# What may be called, with what it makes of its arguments. All else in a file is refused.


def _tensor(walk: Walk, storage, offset, size, stride, grad=False, hooks=None, dtype=None) -> _Kind:
    """A view of a storage; one that is longer would have torch make the storage longer."""
    walk.charge(TENSOR_BYTES)
    require(isinstance(storage, Storage) and type(offset) is int and offset >= 0)
    require(numbers(size) and numbers(stride) and len(size) == len(stride))
    require(isinstance(grad, bool) and _is_empty(hooks))
    require(dtype is None or isinstance(dtype, Name))
    item = storage.item if dtype is None else getattr(torch, dtype.rpartition(".")[2]).itemsize
    span = 1 + sum((n - 1) * step for n, step in zip(size, stride))
    if 0 not in size and (offset + span) * item > storage.size:
        raise Refused(CLAIMS)
    return _TENSOR


def _parameter(walk: Walk, tensor, grad, hooks) -> _Kind:
    walk.charge(TENSOR_BYTES)
    require(tensor is _TENSOR and isinstance(grad, bool) and _is_empty(hooks))
    return _TENSOR


def _is_empty(hooks: object) -> bool:
    return hooks is None or (isinstance(hooks, Items) and not hooks.count)


def _encoded(walk: Walk, text="", encoding="latin1") -> _Kind:
    """Bytes as protocol 2 has them. Other codecs unpack what is packed, or take for ever."""
    require(isinstance(text, str))
    if encoding not in ("latin1", "latin-1") or len(text) > _LONGEST_BYTES:
        raise Refused(GROWS)
    walk.charge(OBJECT + len(text))
    return _BYTES


def _copied(kind: str) -> Callable[..., Items]:
    """A dict or set of what is in another; nothing but its atoms is hashed."""

    def copied(walk: Walk, *given) -> Items:
        items = given[0] if given else Items(kind)
        require(len(given) < 2 and isinstance(items, Items) and items.atoms)
        walk.charge(OBJECT + ENTRY * items.count)
        return Items(kind, items.count)

    return copied


def _made(result: object, *allowed: Any) -> Callable[..., object]:
    """What has arguments of these types, or among these values, at most."""

    def made(walk: Walk, *given) -> object:
        require(len(given) <= len(allowed))
        for value, of in zip(given, allowed):
            require(isinstance(value, of) if isinstance(of, type) else value in of)
        walk.charge(2 * OBJECT)
        return result

    return made


def _size(walk: Walk, *given) -> tuple:
    require(len(given) == 1 and numbers(given[0]))
    walk.charge(OBJECT + SLOT * len(given[0]))
    return given[0]


def _ordered(walk: Walk, *given) -> Items:
    require(not given)
    walk.charge(4 * OBJECT)
    return Items("ordered dict")


_NUMBER_MADE = _made(_NUMBER, (DTYPE,), (_BYTES,))
CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": _size,
    "torch.device": _made(_DEVICE, str, int),
    "collections.OrderedDict": _ordered,
    "collections.Counter": _copied("dict"),
    "builtins.set": _copied("set"),
    "builtins.complex": _made(_NUMBER, float, float),
    "builtins.bytearray": _encoded,
    "_codecs.encode": _encoded,
    "numpy.dtype": _made(DTYPE, _NUMPY_TYPES, int, int),
    "numpy.core.multiarray.scalar": _NUMBER_MADE,
    "numpy._core.multiarray.scalar": _NUMBER_MADE,
}


def is_type(module: str, name: str) -> bool:
    """Whether a global is a type of numbers, or of storages."""
    if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
        return True
    return module in ("torch", "torch.storage") and name in STORAGES


def is_of_weights(name: str) -> bool:
    """Whether a global makes weights, though none that are read here."""
    return name.startswith("torch.") and any(kind in name for kind in _OTHER_KINDS)
