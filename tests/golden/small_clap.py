"""A CLAP of a small size, and the words of its tokenizer."""

from __future__ import annotations

import json

import pytest

CLAP = {
    "text_config": {
        "vocab_size": 8,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "projection_dim": 8,
        "pad_token_id": 0,
    },
    "audio_config": {
        "patch_embeds_hidden_size": 8,
        "hidden_size": 64,
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 1, 1, 1],
        "projection_dim": 8,
    },
    "projection_dim": 8,
}


def write_tokenizer(folder):
    """A word tokenizer into a folder, as transformers reads it; returns the folder."""
    tokenizers = pytest.importorskip("tokenizers")
    folder.mkdir(parents=True, exist_ok=True)
    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "a", "metal", "hit", "dog"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
