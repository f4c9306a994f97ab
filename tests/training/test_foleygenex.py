"""FoleyGenEx's training on scenes: what is masked, what the loss counts, and going on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators.base import CONTEXT, VIDEO_MASK
from foleystage.core.training import foleygenex
from foleystage.core.training.batches import share_of
from foleystage.core.training.foleygenex import GenExFigures, GenExTask
from foleystage.core.training.genex_masks import (
    MaskFigures,
    hidden_each,
    hidden_frames,
    masked_error,
    real_frames,
    unseen_frames,
)
from foleystage.core.training.recipes import run_recipe
from foleystage.core.weights.load import read_weights

QUIET = {"drop_video": 0.0, "words_alone": 0.0, "drop_context": 0.0, "base": ""}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def rows(monkeypatch):
    """Scenes that were never rendered: noise and events at random, in place of a cache."""

    def made(make, count, folder, note, workers):
        random = rng(count)
        return {
            "latent": random.standard_normal((count, 250, 32), np.float32).astype(np.float16),
            "reference": random.standard_normal((count, 60, 32), np.float32).astype(np.float16),
            "events": random.random((count, 400, 3), np.float32).astype(np.float16),
            "hits": np.full(count, 9),
            "material": np.zeros(count, int),
            "kind": np.full(count, "knock", "U12"),
            "manner": np.full(count, "||", "U24"),
            "course": np.zeros((count, 2), np.float32),
        }

    monkeypatch.setattr(foleygenex, "map_scenes", made)


def task(tmp_path, **figures):
    return GenExTask(GenExFigures(clips=6, validation_clips=2, **{**QUIET, **figures}), tmp_path)


@pytest.mark.parametrize("masking", ["none", "context", "target"])
def test_the_picture_is_masked_where_it_is_said(rows, tmp_path, masking):
    batch = task(tmp_path, masking=masking).batch(0, rng())
    hidden, mask = batch["hidden"], batch[VIDEO_MASK][..., 0].bool()
    expected = {"none": torch.zeros_like(hidden), "context": ~hidden, "target": hidden}
    assert torch.equal(mask, expected[masking])
    share = hidden.float().mean(1)
    assert share.min() >= 0.7 - 1 / hidden.shape[1] and share.max() < 1
    # One span: it begins at most once inside, and ends at most once.
    assert (hidden[:, 1:] != hidden[:, :-1]).sum(1).max() <= 2


@torch.no_grad()
@pytest.mark.parametrize("masking", ["none", "context", "target"])
def test_the_network_sees_no_picture_and_no_sound_where_they_are_masked(rows, tmp_path, masking):
    made = task(tmp_path, masking=masking)
    model, batch = made.model(), made.batch(0, rng())
    seen = {}

    def keep(module, given, output):
        seen.update(given[2].batched)

    with model.generator.register_forward_hook(keep):
        made.loss(model, batch, 0)
    hidden, mask = batch["hidden"], batch[VIDEO_MASK][..., 0].bool()
    has_picture = seen["sync"].any(-1)
    assert not has_picture[mask].any() and has_picture[~mask].all()
    # The context is what its projection makes of the latent, and its bias where that is hidden.
    known = made.model().generator.normalize(batch["latent"]) * ~hidden[..., None]
    expected = model.generator.input_embed.of_context(known)
    assert torch.equal(seen[CONTEXT], expected)


def test_a_dropped_picture_and_words_alone_are_masked_throughout(rows, tmp_path):
    for figures in ({"drop_video": 1.0}, {"words_alone": 1.0}):
        assert task(tmp_path, **figures).batch(0, rng())[VIDEO_MASK].all()


def test_a_batch_can_be_a_multiple_of_the_smallest(rows, tmp_path):
    small, large = (task(tmp_path, batch=batch).batch(0, rng()) for batch in (1, 3))
    assert len(large["latent"]) == 3 * len(small["latent"]) == len(large["prompts"])


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_nothing_is_known_as_often_as_asked(chance):
    hidden = hidden_frames(MaskFigures(drop_context=chance), 4000, 100, rng())
    share = float(hidden.all(1).float().mean())
    assert share == pytest.approx(chance, abs=0.03)


def test_padding_is_never_to_be_made_and_never_known():
    real = np.array([100, 40, 21])
    hidden = hidden_frames(MaskFigures(drop_context=0.5), 3, 100, rng(1), real)
    there = real_frames(real, 100)
    assert not (hidden & ~there).any()
    assert (hidden.sum(1) >= torch.tensor([70, 28, 14])).all()


@pytest.mark.parametrize(
    ("ablation", "masking", "picture", "embeds"),
    [
        ("", "none", "none", True),
        ("", "target", "target", True),
        ("M-1", "context", "none", False),
        ("M-2", "context", "context", False),
        ("M-2", "target", "target", False),
        ("M-2", "none", "context", False),
        ("M-3", "context", "none", True),
    ],
)
def test_an_ablation_is_its_masks_and_its_embedding(ablation, masking, picture, embeds):
    figures = MaskFigures(ablation=ablation, masking=masking)
    assert (figures.picture, figures.embeds) == (picture, embeds)


def test_without_the_embedding_the_network_is_mmaudio(rows, tmp_path):
    made = task(tmp_path, ablation="M-1")
    model, batch = made.model(), made.batch(0, rng())
    loss, _ = made.loss(model, batch, 0)
    loss.backward()
    assert all(value.grad is None for value in model.generator.input_embed.parameters())
    x = torch.randn(1, 10, 32)
    embed = model.generator.input_embed
    assert torch.equal(embed(x, embed.of_context(torch.randn(1, 10, 32))), x)


@pytest.mark.parametrize("figures", [{"masking": "all"}, {"ablation": "M-4"}])
def test_masks_that_are_not_known_are_refused(figures):
    with pytest.raises(FoleyError, match="choose one of: "):
        MaskFigures(**figures)


def test_the_chance_of_a_mask_is_of_whole_takes():
    hidden = hidden_frames(MaskFigures(drop_context=0.0), 2000, 20, rng())
    mask = unseen_frames(MaskFigures(masked=0.4), hidden, ~hidden, rng(1))
    chosen = mask.any(1)
    some = (~hidden).any(1)
    assert torch.equal(mask[chosen], ~hidden[chosen])
    assert float(chosen[some].float().mean()) == pytest.approx(0.4, abs=0.05)


def test_the_loss_is_the_mean_over_hidden_frames():
    predicted, target = torch.randn(4, 10, 3, requires_grad=True), torch.randn(4, 10, 3)
    hidden = hidden_frames(MaskFigures(drop_context=0.0), 4, 10, rng())
    loss = masked_error(predicted, target, hidden[..., None].float(), hidden_each(hidden))
    expected = (predicted - target).square().mean(-1)[hidden].mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    loss.backward()
    assert torch.equal(predicted.grad.any(-1), hidden)


def test_shares_of_a_batch_have_the_loss_of_the_whole(rows, tmp_path):
    made = task(tmp_path)
    model, batch = made.model(), made.batch(0, rng())
    whole = made.loss(model, batch, 0)[0].item()
    parts = [made.loss(model, share_of(batch, k, 2), 0)[0].item() for k in range(2)]
    assert parts[0] != pytest.approx(parts[1], rel=1e-4)
    assert sum(parts) / 2 == pytest.approx(whole, rel=1e-5)


@pytest.mark.slow
def test_a_run_goes_on_to_the_same_weights(rows, tmp_path):
    def run(folder, stop):
        figures = {"clips": 6, "validation_clips": 2, "base": ""}
        loop = {"steps": 3, "stop_at": stop, "learning_rate": 1e-3, "ema_width": 0.1}
        loop |= {"evaluate_every": 9, "optimizer": "adamw", "drop_at": [2]}
        recipe = {"task": "foleygenex", "figures": figures, "loop": loop}
        path = tmp_path / "tiny.json"
        path.write_text(json.dumps(recipe))
        return run_recipe(str(path), tmp_path / folder)[0]

    whole = read_weights(run("whole", 3))
    halfway = read_weights(run("broken", 1))
    resumed = read_weights(run("broken", 3))
    assert all(torch.equal(resumed[key], value) for key, value in whole.items())
    assert any(not torch.equal(halfway[key], value) for key, value in whole.items())
