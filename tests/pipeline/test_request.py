"""What a request may ask for: anything else is one sentence, before any work."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.reference import ReferencePick
from foleystage.core.request import Request

SOUND = torch.zeros(1, 90)
HUGE = 10**5000
WRONG = {
    "seed": (1.5, "1", None, -1, 2**63, math.nan, True, HUGE),
    "takes": (0, 65, 1.0, math.nan, None),
    "steps": (0, 1001, 2.5, "9", HUGE),
    "cfg": (-1, 101, math.nan, math.inf, "2", HUGE),
    "offset": (None, math.nan, -math.inf, 10_001, "2"),
    "loudness": (math.nan, -71, 1, "off"),
    "start": (None, -1, math.nan, math.inf, "1", HUGE),
    "seconds": (0, -1, math.nan, math.inf, "3", HUGE),
    "prompt": (None, b"rain", 3, "rain\udcff", [SOUND] * 99),
    "negative": (None, "\ud800"),
    "reference": (
        (),
        (SOUND,),
        (SOUND, 8000, 1),
        (SOUND, 0),
        (SOUND, 8000.5),
        (SOUND, math.nan),
        (SOUND[None], 8000),
        (SOUND[0], 8000),
        (SOUND[:, :0], 8000),
        (SOUND.int(), 8000),
        (SOUND.numpy(), 8000),
    ),
    "context": ((SOUND, -1), (SOUND > 0, 8000), ("rain.wav", 8000)),
    "known": (3, (1,), (1, 2, 3), ("1", 2), (None, 2)),
    "edit": (2.0, {1: 2}, (1, HUGE)),
    "pick": (None, ReferencePick("1"), ReferencePick(0.0, 1.5), ReferencePick(0.0, None)),
    "timing": ("late", 3, []),
    "long": ("loops", {}),
    "task": ("sing", ["vta"]),
    "inversion": ("inside", None),
    "surrogate": ("sound", 7),
    "like": (0, 65, 1.5, "3", True),
    "variation": (-0.1, 1.1, math.nan, None, "0.3"),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=[f"{name}{index}" for name, values in WRONG.items() for index in range(len(values))],
)
def test_a_wrong_value_is_one_short_sentence(name, value):
    with pytest.raises(FoleyError) as refused:
        Request(**{name: value}).check()
    text = str(refused.value)
    assert text.endswith(".") and "\n" not in text and len(text) < 200


def test_numbers_of_every_kind_are_taken():
    Request(
        seed=np.int64(3),
        takes=np.uint8(2),
        steps=10,
        cfg=np.float32(2.5),
        start=1,
        seconds=np.float64(2.0),
        loudness=None,
        reference=(SOUND.half(), np.int32(8000)),
        context="sound.wav",
        known=[0, 1.5],
    ).check()
