"""CLIP token ids against the golden case, and what the golden case does not hold."""

from __future__ import annotations

import case as golden
import pytest
import torch
from foleystage.core.encoders.clip_tokens import END, START, clean, encode, tokenize


@pytest.fixture(scope="module")
def case():
    return golden.load("clip_tokens")


def test_ids_are_those_of_the_reference(case):
    assert torch.equal(tokenize(case.info["prompts"]), torch.tensor(case.info["ids"]))


def test_long_prompts_keep_their_end():
    row = tokenize(["drum " * 200])[0]
    assert row[0] == START and row[-1] == END and (row[1:-1] > 0).all()


def test_a_shorter_context_is_filled():
    assert tokenize(["hit"], context=4).shape == (1, 4)


@pytest.mark.parametrize("prompt", ["", "   ", "\x00", "\n\t"])
def test_nothing_to_say_is_start_and_end(prompt):
    assert tokenize([prompt])[0, :3].tolist() == [START, END, 0]


def test_curly_quotes_and_wide_letters_read_as_plain_ones():
    assert encode("it\u2019s \uff4c\uff4f\uff55\uff44 \ufb01re") == encode("it's loud fire")


def test_entities_are_unescaped_twice():
    assert clean("rock &amp;amp; roll") == "rock & roll"


@pytest.mark.parametrize(
    ("prompt", "plain"),
    [
        ("\ufeffbell", "bell"),
        ("\x07bell \x1b[31mred", "bell red"),
        ("cafe\u0301", "caf\u00e9"),
        ("\uff76\uff80 \u01c6 \u0149", "\u30ab\u30bf d\u017e 'n"),
    ],
)
def test_text_is_repaired_as_the_reference_repairs_it(prompt, plain):
    assert clean(prompt) == plain
