"""FoleyGenEx's own layers agree with the code that they are taken to be; it begins as MMAudio."""

from __future__ import annotations

from dataclasses import replace

import case as golden
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import L44, MMAudio
from foleystage.core.generators.foleygenex import (
    ConvPositionEmbedding,
    FoleyGenEx,
    FoleyGenExConfig,
    InputEmbedding,
    clip_mask,
    place_waves,
)
from foleystage.core.layers import Layers
from golden_networks import lengths, network, streams
from safetensors.torch import save_file

SMALL = replace(
    L44, hidden_dim=32, num_heads=2, depth=3, fused_depth=1, mlp_multiple=16, latent_dim=12
)


config_of = FoleyGenExConfig.of


@pytest.fixture(scope="module")
def case():
    return golden.load("conv_position_embedding")


@pytest.fixture(scope="module")
def small():
    return FoleyGenEx(config_of(SMALL), rng=torch.Generator().manual_seed(0)).eval()


def part(case, prefix):
    return {
        key.removeprefix(prefix): value
        for key, value in case.state_dict().items()
        if key.startswith(prefix)
    }


@torch.no_grad()
def test_the_position_embedding_matches(case):
    figures = case.config["ConvPositionEmbedding"]
    net = ConvPositionEmbedding(figures["dim"], figures["groups"], Layers())
    net.load_state_dict(part(case, "conv_pos_embed."))
    x = case.input("x")
    assert case.error("y", net(x)) < case.tolerance
    mask = torch.arange(50) < torch.tensor([[50], [33]])
    assert case.error("y_masked", net(x, mask)) < case.tolerance


@torch.no_grad()
@pytest.mark.parametrize("state_first", [True, False])
def test_the_input_embedding_matches(case, state_first):
    figures = case.config["InputEmbedding"]
    net = InputEmbedding(
        figures["mel_dim"], figures["out_dim"], 16, Layers(), state_first=state_first
    )
    state = part(case, "input_embed.")
    if not state_first:
        state["proj.weight"] = state["proj.weight"].roll(figures["mel_dim"], 1)
    net.load_state_dict(state)
    made = net(case.input("xt"), net.of_context(case.input("cond")))
    assert case.error("input_embedding", made) < case.tolerance


@torch.no_grad()
@pytest.mark.parametrize("name", ["mmaudio_net", "mmaudio_net_v2"])
def test_with_neutral_weights_it_is_mmaudio_bit_for_bit(name):
    case = golden.load(name)
    base, given = network(case), streams(case)
    net = FoleyGenEx(config_of(base.config, nulls="learned")).eval()
    net.input_embed.pass_through()
    own = net.state_dict()
    net.load_state_dict({**own, **base.state_dict()})
    sizes = lengths(case)
    context = torch.randn(len(given["clip"]), sizes["latent"], base.config.latent_dim + 1)
    for kept in (given, {}):
        x, t = case.input("latent"), torch.tensor([0.3, 0.7])
        expected = base(x, t, base.prepare(kept, lengths=sizes, batch=2))
        with_context = {**kept, "context": context}
        prepared = net.prepare(
            with_context,
            lengths={**sizes, "context": sizes["latent"], "video_mask": sizes["latent"]},
            batch=2,
        )
        assert torch.equal(net(x, t, prepared), expected)


@torch.no_grad()
def test_the_context_counts_where_it_is(small):
    x, t = torch.randn(1, *small.latent_shape(2.0)), torch.tensor(0.4)
    sync = torch.randn(1, small.config.lengths(2.0)["sync"], 768)
    context = torch.zeros(1, x.shape[1], 13)
    context[:, :20] = 1.0
    context[:, 50:, :12] = 1.0  # not known, so it must not count
    plain, led = (
        small.input_embed(x, small.prepare({"sync": sync, **more}, 2.0).batched["context"])
        for more in ({}, {"context": context})
    )
    difference = (led - plain).abs().amax((0, 2))
    # Two convolutions of 31 frames reach 30 frames beyond it.
    assert difference[:20].min() > 1e-3 and difference[50:].max() == 0
    assert torch.isfinite(small(x, t, small.prepare({"sync": sync, "context": context}, 2.0))).all()


@torch.no_grad()
def test_what_is_missing_is_zero_or_mmaudios_null(small):
    zeros = small.prepare({}, 2.0).batched
    assert not zeros["sync"].any(), "zeroed after its projection"
    learned = FoleyGenEx(config_of(SMALL, nulls="learned"), rng=torch.Generator().manual_seed(0))
    for value in (learned.empty_clip_feat, learned.empty_sync_feat, learned.empty_string_feat):
        value.fill_(0.5)
    assert learned.prepare({}, 2.0).batched["sync"].any()
    assert torch.equal(learned.null("clip"), learned.empty_clip_feat)
    assert not small.null("text").any() and not learned.null("context").any()


@torch.no_grad()
def test_what_is_masked_of_the_picture_is_as_if_it_were_missing(small):
    length, _ = small.latent_shape(2.0)
    sizes = small.config.lengths(2.0)
    picture = {"sync": torch.randn(1, sizes["sync"], 768), "clip": torch.randn(1, 16, 1024)}
    mask = torch.zeros(1, length, 1)
    missing = small.prepare({}, 2.0).batched
    whole = small.prepare({**picture, "video_mask": torch.ones_like(mask)}, 2.0).batched
    for name, value in missing.items():
        assert torch.equal(whole[name], value), name
    assert torch.equal(
        small.prepare({**picture, "video_mask": mask}, 2.0).batched["sync"],
        small.prepare(picture, 2.0).batched["sync"],
    )
    mask[:, :40] = 1
    half = small.prepare({**picture, "video_mask": mask}, 2.0).batched["sync"]
    assert not half[:, :40].any() and half[:, 40:].any(-1).all()
    # 87 frames to 16: frame 40 lies at 7.4 of the picture's.
    assert clip_mask(mask, 16).flatten().tolist() == [1.0] * 7 + [0.0] * 9


