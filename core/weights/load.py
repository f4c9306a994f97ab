"""Loading weights: any public file format, straight to the wanted type and device, checked.

Safetensors are memory-mapped. Pickled checkpoints are read with `weights_only=True`, after their
container has been checked, so a file can neither run code nor unpack to more than its size.
"""

from __future__ import annotations

import codecs
import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from ..errors import Cancelled, FoleyError, stop_if
from .pickle_calls import RUNS
from .pickles import check_pickled, is_archive

Keep = Callable[[str], bool]

PICKLED = {".pth", ".pt", ".ckpt", ".bin"}
# Where checkpoints keep their weights when the top level holds more than tensors.
_LEVELS = ("state_dict", "model_state_dict", "generator", "weights", "model", "ema", "encoder")
_MOST_LEVELS = 8
# Pages of a mapped file count as memory while it is open: it is opened anew after so many bytes.
_GROUP_BYTES = 64 << 20
# Smaller tensors are copied: else a bias would keep the pages of the weights beside it in memory
# after those have been let go, as when they are repacked.
_COPIED_BYTES = 1 << 20
# Tensors of one checkpoint may share memory; together they are at most this times the file.
_MOST_SHARED = 4
# A zip archive, or a pickle of protocol 2 and later.
_PICKLE_HEADS = (b"PK", b"\x80")
_DAMAGED = "{} is cut off or damaged, or is no weights file; get it again."
_TEXT_HEADS = (b"<", b"{", b"version https://git-lfs")


def read_weights(
    path: Path | str,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    keep: Keep | None = None,
) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .pth, .pt, .ckpt or .bin file by name.

    dtype: of the floating-point ones, None as stored; scaled fp8 files are unscaled. keep: which
    names. Large tensors that need no change may be views of the mapped file. While loading, no more
    than the result and 64 MB, or the largest tensor, is in memory.

    Raises:
        FoleyError: no such file; damaged, truncated, of another kind; a pickle that holds more
            than tensors; an archive that unpacks to more than it is.
    """
    path = Path(path)
    read = _read_checkpoint if path.suffix in PICKLED else _read_safetensors
    with reading(path):
        return read(path, dtype, torch.device(device), keep or (lambda key: True))


def read_shapes(path: Path | str) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a file by name, without reading them. Raises as `read_weights`."""
    path = Path(path)
    with reading(path):
        if path.suffix in PICKLED:
            check_pickled(path)
            return {k: tuple(v.shape) for k, v in _read_pickled(path, "meta").items()}
        with safe_open(path, "pt") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def _check_file(path: Path, name: str) -> None:
    """FoleyError unless `path` is a file that could hold the weights that `name` says."""
    suffix = Path(name).suffix
    if path.is_dir():
        raise FoleyError(f"{name} is a folder, not a weights file; name the file in it.")
    if not path.is_file():
        raise FoleyError(f"There is no weights file at {path}; check the path or the name.")
    if suffix not in PICKLED | {".safetensors"}:
        raise FoleyError(
            f"{name} is not a weights file: .safetensors, .pth, .pt, .ckpt and .bin are read."
        )
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
    if not size:
        raise FoleyError(f"{name} is empty; get it again.")
    if head.lstrip().startswith(_TEXT_HEADS):
        raise FoleyError(
            f"{name} is a text file (a web page or a pointer to the real file), not weights; "
            "get the file itself."
        )
    if suffix in PICKLED and not head.startswith(_PICKLE_HEADS):
        raise FoleyError(_DAMAGED.format(name))


@contextlib.contextmanager
def reading(path: Path, name: str = "") -> Iterator[None]:
    """Checks a file, and turns what its readers raise about a bad one into one sentence.

    name: what it is to be called, where that is not the name of the path.
    """
    name = name or path.name
    _check_file(path, name)
    try:
        yield
    except (FoleyError, Cancelled):
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise FoleyError(f"There is not enough memory to load {name}.") from error
    except Exception as error:
        if type(error).__name__ == "UnpicklingError" and "eights only" in str(error):
            raise FoleyError(f"{name} {RUNS}") from error
        raise FoleyError(_DAMAGED.format(name)) from error


def _read_safetensors(
    path: Path, dtype: torch.dtype | None, device: torch.device, keep: Keep
) -> dict[str, Tensor]:
    groups, scales = _plan(path, keep)
    tensors: dict[str, Tensor] = {}
    for group in groups:
        with safe_open(path, "pt") as file:
            for key in group:
                stop_if()
                tensors[key] = _as(_unscaled(file, key, scales, dtype), dtype, device)
    return tensors


