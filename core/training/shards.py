"""Features of many files as numbered safetensors files, each written whole or not at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..errors import FoleyError
from ..media.files import write_beside

log = logging.getLogger(__name__)


class Named(Protocol):
    """What a shard has features of."""

    @property
    def name(self) -> str: ...


Item = TypeVar("Item", bound=Named)


def write_in_shards(
    items: Sequence[Item],
    write: Callable[[Path, Sequence[Item], dict[str, str]], None],
    folder: Path,
    *,
    size: int,
    listed: Sequence[Any] | None = None,
) -> list[Path]:
    """Features of all items as `shard_00000.safetensors`, ..., of up to `size` items each.

    Shards that are there are kept, so a stopped run goes on where it was. Items that cannot be used
    are left out and named, with the reason, in `failed.json`.

    Args:
        write: makes one shard of its path and items, and adds those that fail to the dictionary.
        listed: what says that the items are the same as before, in JSON; their names by default.

    Raises:
        FoleyError: not one item could be used; a folder of another list.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_list(folder / "clips.json", listed or [item.name for item in items])
    failed: dict[str, str] = _read_json(folder / "failed.json", {})
    shards = []
    for number, first in enumerate(range(0, len(items), size)):
        path = folder / f"shard_{number:05d}.safetensors"
        if not path.exists():
            write(path, items[first : first + size], failed)
            _write_json(folder / "failed.json", failed)
            log.info("%s, %d files failed so far", path.name, len(failed))
        shards.append(path)
    if len(failed) == len(items):
        raise FoleyError(
            f"None of the {len(items)} files could be used; the first: "
            f"{next(iter(failed.values()))}"
        )
    return shards


def _check_list(path: Path, listed: Sequence[Any]) -> None:
    known = _read_json(path, None)
    if known is not None and known != listed:
        raise FoleyError(
            f"{path.parent} holds the features of another list; remove it or choose another folder."
        )
    if known is None:
        _write_json(path, listed)


def _read_json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text("utf-8")) if path.exists() else default


def _write_json(path: Path, value: Any) -> None:
    with write_beside(path) as file:
        file.write(json.dumps(value).encode("utf-8"))
