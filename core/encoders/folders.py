"""Folders as transformers keeps models: config, weights and tokenizer side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import FoleyError
from .base import Encoder

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class FolderEncoder(Encoder):
    """A network of transformers', `model`, and its tokenizer."""

    model: Any
    tokenizer: Any = None

    @classmethod
    def load(cls, path: Path | str, *, tokenizer: Path | str | None = None, **options: Any) -> Any:
        """From a model folder, or one file; then `tokenizer` names the folder of the vocabulary.

        options: `dtype` and `device` as of any encoder, and `config`, as the constructor takes.
        Raises FoleyError for a folder without weights or tokenizer, and for another model's.
        """
        path = Path(path)
        file = _weights_in(path) if path.is_dir() else path
        encoder = super().load(file, **options)
        encoder.tokenizer = _load_tokenizer(Path(tokenizer) if tokenizer else file.parent)
        return encoder


def require_transformers() -> Any:
    """The transformers module, or one sentence."""
    try:
        import transformers
    except ImportError as error:
        raise FoleyError("This encoder needs transformers: pip install transformers.") from error
    return transformers


def _weights_in(folder: Path) -> Path:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise FoleyError(f"The folder {folder} holds no {_WEIGHTS[0]}; download the whole model.")


def _load_tokenizer(folder: Path) -> Any:
    """transformers' tokenizer of a model folder; never asks the network."""
    transformers = require_transformers()
    try:
        return transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise FoleyError(
            f"The folder {folder} holds no tokenizer that can be read (tokenizer.json, or the "
            "vocabulary files); download the whole model."
        ) from error
