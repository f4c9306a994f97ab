"""What the base class does for every generator: checks of streams, lengths, and windows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import (
    Conditions,
    Generator,
    GeneratorConfig,
    LatentSpec,
    Prepared,
    StreamSpec,
    ac_foley_mini,
    mdsgen_config,
)
from foleystage.core.sampling import Guided, sample

SPECS = (
    StreamSpec("video", 4, 6.25, multiple=5, required=True, meaning="what is in the picture"),
    StreamSpec("text", 3),
)


class Config(GeneratorConfig):
    latent = LatentSpec("no_codec", 2, 12.5, 16000)
    streams = SPECS
    trained_seconds = 4.0
    window_step = 0.8


class Plain(Generator):
    """Predicts nothing; all else is the base class's."""

    def __init__(self, streams=SPECS):
        super().__init__()
        self.config = Config()
        self.config.streams = streams
        self.anchor = torch.nn.Parameter(torch.zeros(()))

    def null(self, stream):
        self.check_stream(stream)
        return torch.full((1, 4 if stream == "video" else 3), 9.0)

    def prepare(self, streams, seconds=None, *, lengths=None, batch=None):
        size = self.check_streams(streams) or batch or 1
        return Prepared({"nothing": torch.zeros(size, 1)})

    def forward(self, x, t, prepared):
        return torch.zeros_like(x)


@pytest.fixture
def net():
    return Plain()


def video(count=25, width=4, batch=2):
    rng = torch.Generator().manual_seed(0)
    return torch.randn(batch, count, width, generator=rng)


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        ({}, "needs the stream 'video'"),
        ({"text": torch.zeros(2, 7, 3)}, "needs the stream 'video'"),
        ({"video": video(width=5)}, "'video' has 5 channels, but this model needs 4"),
        (
            {"video": video(), "text": torch.zeros(2, 7, 4)},
            "'text' has 4 channels, but this model needs 3",
        ),
        ({"video": video(24)}, "'video' stream has 24 features; .* multiple of 5"),
        ({"video": video()[0]}, r"'video' must have the shape .* but has \[25, 4\]"),
        ({"video": video(), "text": torch.zeros(1, 7, 3)}, r"batch sizes: \[1, 2\]"),
        ({"video": video(), "smell": video()}, "no stream named 'smell'; it takes: video, text"),
    ],
)
def test_streams_that_do_not_fit_their_specs_are_refused(net, streams, words):
    with pytest.raises(FoleyError, match=words):
        net.check_streams(streams)


def test_streams_that_fit_have_one_batch_size(net):
    assert net.check_streams({"video": video(), "text": torch.zeros(2, 7, 3)}) == 2
    assert net.check_streams({"video": video(batch=5)}) == 5
    assert Plain((replace(SPECS[0], required=False),)).check_streams({}) is None


def test_a_missing_required_stream_is_refused_by_the_sampler_and_guidance(net):
    with pytest.raises(FoleyError, match="needs the stream 'video'"):
        sample(net, Conditions({"text": torch.zeros(1, 7, 3)}, 4.0), seed=0)
    with pytest.raises(FoleyError, match="needs the stream 'video'"):
        Guided(net, Conditions({}, 4.0))


def test_names_are_those_of_the_specs(net):
    assert net.streams == SPECS and net.stream_names == ("video", "text")


@pytest.mark.parametrize(
    ("seconds", "latents", "vectors"), [(4.0, 50, 25), (0.8, 10, 5), (4.7, 59, 25), (2.5, 32, 15)]
)
def test_lengths_follow_from_rates_in_whole_pieces(net, seconds, latents, vectors):
    assert net.config.lengths(seconds) == {"latent": latents, "video": vectors}
    assert net.latent_shape(seconds) == (latents, 2)


def test_lengths_of_given_streams_are_their_own(net):
    streams = {"video": video(30), "text": torch.zeros(2, 7, 3)}
    assert net.lengths(streams, 4.0) == {"latent": 50, "video": 30, "text": 7}
    with pytest.raises(
        FoleyError, match="'video' stream has 35 features, but a take of 4 s has 25"
    ):
        net.lengths({"video": video(35)}, 4.0)
    with pytest.raises(FoleyError, match="length of the take is missing"):
        net.lengths(streams)


def test_a_window_cuts_what_is_along_time_and_nothing_else(net):
    streams = {"video": video(50), "text": torch.randn(2, 7, 3)}
    part = net.window(streams, 8.0, 1.6, 5.6)
    assert part.span == slice(20, 70)
    assert torch.equal(part.streams["video"], streams["video"][:, 10:35])
    assert part.streams["text"] is streams["text"]
    assert part.lengths == {"latent": 50, "video": 25, "text": 7}


def test_the_last_window_takes_all_that_is_left(net):
    part = net.window({"video": video(55)}, 8.1, 4.0, 8.1)
    assert net.config.lengths(8.1)["latent"] == 102 and part.span == slice(50, 102)
    assert part.streams["video"].shape[1] == part.lengths["video"] == 30


@pytest.mark.parametrize("config", [ac_foley_mini(), mdsgen_config("b"), Config()])
def test_every_spec_along_time_has_a_length(config):
    lengths = config.lengths(8.0)
    assert lengths["latent"] >= 8.0 * config.latent.rate - 1
    assert all(lengths[spec.name] > 0 for spec in config.streams if spec.rate is not None)


def test_dropped_streams_are_the_null_where_masked(net):
    given = {"video": video(), "text": torch.zeros(2, 7, 3)}
    masks = {"video": torch.tensor([True, False])}
    dropped = net.drop_streams(given, masks)
    assert (dropped["video"][0] == 9.0).all()
    assert torch.equal(dropped["video"][1], given["video"][1])
    assert dropped["text"] is given["text"]
    assert "text" not in net.drop_streams({"video": video()}, {"text": torch.tensor([True, True])})
    with pytest.raises(FoleyError, match="no stream named 'smell'"):
        net.drop_streams(given, {"smell": masks["video"]})
