"""A token generator through the sampler: guidance, windows and takes are those of every kind."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.generators import (
    Conditions,
    Generator,
    GeneratorConfig,
    LatentSpec,
    Prepared,
    StreamSpec,
)
from foleystage.core.sampling import Guided, Start, Windows, cfg, dynamics_of, rescaled, sample
from torch import nn

CODES = 12


@dataclass(frozen=True)
class TokenConfig(GeneratorConfig):
    trained_seconds: float = 2.0
    window_step: float = 0.2
    latent = LatentSpec("no_codec", 1, 10.0, 16000, codes=CODES)
    streams = (StreamSpec("video", 4, 5.0, null="zeros"),)


class TokenGenerator(Generator):
    """Two layers: an embedding of the ids beside the video's, and logits of their sum."""

    dynamics = "tokens"

    def __init__(self):
        super().__init__()
        self.config = TokenConfig()
        self.ids = nn.Embedding(CODES + 1, 16)
        self.video = nn.Linear(4, 16)
        self.logits = nn.Linear(16, CODES)
        self.shares = []
        rng = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for value in self.parameters():
                value.copy_(torch.randn(value.shape, generator=rng))

    def null(self, stream):
        return torch.zeros(1, 4)

    def prepare(self, streams, seconds=None, *, lengths=None, batch=None):
        self.check_streams(streams)
        lengths = lengths or self.lengths(streams, seconds)
        video = streams.get("video", torch.zeros(batch or 1, lengths["video"], 4))
        # Two tokens a vector of the video.
        return Prepared({"video": self.video(video).repeat_interleave(2, 1)})

    def forward(self, x, t, prepared):
        self.shares.append(float(t[0]))
        inner = self.ids(x) + prepared.batched["video"]
        return self.logits(torch.tanh(inner + inner.mean(1, keepdim=True)))


@pytest.fixture
def net():
    return TokenGenerator().eval()


def conditions(seconds=2.0, batch=1):
    rng = torch.Generator().manual_seed(1)
    return Conditions({"video": torch.randn(batch, int(seconds * 5), 4, generator=rng)}, seconds)


def test_every_token_is_filled_in(net):
    ids = sample(net, conditions(), cfg(2.0), seed=0, steps=5, temperature=4.0)
    assert ids.shape == (1, 20) and ids.dtype == torch.int64
    assert ids.min() >= 0 and ids.max() < CODES
    assert net.shares == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


def test_one_step_takes_the_likeliest_of_noise_and_logits(net):
    given = conditions()
    ids = sample(net, given, seed=0, steps=1)
    noise = dynamics_of("tokens").draw(
        torch.Generator().manual_seed(0), net.config.latent, 1, 20, 1
    )
    masked = torch.full((1, 20), CODES)
    with torch.no_grad():
        logits = net(masked, torch.zeros(1), net.prepare(given.positive, 2.0))
    assert torch.equal(ids, (logits + noise.later.tokens[:, 0]).argmax(-1))
    assert torch.equal(sample(net, given, noise=noise, steps=1), ids)


def test_a_take_is_the_same_however_many_are_made(net):
    options = {"seed": 4, "steps": 4, "temperature": 4.0}
    many = sample(net, conditions(), cfg(2.0), takes=3, **options)
    for takes in (1, 2):
        fewer = sample(net, conditions(), cfg(2.0), takes=takes, **options)
        assert torch.equal(fewer, many[:takes])
    assert not torch.equal(many[0], many[1])


def test_temperature_and_conditions_change_the_take(net):
    options = {"seed": 4, "steps": 6}
    cold = sample(net, conditions(), **options)
    assert not torch.equal(cold, sample(net, conditions(), temperature=20.0, **options))
    assert not torch.equal(cold, sample(net, Conditions({}, 2.0), **options))


