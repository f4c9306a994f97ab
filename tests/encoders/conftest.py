"""Small vocabularies, frames, and the helper modules of this folder importable by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def colour():
    from small_encoder import MeanColour

    return MeanColour()


@pytest.fixture
def frames():
    """Seven frames, each of another random picture."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (7, 8, 8, 3), generator=generator).to(torch.uint8)


@pytest.fixture
def vocabulary():
    """Writes a word tokenizer into a folder, as transformers reads it."""
    tokenizers = pytest.importorskip("tokenizers")

    def write(folder):
        folder.mkdir(parents=True, exist_ok=True)
        words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "a", "metal", "hit", "dog"])}
        model = tokenizers.models.WordLevel(words, unk_token="[UNK]")
        tokenizer = tokenizers.Tokenizer(model)
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        tokenizer.save(str(folder / "tokenizer.json"))
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
        (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
        return folder

    return write