def test_a_window_of_a_take_has_its_part_of_the_context(small):
    length, _ = small.latent_shape(4.0)
    context = torch.arange(float(length))[None, :, None].expand(1, -1, 13)
    window = small.window({"context": context}, 4.0, 0.96, 2.96)
    assert torch.equal(window.streams["context"], context[:, window.span])


def test_a_context_of_another_length_is_refused(small):
    length, _ = small.latent_shape(2.0)
    with pytest.raises(FoleyError, match="but the take has 87"):
        small.prepare({"context": torch.zeros(1, length + 1, 13)}, 2.0)
    with pytest.raises(FoleyError, match="encode the same part"):
        small.prepare({"context": torch.zeros(1, length + 9, 13)}, 2.0)


@pytest.mark.parametrize(("width", "groups"), [(40, 8), (64, 16), (128, 16), (20, 4), (32, 16)])
def test_groups_divide_the_latent(width, groups):
    config = config_of(L44, latent_dim=width)
    assert config.groups == groups


@pytest.mark.parametrize(("width", "count"), [(40, 15_720), (64, 24_256), (128, 96_640)])
def test_parameters_are_as_many_as_counted(width, count):
    config = config_of(L44, latent_dim=width)
    net = InputEmbedding(width, width, config.groups, Layers(device="meta"))
    total = sum(value.numel() for value in net.conv_pos_embed.parameters())
    linear = sum(value.numel() for value in net.proj.parameters())
    assert total + linear == count or total == count


def test_the_base_has_its_names(small):
    base = MMAudio(SMALL, device="meta").state_dict()
    own = small.state_dict()
    assert own.keys() - base.keys() == {
        f"input_embed.{name}" for name in small.input_embed.state_dict()
    }
    assert all(own[key].shape == value.shape for key, value in base.items())


def written(config, path, **about):
    from foleystage.core.generators.foleygenex_checkpoint import record

    net = FoleyGenEx(config, rng=torch.Generator().manual_seed(0))
    save_file(net.state_dict(), path, {**record(config), **about})
    return path


def test_a_file_says_which_codec_its_network_was_trained_on(tmp_path):
    from foleystage.core.catalog import system_of_file

    figures = {"codec": "dac_vae_codec", "sample_rate": 48000, "samples_per_latent": 960}
    config = config_of(replace(SMALL, latent_dim=128), **figures, order="context first")
    row = system_of_file(written(config, tmp_path / "own.safetensors"))
    assert row.codec == "dac_vae_codec" and row.parts()["codec"].registered == ("dac_vae_hunyuan",)
    assert row.config.latent.rate == 50 and row.config.latent.dim == 128
    assert row.config.order == "context first" and row.sample_rate == 48000


@pytest.mark.parametrize("figures", ["{", "[]", '{"colour": 3}', '{"sample_rate": "48000"}'])
def test_figures_that_cannot_be_read_are_said(tmp_path, figures):
    from foleystage.core.catalog import system_of_file

    path = written(config_of(SMALL), tmp_path / "own.safetensors", figures=figures)
    with pytest.raises(FoleyError, match="figures in their metadata that cannot be read: "):
        system_of_file(path)


def test_a_codec_that_is_not_known_is_named(tmp_path):
    from foleystage.core.catalog import system_of_file

    path = written(config_of(SMALL, codec="encodec"), tmp_path / "own.safetensors")
    with pytest.raises(FoleyError, match="trained on the codec encodec, and known are: foley_mini"):
        system_of_file(path)


@torch.no_grad()
def test_places_count_nothing_at_first_and_then_tell_frames_apart():
    plain = FoleyGenEx(config_of(SMALL), rng=torch.Generator().manual_seed(0)).eval()
    placed = FoleyGenEx(config_of(SMALL, places=3), rng=torch.Generator().manual_seed(0)).eval()
    placed.load_state_dict({**placed.state_dict(), **plain.state_dict()})
    for net in (plain, placed):
        for name, value in net.named_parameters():
            if "adaLN" in name or name.startswith("final_layer"):
                value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    x, t = torch.ones(1, *plain.latent_shape(1.0)), torch.tensor([0.5])
    words = {"text": torch.ones(1, 77, 1024)}
    made = [net(x, t, net.prepare(words, 1.0)) for net in (plain, placed)]
    assert torch.equal(*made)
    out = placed.place_cond.out_proj.weight
    out.copy_(torch.randn(out.shape, generator=torch.Generator().manual_seed(2)))
    assert not torch.allclose(made[0], placed(x, t, placed.prepare(words, 1.0)), atol=1e-3)


def test_places_run_from_one_end_of_a_take_to_the_other():
    waves = place_waves(100, 3)
    assert waves.shape == (100, 3)
    torch.testing.assert_close(waves[:, 0], -waves[:, 0].flip(0))
    torch.testing.assert_close(waves[0], torch.ones(3), atol=2e-3, rtol=0)


def test_a_file_tells_its_places(tmp_path):
    from foleystage.core.catalog import system_of_file

    row = system_of_file(written(config_of(SMALL, places=3), tmp_path / "own.safetensors"))
    assert row.config.places == 3
