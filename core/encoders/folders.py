"""Folders as transformers keeps models: config, weights and tokenizer side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import FoleyError

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def weights_in(folder: Path) -> Path:
    """The weights file of a model folder.

    Raises FoleyError where there is none.
    """
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise FoleyError(f"The folder {folder} holds no {_WEIGHTS[0]}; download the whole model.")


def load_tokenizer(folder: Path) -> Any:
    """transformers' tokenizer of a model folder; never asks the network.

    Raises FoleyError where its files are missing.
    """
    transformers = require_transformers()
    try:
        return transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise FoleyError(
            f"The folder {folder} holds no tokenizer that can be read (tokenizer.json, or the "
            "vocabulary files); download the whole model."
        ) from error


def require_transformers() -> Any:
    """The transformers module, or one sentence."""
    try:
        import transformers
    except ImportError as error:
        raise FoleyError("This encoder needs transformers: pip install transformers.") from error
    return transformers
