"""The command convert."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..core.printable import printable

_DTYPES = ("float32", "float16", "bfloat16")


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    convert = commands.add_parser(
        "convert", help="write a weights file as safetensors that say what they are"
    )
    convert.add_argument(
        "file",
        type=Path,
        help="a .pth, .pt, .ckpt, .bin or .safetensors file, or a folder of Stable Audio Open as "
        "diffusers keeps it",
    )
    convert.add_argument("-o", "--output", type=Path, help="file to write (default: beside FILE)")
    convert.add_argument(
        "--dtype", choices=_DTYPES, help="type of the numbers (default: as stored)"
    )
    convert.set_defaults(run=_convert)


def _convert(options: Namespace) -> None:
    import torch

    from ..core.diffusers_folder import read_folder
    from ..core.recognition import detect_shapes
    from ..core.weights.convert import convert
    from ..core.weights.files import read_metadata

    dtype = getattr(torch, options.dtype) if options.dtype else None
    out = convert(
        options.file,
        options.output,
        dtype=dtype,
        family_of=detect_shapes,
        read_folder=read_folder,
    )
    about = read_metadata(out)
    known = f"{about['family']}; source: {about['source']}; licence: {about['licence']}"
    print(printable(f"{out}  ({known})"))
