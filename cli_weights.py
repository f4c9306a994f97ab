"""The commands about weights: models, download, convert."""

from __future__ import annotations

import sys
import textwrap
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import Progress, size_text

if TYPE_CHECKING:
    from .core.weights.store import Listed

DTYPES = ("float32", "float16", "bfloat16")


def add_weights_commands(commands) -> None:
    """Adds them to argparse's subparsers."""
    models = commands.add_parser(
        "models", help="list the generators, and all weights with their licence and place"
    )
    models.set_defaults(run=_models)

    download = commands.add_parser("download", help="fetch weights that the command `models` lists")
    download.add_argument("names", nargs="+", metavar="NAME")
    download.add_argument(
        "--folder",
        type=Path,
        help="where to put them (default: the first folder of FOLEYSTAGE_MODELS, or the cache)",
    )
    download.set_defaults(run=_download, left="what came is kept, and the next try goes on there")

    convert = commands.add_parser(
        "convert", help="write a weights file as safetensors that say what they are"
    )
    convert.add_argument("file", type=Path, help="a .pth, .pt, .ckpt, .bin or .safetensors file")
    convert.add_argument("-o", "--output", type=Path, help="file to write (default: beside FILE)")
    convert.add_argument("--dtype", choices=DTYPES, help="type of the numbers (default: as stored)")
    convert.set_defaults(run=_convert)


def _models(options: Namespace) -> None:
    from .core.models import MODELS
    from .core.weights.store import download_folder, list_models

    print("Generators")
    for card in MODELS.values():
        print(f"  {card.name}  ({card.licence})\n    {card.title}")
    print("\nWeights")
    for listed in list_models():
        print(textwrap.indent(_described(listed), "  "))
    print(f"\nDownloads go to {download_folder()}; FOLEYSTAGE_MODELS names another folder.")


def _described(listed: Listed) -> str:
    """Two lines: what it is; where it is, or how to get it."""
    from .core.weights.advice import command
    from .core.weights.registry import Manual

    row = listed.entry
    size = (row.about or "size not stated") if listed.bytes is None else size_text(listed.bytes)
    facts = "; ".join((row.part, size, row.terms))
    source = row.source
    if listed.path is not None:
        where = str(listed.path)
    elif isinstance(source, Manual):
        where = f"not here: get {source.file} by hand from {source}"
    else:
        start = command()
        by_hand = f"get {source.file} from {source}"
        where = f"not here: {f'{start} download {row.name}' if start else by_hand}"
    return f"{row.name}  ({facts})\n  {where}"


def _download(options: Namespace) -> None:
    from .core.weights.registry import entry
    from .core.weights.store import download, find

    rows = [entry(name) for name in options.names]
    for row in rows:
        print(f"{row.name}: {row.terms}", file=sys.stderr)
        with Progress() as progress:
            path = download(
                row.name,
                lambda step, total, name=row.name: progress.bytes(name, step, total),
                folder=options.folder,
            )
        print(path)
        if find(row.name) is None:
            print(
                f"foleystage: to be found there, set FOLEYSTAGE_MODELS={options.folder}",
                file=sys.stderr,
            )


def _convert(options: Namespace) -> None:
    import torch

    from .core.weights.convert import convert
    from .core.weights.files import read_metadata

    dtype = getattr(torch, options.dtype) if options.dtype else None
    out = convert(options.file, options.output, dtype=dtype)
    about = read_metadata(out)
    print(f"{out}  ({about['family']}; source: {about['source']}; licence: {about['licence']})")
