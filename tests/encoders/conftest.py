"""Small vocabularies, frames, and the helper modules of this folder importable by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from small_clap import write_tokenizer

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
    return write_tokenizer