def test_guidance_is_the_weighted_sum_of_logits(net):
    given, ids = conditions(), torch.randint(CODES + 1, (1, 20))
    with torch.no_grad():
        guided = Guided(net, given, cfg(3.0))(ids, 0.5)
        times = torch.full((1,), 0.5)
        own, null = (net(ids, times, net.prepare(s, 2.0)) for s in (given.positive, {}))
    torch.testing.assert_close(guided, null + 3 * (own - null))
    one_by_one = Guided(net, given, cfg(3.0), batched=False)
    torch.testing.assert_close(one_by_one(ids, 0.5), guided)


def test_windows_blend_logits(net):
    given, ids = conditions(3.0), torch.randint(CODES + 1, (1, 30))
    windows = Windows(overlap=0.5)
    assert windows.cut(net.config, 3.0) == [(0.0, 2.0), (1.0, 3.0)]
    with torch.no_grad():
        blended = Guided(net, given, windows=windows)(ids, 0.5)
        video, times = given.positive["video"], torch.full((1,), 0.5)
        first = net(ids[:, :20], times, net.prepare({"video": video[:, :10]}, 2.0))
        last = net(ids[:, 10:], times, net.prepare({"video": video[:, 5:]}, 2.0))
    fade = ((torch.arange(10) + 0.5) / 10)[:, None]
    middle = (1 - fade) * first[:, 10:] + fade * last[:, :10]
    expected = torch.cat((first[:, :10], middle, last[:, 10:]), dim=1)
    torch.testing.assert_close(blended, expected)


def test_a_long_take_is_made_in_windows(net):
    ids = sample(net, conditions(5.0), cfg(2.0), seed=0, steps=4, windows=Windows())
    assert ids.shape == (1, 50) and ids.max() < CODES
    assert sample(net, conditions(2.0), seed=0, steps=4, windows=Windows()).equal(
        sample(net, conditions(2.0), seed=0, steps=4)
    )


def test_ids_to_start_from_are_kept(net):
    ids = torch.full((1, 20), CODES)
    ids[0, 5:12] = torch.arange(7)
    made = sample(net, conditions(), seed=0, steps=4, takes=2, start=Start(ids))
    assert (made[:, 5:12] == torch.arange(7)).all() and made.max() < CODES
    assert not torch.equal(made[0], made[1])


@pytest.mark.parametrize("shape", [(1, 19), (3, 20)])
def test_ids_of_another_shape_are_refused(net, shape):
    start = Start(torch.zeros(shape, dtype=torch.int64))
    with pytest.raises(FoleyError, match=r"to start from .* needs \[2, 20\]"):
        sample(net, conditions(), seed=0, takes=2, start=start)


def test_an_edit_is_given_masked_ids_and_its_answer_is_gone_on_with(net):
    times, masked = [], []

    def edit(ids, t):
        times.append(t)
        masked.append(int((ids == CODES).sum()))
        return torch.cat((torch.full_like(ids[:, :3], 7), ids[:, 3:]), dim=1)

    made = sample(net, conditions(), seed=0, steps=4, edit=edit)
    assert times == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])
    assert masked[0] == 20 and masked == sorted(masked, reverse=True)
    assert (made[:, :3] == 7).all()


def test_progress_and_cancellation_are_those_of_every_kind(net):
    calls = []
    sample(net, conditions(), seed=0, steps=3, progress=lambda i, n: calls.append((i, n)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    net.shares.clear()
    with pytest.raises(Cancelled):
        sample(net, conditions(), seed=0, steps=5, cancelled=lambda: len(net.shares) == 2)
    assert len(net.shares) == 2


def test_tokens_cannot_be_rescaled(net):
    with pytest.raises(FoleyError, match="flow models"):
        sample(net, conditions(), rescaled(cfg(2.0)), seed=0)


def test_as_many_takes_are_made_as_the_noise_has(net):
    kind = dynamics_of("tokens")
    noise = kind.draw(torch.Generator().manual_seed(0), net.config.latent, 3, 20, 4)
    assert sample(net, conditions(), noise=noise, steps=4).shape == (3, 20)
