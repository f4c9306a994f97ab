"""Whether a file is what its name says, from how it begins and ends."""

from __future__ import annotations

import zipfile
from pathlib import Path

from safetensors import safe_open

from ..errors import FoleyError
from .load import PICKLED, reading
from .pickles import is_archive
from .schema import LONGEST, Unfit, read_json

_PAGE = (b"<!doctype html", b"<html")
_LARGE_JSON = 64 * LONGEST  # vocabularies of tokenizers
_HEAD = 64


def look_at(path: Path, name: str) -> None:
    """FoleyError for a file that cannot be one of this name: empty, a web page, cut off.

    Of safetensors the header must fit the size; archives must have their end; JSON must be whole.
    """
    suffix = Path(name).suffix
    with path.open("rb") as file:
        head = file.read(_HEAD).lstrip().lower()
    if not head or head.startswith(_PAGE):
        raise FoleyError(f"{name} is {'a web page' if head else 'empty'}.")
    if suffix == ".safetensors":
        with reading(path, name), safe_open(path, "pt"):
            pass
    elif suffix in PICKLED:
        with reading(path, name):
            if is_archive(path):
                zipfile.ZipFile(path).close()
    elif suffix == ".json":
        try:
            read_json(path, _LARGE_JSON)
        except Unfit as error:
            raise FoleyError(f"{name} cannot be read: {error}.") from error