def _plan(path: Path, keep: Keep) -> tuple[list[list[str]], Mapping[str, str]]:
    """Names in groups of a bounded size, and the scale that belongs to each scaled fp8 weight."""
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        present = set(names)
        scales = {
            f"{key.removesuffix('.scale_weight')}.weight": key
            for key in names
            if key.endswith(".scale_weight") and "scaled_fp8" in present
        }
        dropped = {"scaled_fp8", *scales.values()}
        dropped |= {k for k in names if scales and k.endswith(".scale_input")}
        names = [k for k in names if k not in dropped and keep(k)]
        sizes = {key: 4 * math.prod(file.get_slice(key).get_shape()) for key in names}
    return _groups(sizes), scales


def _groups(sizes: Mapping[str, int]) -> list[list[str]]:
    """Names in order, in groups of `_GROUP_BYTES` or of one name."""
    groups: list[list[str]] = [[]]
    room = _GROUP_BYTES
    for key, size in sizes.items():
        if size > room and groups[-1]:
            groups.append([])
            room = _GROUP_BYTES
        groups[-1].append(key)
        room -= size
    return groups


def _unscaled(file, key: str, scales: Mapping[str, str], dtype: torch.dtype | None) -> Tensor:
    tensor = file.get_tensor(key)
    if key not in scales:
        return tensor
    return (tensor.float() * file.get_tensor(scales[key]).float()).to(dtype or torch.bfloat16)


def _as(tensor: Tensor, dtype: torch.dtype | None, device: torch.device) -> Tensor:
    small = tensor.numel() * tensor.element_size() < _COPIED_BYTES
    return tensor.to(device, dtype if tensor.is_floating_point() else None, copy=small)


def _read_checkpoint(
    path: Path, dtype: torch.dtype | None, device: torch.device, keep: Keep
) -> dict[str, Tensor]:
    check_pickled(path)
    tensors = _read_pickled(path)
    names = [key for key in tensors if keep(key)]
    changes = device.type != "cpu" or any(
        dtype not in (None, tensors[key].dtype) and tensors[key].is_floating_point()
        for key in names
    )
    if not changes or not is_archive(path):
        # Each original is let go as soon as its copy exists.
        return {key: _as(_next(tensors, key), dtype, device) for key in names}
    sizes = {key: tensors[key].numel() * tensors[key].element_size() for key in names}
    tensors.clear()
    read: dict[str, Tensor] = {}
    for group in _groups(sizes):
        stop_if()
        mapped = _read_pickled(path)
        read.update({key: _as(mapped[key], dtype, device) for key in group})
        # What needed no change would keep the whole file mapped.
        mapped = {key: mapped[key].data_ptr() for key in group}
        read.update({k: read[k].clone() for k in group if read[k].data_ptr() == mapped[k]})
    return read


def _next(tensors: dict[str, Tensor], key: str) -> Tensor:
    stop_if()
    return tensors.pop(key)


def _read_pickled(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    mapped = is_archive(path) and device != "meta"
    with _plain_numbers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong is one sentence
        loaded = torch.load(path, map_location=device, weights_only=True, mmap=mapped)
    tensors = _flatten(loaded)
    if not tensors:
        raise FoleyError(f"{path.name} holds no weights; use another file.")
    size = path.stat().st_size
    claimed = [v.numel() * v.element_size() for v in tensors.values()]
    if max(claimed) > size or sum(claimed) > _MOST_SHARED * size:
        raise FoleyError(f"{path.name} claims weights larger than itself: it was refused.")
    return tensors


def _plain_numbers() -> contextlib.AbstractContextManager:
    """Allows the numbers of numpy that some trainings keep beside their weights; none is code."""
    allow = getattr(torch.serialization, "safe_globals", None)
    if allow is None:  # before torch 2.5
        return contextlib.nullcontext()
    scalar = np.float64(0).__reduce__()[0]
    types = {type(np.dtype(code)) for code in ("f2", "f4", "f8", "i4", "i8", "u1", "b1")}
    # Its module has two names, before numpy 2 and since.
    scalars = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return allow([np.dtype, codecs.encode, *types, *scalars])


def _flatten(loaded: object) -> dict[str, Tensor]:
    """The tensors of a loaded checkpoint, whatever level they are kept on."""
    for _ in range(_MOST_LEVELS):
        if not isinstance(loaded, Mapping):
            break
        tensors = {str(k): v for k, v in loaded.items() if isinstance(v, Tensor)}
        levels = [loaded[name] for name in _LEVELS if isinstance(loaded.get(name), Mapping)]
        if not levels or len(tensors) >= len(levels[0]):
            return tensors
        loaded = levels[0]
    return {}
