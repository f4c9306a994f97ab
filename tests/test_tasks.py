"""What each task gives a system of picture, words and sound: figure 3 of FoleyGenEx."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.catalog import SYSTEMS
from foleystage.core.generators import Conditions
from foleystage.core.plan import KnownLatent, plan
from foleystage.core.tasks import TASKS, counts_look

LENGTH, LEAD = 30, 10
STREAMS = {"sync": torch.ones(1, 48, 3), "text": torch.ones(1, 8, 64)}
CONDITIONS = Conditions(STREAMS, 1.0, {"text": torch.zeros(1, 8, 64)})
REFERENCE = torch.full((1, LEAD, 4), 2.0)
KNOWN = KnownLatent(torch.full((1, LENGTH, 4), 3.0), torch.arange(LENGTH) < 12)


def planned(name, takes_context=True, **given):
    return plan(name, CONDITIONS, LENGTH, takes_context=takes_context, **given)


@pytest.mark.parametrize("name", ["vta", "tta", "tc-vta"])
def test_without_a_known_sound_there_is_no_context(name):
    made = planned(name)
    assert made.conditions is CONDITIONS and made.known is None and not made.lead


def test_a_reference_stands_before_the_take_and_is_put_back_at_every_step():
    made = planned("ac-vta", reference=REFERENCE, lead=0.33)
    context = made.conditions.positive["context"]
    assert context.shape == (1, LENGTH, 5)
    assert (context[:, :LEAD, :4] == 2).all() and (context[:, :LEAD, 4] == 1).all()
    assert not context[:, LEAD:].any()
    assert made.known.kept == "steps" and not made.known.added and not made.known.inverted
    assert made.known.frames.tolist() == [True] * LEAD + [False] * (LENGTH - LEAD)
    assert made.lead == 0.33
    assert "video_mask" not in made.conditions.positive
    assert made.conditions.negative is CONDITIONS.negative


def test_a_surrogate_can_be_unseen_and_the_reference_added_to_the_noise():
    made = planned("ac-vta", reference=REFERENCE, surrogate="zero", summation=True)
    mask = made.conditions.positive["video_mask"]
    assert mask.shape == (1, LENGTH, 1)
    assert (mask[:, :LEAD] == 1).all() and not mask[:, LEAD:].any()
    assert made.known.added and made.known.kept == "never"


def test_an_extension_knows_its_part_and_gets_it_back():
    made = planned("extend", known=KNOWN)
    assert (made.conditions.positive["context"][..., 4] == KNOWN.frames).all()
    assert made.known.kept == "steps" and not made.known.added
    published = planned("extend", known=KNOWN, summation=True).known
    assert published.kept == "end" and published.added


def test_an_edit_gets_it_back_at_every_step():
    for summation in (False, True):
        made = planned("edit", known=KNOWN, inversion="around", summation=summation)
        assert made.known.kept == "steps" and not made.known.added
        assert made.known.inverted == "around"


def test_an_edit_can_follow_a_reference_too():
    rest = KnownLatent(KNOWN.latent[:, LEAD:], KNOWN.frames[LEAD:])
    made = planned("edit", known=rest, reference=REFERENCE)
    context = made.conditions.positive["context"]
    assert (context[:, :LEAD, 0] == 2).all() and (context[:, LEAD:, 0] == 3).all()
    assert made.known.frames[: LEAD + 2].all() and not made.known.frames[LEAD + 2 :].any()


@pytest.mark.parametrize("name", ["extend", "edit"])
def test_a_system_without_a_context_inpaints(name):
    made = planned(name, takes_context=False, known=KNOWN)
    assert made.conditions is CONDITIONS
    assert made.known.kept == "steps" and not made.known.added


def test_what_the_picture_shows_counts_as_in_the_figure():
    for name in ("vta", "extend"):
        assert counts_look(name, "metal", True)
    for name in ("tta", "tc-vta", "ac-vta"):
        assert not counts_look(name, "", True)
    assert counts_look("ac-vta", "", False), "AC-Foley looks as well"
    assert counts_look("edit", " ", True) and not counts_look("edit", "metal", True)


@pytest.mark.parametrize(
    ("system", "tasks"),
    [
        ("foleygenex", set(TASKS)),
        ("foleygenex_mini", set(TASKS)),
        ("ac_foley", set(TASKS)),
        ("mmaudio_large_44k_v2", set(TASKS) - {"ac-vta"}),
        ("mdsgen_b", {"vta", "extend", "edit"}),
    ],
)
def test_each_system_says_what_it_does(system, tasks):
    assert set(SYSTEMS[system].tasks) == tasks
