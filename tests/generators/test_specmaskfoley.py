"""SpecMaskGIT and its branch: sizes, what the branch does at first and afterwards, files."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import Prepared
from foleystage.core.generators.specmaskfoley import (
    SPECMASKFOLEY,
    SpecMaskFoley,
    specmaskfoley_mini,
)
from foleystage.core.generators.specmaskfoley_checkpoint import (
    SPECMASKFOLEY_CHECKPOINT,
    SPECMASKGIT_CHECKPOINT,
    record,
)
from foleystage.core.generators.specmaskgit import SPECMASKGIT, SpecMaskGIT

SMALL = {
    "hidden_dim": 32,
    "num_heads": 2,
    "depth": 4,
    "codes": 20,
    "columns": 7,
    "words_dim": 9,
}
CONFIG = replace(SPECMASKFOLEY, **SMALL, control_depth=2, projection_dim=16, clip_dim=6, sync_dim=5)
SECONDS = CONFIG.trained_seconds
TIME = torch.zeros(())


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.fixture
def net():
    return SpecMaskFoley(CONFIG, rng=torch.Generator().manual_seed(0)).eval()


@pytest.fixture
def trained(net):
    """One whose branch does something."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for zero in (net.control.zero_in, *net.control.zero_out):
            for value in zero.parameters():
                value.copy_(torch.randn(value.shape, generator=rng) / 4)
    return net


@pytest.fixture
def streams():
    rng, lengths = torch.Generator().manual_seed(2), CONFIG.lengths(SECONDS)
    widths = {"sync": (lengths["sync"], 5), "clip": (lengths["clip"], 6), "clap": (1, 9)}
    return {k: torch.randn(2, *shape, generator=rng) for k, shape in widths.items()}


