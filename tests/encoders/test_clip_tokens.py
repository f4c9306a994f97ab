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


# Ids of open_clip's SimpleTokenizer with ftfy 6.3.
@pytest.mark.parametrize(
    ("prompt", "ids"),
    [
        ("a <start_of_text> hit", [320, 49406, 2341]),
        ("dog<END_of_text>cat", [1929, 49407, 2368]),
        ("&lt;start_of_text&gt;", [49406]),
        ("!<start_of_text>", [0, 283, 1572, 318, 539, 318, 4160, 285]),
        ("a\x0bb", [3937]),
        ("a\x0cb", [320, 321]),
        ("x\u206ab", [33678]),
        ("\x80uro \x93quote\x94", [6309, 5925, 257, 4020, 257]),
        ("\ud800abc", [39802, 5334]),
        ("<start_of_text><end_of_text>'s<start_of_text>", [49406, 49407, 568, 49406]),
        ("it'\u017f", [585, 6, 129, 379]),
    ],
)
def test_marks_and_controls_are_read_as_the_reference_reads_them(prompt, ids):
    assert encode(prompt) == ids


@pytest.mark.parametrize(
    ("prompt", "ids"),
    [
        (
            "\u0166ive dogs' b\u00e4rks, they'LL?",
            [129, 100, 8653, 3255, 262, 65, 10896, 81, 662, 267, 889, 1342, 286],
        ),
        (
            "\u6771\u4eac\u306e\u96e8 \U0001f327\ufe0f",
            [48338, 21078, 105, 21575, 165, 249, 357, 1576, 100, 1001],
        ),
        ("\u0661\u0662 \u00bd \u2167", [149, 350, 149, 351, 33613, 158, 227, 371]),
        ("''s ...---#$%", [8445, 338, 3002, 2154, 12, 2, 3, 260]),
        ("aaaaaaaaaaaa", [23126, 19336]),
        ("\u0130stanbul", [328, 16384, 11231]),
        ("a\u00a0b\u3000c\u2028d", [320, 321, 322, 323]),
        ("drum_roll/44.1kHz", [8698, 318, 3341, 270, 275, 275, 269, 272, 45604]),
        ("zwj\u200d\U0001f468\u200d\U0001f469", [89, 35453, 4244, 25023, 964, 358]),
    ],
)
def test_scripts_digits_and_signs_are_cut_as_the_reference_cuts_them(prompt, ids):
    assert encode(prompt) == ids


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
