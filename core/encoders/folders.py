"""Folders as transformers keeps models: config, weights and tokenizer side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import FoleyError
from ..weights.registry import entry
from ..weights.store import download_folder, own_folders_of
from .base import Encoder

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_VOCABULARIES = ("tokenizer.json", "spiece.model", "vocab.json", "vocab.txt")


class FolderEncoder(Encoder):
    """A network of transformers', `model`, and its tokenizer. registered: the name in the registry
    of the model whose tokenizer it is."""

    model: Any
    tokenizer: Any = None
    registered: str

    @classmethod
    def load(cls, path: Path | str, *, tokenizer: Path | str | None = None, **options: Any) -> Any:
        """From a model folder, or one file. `tokenizer` names the folder of the vocabulary; None is
        the file's own, or where none is in that, this pack's folder of the `registered` model.

        options: `dtype` and `device` as of any encoder, and `config`, as the constructor takes.
        Raises FoleyError for a folder without weights or tokenizer, and for another model's.
        """
        path = Path(path)
        file = _weights_in(path) if path.is_dir() else path
        encoder = super().load(file, **options)
        folders = [file.parent, *own_folders_of(cls.registered, file)]
        found = Path(tokenizer) if tokenizer else _with_vocabulary(folders)
        encoder.tokenizer = _load_tokenizer(found, cls.registered)
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


def _with_vocabulary(folders: list[Path]) -> Path:
    """The first that holds one, else the first."""
    there = (f for f in folders if any((f / name).is_file() for name in _VOCABULARIES))
    return next(there, folders[0])


def _load_tokenizer(folder: Path, registered: str) -> Any:
    """transformers' tokenizer of a model folder; asks no network and runs no code of it."""
    transformers = require_transformers()
    try:
        # Without the last, a folder that holds code has transformers ask whether to run it.
        return transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        source = entry(registered).source
        raise FoleyError(
            f"The folder {folder} holds no tokenizer that can be read (tokenizer.json, or the "
            f"vocabulary files); download the whole model, or put {', '.join(source.also)} from "
            f"{source} into {download_folder() / registered}."
        ) from error