@pytest.fixture
def ids():
    return torch.randint(21, (2, 7, 5), generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def logits(net, ids, streams):
    return net(ids, TIME, net.prepare(streams, SECONDS, batch=len(ids)))


def test_the_published_sizes():
    net = SpecMaskFoley(SPECMASKFOLEY, device="meta")
    assert count(net.blocks) == pytest.approx(170.1e6, rel=1e-3)
    assert count(*net.branch) == pytest.approx(125.96e6, rel=1e-3)
    assert count(net) == pytest.approx(298.2e6, rel=1e-3)
    plain = SpecMaskFoley(replace(SPECMASKFOLEY, projection="plain"), device="meta")
    assert count(*plain.branch) == pytest.approx(95.3e6, rel=1e-3)
    assert SPECMASKFOLEY.tokens == 265 and SPECMASKFOLEY.latent.codes == 1024
    assert SPECMASKFOLEY.trained_seconds == pytest.approx(9.845, abs=1e-3)


def test_a_branch_that_begins_changes_no_bit(net, ids, streams):
    alone = SpecMaskGIT(replace(SPECMASKGIT, **SMALL)).eval()
    own = {k: v for k, v in net.state_dict().items() if not k.startswith(("aligner", "control"))}
    alone.load_state_dict(own)
    words = {"clap": streams["clap"]}
    assert torch.equal(logits(net, ids, streams), logits(alone, ids, words))
    assert torch.equal(logits(net, ids, {}), logits(alone, ids, {}))
    copies = zip(net.control.blocks, net.blocks, strict=False)
    for copy, block in copies:
        same = zip(copy.state_dict().values(), block.state_dict().values(), strict=True)
        assert all(torch.equal(*pair) for pair in same)


def test_all_tokens_of_a_column_get_the_same(net, streams):
    aligned = net.aligner({"sync": streams["sync"], "clip": streams["clip"]}).unflatten(1, (-1, 5))
    assert aligned.shape == (2, 7, 5, 32)
    assert torch.equal(aligned, aligned[:, :, :1].expand_as(aligned))
    assert not torch.equal(aligned[:, 0], aligned[:, 1])


def test_clip_says_what_and_sync_when(net, streams):
    """CLIP is a mean over time, so its order has no effect on what is added."""
    projected = net.aligner.clip_proj(streams["clip"]).mean(1, keepdim=True)
    both = net.aligner({"sync": streams["sync"], "clip": streams["clip"]})
    alone = net.aligner({"sync": streams["sync"]})
    torch.testing.assert_close(both - alone, projected.expand_as(both))


def test_the_picture_counts_where_there_is_one(trained, ids, streams):
    words = {"clap": streams["clap"]}
    with_picture, without = logits(trained, ids, streams), logits(trained, ids, words)
    assert not torch.allclose(with_picture, without, atol=1e-2)
    parts = [trained.prepare(given, SECONDS) for given in (streams, words)]
    mixed = trained.settled(Prepared.cat(parts))
    assert mixed.shared["rows"].tolist() == [0, 1]
    with torch.no_grad():
        for prepared in (mixed, Prepared.cat(parts)):
            both = trained(ids.repeat(2, 1, 1), TIME, prepared)
            torch.testing.assert_close(both[:2], with_picture)
            torch.testing.assert_close(both[2:], without)


def test_what_is_behind_the_branch_blocks_gets_no_more(trained, ids, streams):
    """What the second and last copy makes enters behind the second block, not behind others."""
    prepared = trained.prepare(streams, SECONDS)
    with torch.no_grad():
        x = trained.embed(ids, prepared)
        added = trained.control(x, prepared.batched["aligned"])
        for i, block in enumerate(trained.blocks):
            x = block(x) + (added[i] if i < 2 else 0)
        expected = trained.logits(x)
    torch.testing.assert_close(logits(trained, ids, streams), expected)


def test_the_words_stand_at_masked_places_alone(net, ids, streams):
    words = {"clap": streams["clap"]}
    known = ids.clamp(max=19)
    assert torch.equal(logits(net, known, words), logits(net, known, {}))
    assert not torch.equal(logits(net, ids, words), logits(net, ids, {}))
    masked = torch.full_like(ids, 20)
    prepared = net.prepare(words, SECONDS)
    expected = net.norm_in(prepared.batched["masked"] + prepared.shared["places"])
    assert torch.equal(net.embed(masked, prepared), expected)


@pytest.mark.parametrize("projection", ["gated", "plain"])
def test_a_file_says_what_it_is(projection):
    config = replace(CONFIG, projection=projection, codec="mini_token_codec")
    if projection == "plain":
        config = replace(config, projection_dim=SPECMASKFOLEY.projection_dim)
    shapes = _shapes(SpecMaskFoley(config, device="meta"))
    about = record(config)
    assert SPECMASKFOLEY_CHECKPOINT.recognise(shapes, about) == config
    assert SPECMASKGIT_CHECKPOINT.recognise(shapes, about) is None


def test_the_published_network_and_the_mini_are_known_by_their_files():
    for config in (SPECMASKFOLEY, specmaskfoley_mini()):
        shapes = _shapes(SpecMaskFoley(config, device="meta"))
        assert SPECMASKFOLEY_CHECKPOINT.recognise(shapes, record(config)) == config
    shapes = _shapes(SpecMaskGIT(SPECMASKGIT, device="meta"))
    assert SPECMASKGIT_CHECKPOINT.recognise(shapes, {}) == SPECMASKGIT
    assert SPECMASKFOLEY_CHECKPOINT.recognise(shapes, {}) is None


def _shapes(net):
    return {f"generator.{k}": tuple(v.shape) for k, v in net.state_dict().items()}


def test_figures_that_mean_nothing_are_refused():
    shapes = _shapes(SpecMaskFoley(CONFIG, device="meta"))
    with pytest.raises(FoleyError, match="figures in their metadata that cannot be read"):
        SPECMASKFOLEY_CHECKPOINT.recognise(shapes, {"figures": '{"rows": 9}'})


def test_the_files_of_the_mini_are_small():
    assert 2 * count(SpecMaskFoley(specmaskfoley_mini(), device="meta")) < 8e6


def test_lengths_and_takes_longer_than_one():
    config = SPECMASKFOLEY
    assert config.lengths(SECONDS_OF_53)["latent"] == 53
    assert config.round_up_seconds(3.0) == config.trained_seconds
    longer = config.round_up_seconds(10.0)
    assert config.lengths(longer)["latent"] == 53 + 31
    mini = specmaskfoley_mini()
    assert mini.lengths(5.12) == {"latent": 80, "sync": 256}
    assert mini.lengths(mini.round_up_seconds(8.0)) == {"latent": 125, "sync": 400}


SECONDS_OF_53 = 53 * 4096 / 22050


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        ({"clap": torch.zeros(1, 1, 10)}, "made with another encoder"),
        ({"text": torch.zeros(1, 1, 9)}, "no stream named 'text'"),
    ],
)
def test_what_it_cannot_take_is_refused(net, streams, said):
    with pytest.raises(FoleyError, match=said):
        net.prepare(streams, SECONDS)
    with pytest.raises(FoleyError, match="7 columns of tokens, not 3"):
        net.prepare({}, lengths={"latent": 3, "sync": 8, "clip": 2})
