"""Files of the encoders and the vocoder of SpecMaskFoley, at a reduced size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from family import CLIP, filled
from foleystage.core.codecs.hifigan import HIFIGAN_22K, HiFiGAN
from foleystage.core.encoders.clip import DFN5BClip
from foleystage.core.encoders.synchformer import SynchformerVisual
from foleystage.core.weights.files import save

SYNC_DIM = 64
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


def write_encoders(folder: Path) -> None:
    """CLAP, CLIP, Synchformer and HiFi-GAN, under names by which they are found."""
    transformers = pytest.importorskip("transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        clap = transformers.ClapModel(transformers.ClapConfig(**CLAP))
    (folder / "clap").mkdir()
    state = {k: v.contiguous() for k, v in clap.state_dict().items()}
    save(folder / "clap" / "model.safetensors", state, {}, torch.float32)
    _write_tokenizer(folder / "clap")
    save(folder / "hifigan_22k.safetensors", filled(HiFiGAN(HIFIGAN_22K, device="meta")), {})
    save(folder / "dfn5b_clip.safetensors", filled(DFN5BClip(CLIP, device="meta")), {})
    sync = filled(SynchformerVisual(SYNC_DIM, 1, device="meta"), "vfeat_extractor.")
    torch.save(sync, folder / "synchformer_state_dict.pth")


def _write_tokenizer(folder: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "a", "metal", "hit", "dog"])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(folder / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind), encoding="utf-8")
