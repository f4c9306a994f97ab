"""MDSGen computes the published numbers, at any size and on both grids."""

from __future__ import annotations

from dataclasses import replace

import case as golden
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import Conditions, MDSGen, mdsgen_config
from foleystage.core.generators.packed import MDSGEN_KINDS, can_pack, pack
from foleystage.core.sampling import Guided, Windows, power_cosine, sample
from foleystage.core.training.masking import kept_groups

PAPER_MILLIONS = {"t": 8.39, "s": 32.92, "b": 130.43, "l": 458.18}


def small(codec="audioldm", **figures):
    config = replace(
        mdsgen_config("t", codec), depth=3, decode_layer=1, hidden_dim=16, num_heads=2, **figures
    )
    return MDSGen(config, rng=torch.Generator().manual_seed(1)).eval()


def woken(net):
    """Weights away from the zeros that training starts from."""
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in net.parameters():
            value.add_(torch.randn(value.shape, generator=rng) * 0.05)
    return net


def features(count=32, width=512, batch=1):
    rng = torch.Generator().manual_seed(3)
    return torch.nn.functional.normalize(torch.randn(batch, count, width, generator=rng), dim=-1)


def network(case):
    figures = case.config
    config = replace(
        mdsgen_config("b"),
        depth=figures["depth"],
        hidden_dim=figures["hidden_size"],
        num_heads=figures["num_heads"],
        decode_layer=figures["decode_layer"],
    )
    net = MDSGen(config)
    net.load_state_dict(case.state_dict())
    return net.eval()


@pytest.fixture(
    scope="module", params=["mdsgen_tiny", pytest.param("mdsgen_b2", marks=pytest.mark.slow)]
)
def opened(request):
    case = golden.load(request.param)
    return case, network(case)


@torch.no_grad()
@pytest.mark.parametrize("output", ["cond_t500", "uncond_t500"])
def test_noise_and_variance_match(opened, output):
    case, net = opened
    given = {"cavp": case.input("video")} if output == "cond_t500" else {}
    x = net.frames_of(case.input("x"))
    result = net.predict(x, torch.tensor([500.0]), net.prepare(given, batch=1))
    assert case.error(output, result) < case.tolerance


@torch.no_grad()
@pytest.mark.parametrize(
    ("output", "t"), [("cfg_t999", 999), ("cfg_t479_52", 479.52), ("cfg_t0", 0)]
)
def test_guided_noise_matches(opened, output, t):
    case, net = opened
    given = Conditions({"cavp": case.input("video")}, net.config.trained_seconds)
    guided = Guided(net, given, power_cosine(5.0))
    noise = guided(net.frames_of(case.input("x")), float(t))
    wanted = case.tensors[output].reshape(1, 16, 204, 16)[:, :8]
    error = (net.picture_of(noise) - wanted).norm() / wanted.norm()
    assert float(error) < case.tolerance


@torch.no_grad()
def test_masked_forward_matches():
    case = golden.load("mdsgen_tiny")
    net = network(case)
    groups = torch.arange(816).view(102, 8)
    kept = kept_groups(groups, case.tensors["mask_noise"], 0.3)
    x = net.frames_of(case.input("x"))
    prepared = net.prepare({"cavp": case.input("video")})
    result = net.predict(x, torch.tensor([500.0]), prepared, kept=kept)
    assert case.error("train_masked", result) < case.tolerance


def test_full_size_has_the_public_keys_and_shapes():
    case = golden.load("mdsgen_b2_full")
    net = MDSGen(mdsgen_config("b"), device="meta")
    assert {k: list(v.shape) for k, v in net.state_dict().items()} == case.shapes()
    assert sum(v.numel() for v in net.parameters()) == case.info["parameters"]


@pytest.mark.parametrize("size", PAPER_MILLIONS)
def test_parameter_counts_are_those_of_the_paper(size):
    config = replace(mdsgen_config(size, "image-vae"), side_block=False)
    count = sum(v.numel() for v in MDSGen(config, device="meta").parameters())
    assert count / 1e6 == pytest.approx(PAPER_MILLIONS[size], rel=0.01)


@pytest.mark.parametrize("codec", ["audioldm", "image-vae"])
def test_picture_and_frames_are_inverse(codec):
    net = small(codec)
    latent = torch.randn(2, net.config.frames, net.config.latent.dim)
    picture = net.picture_of(latent)
    assert picture.shape[1:] == (net.config.channels, *net.config.picture)
    assert torch.equal(net.frames_of(picture), latent)


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["learned", "average", "attention", "none"])
@pytest.mark.parametrize("codec", ["audioldm", "image-vae"])
def test_the_video_enters_every_pooling(codec, pooling):
    net = woken(small(codec, pooling=pooling))
    x = torch.randn(2, net.config.frames, net.config.latent.dim)
    conditional = net(x, torch.tensor(500.0), net.prepare({"cavp": features(batch=2)}))
    null = net(x, torch.tensor(500.0), net.prepare({}, batch=2))
    assert conditional.shape == x.shape
    assert float((conditional - null).norm() / null.norm()) > 1e-3


@torch.no_grad()
def test_full_features_enter_at_their_time():
    net = woken(small("image-vae", pooling="none"))
    one, other = features(), features()
    other[:, 20:] = 0.0
    first, second = (net.prepare({"cavp": v}).batched["video"] for v in (one, other))
    assert torch.equal(first[:, :19], second[:, :19])
    assert not torch.equal(first[:, 20:], second[:, 20:])


@torch.no_grad()
def test_terms_of_a_take_share_one_bias_table():
    net = small()
    first, second = net.prepare({"cavp": features()}), net.prepare({}, batch=1)
    assert first.shared["bias"] is second.shared["bias"]
    net.blocks[0].attn.rel_pos_bias.relative_position_bias_table.add_(1.0)
    assert net.prepare({}).shared["bias"] is not first.shared["bias"]


@torch.no_grad()
@pytest.mark.parametrize(
    ("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)], ids=["float32", "bfloat16"]
)
def test_a_packed_network_gives_the_same_noise(dtype, close):
    if not can_pack(dtype, "cpu"):
        pytest.skip("this machine packs nothing of that type")
    net = woken(small()).to(dtype)
    given = {"cavp": features(batch=2).to(dtype)}
    x = torch.randn(2, 204, 128, generator=torch.Generator().manual_seed(4))
    expected = net(x, torch.tensor(500.0), net.prepare(given)).float()
    made = pack(net, MDSGEN_KINDS)(x, torch.tensor(500.0), net.prepare(given)).float()
    assert float((made - expected).norm() / expected.norm()) < close


@torch.no_grad()
def test_bias_is_that_of_the_distance():
    net = woken(small())
    bias = net.blocks[0].attn.rel_pos_bias
    table, (height, width) = bias.relative_position_bias_table, bias.grid
    for i, j in [(0, 0), (5, 100), (815, 0), (17, 640)]:
        row = (i // width - j // width + height - 1) * (2 * width - 1) + i % width - j % width
        assert torch.equal(bias()[:, i, j], table[row + width - 1])


def test_gradients_reach_bias_reducer_and_mask_token():
    net = woken(small("image-vae")).train()
    x = torch.randn(2, 64, 64)
    kept = kept_groups(torch.arange(256).view(8, 32).T, torch.rand(2, 32), 0.3)
    out = net.predict(x, torch.tensor(3.0), net.prepare({"cavp": features(batch=2)}), kept=kept)
    out.square().mean().backward()
    assert all(v.grad is not None and float(v.grad.abs().max()) > 0 for v in net.parameters())


@torch.no_grad()
@pytest.mark.parametrize("codec", ["audioldm", "image-vae"])
def test_long_takes_are_joined_from_windows(codec):
    net = woken(small(codec))
    seconds = net.config.round_up_seconds(19.0)
    count = int(seconds * 4)
    windows = Windows()
    spans = windows.cut(net.config, seconds)
    assert all(stop - start == pytest.approx(net.config.trained_seconds) for start, stop in spans)
    given = Conditions({"cavp": features(count)}, seconds)
    latent = sample(net, given, power_cosine(3.0), steps=2, seed=0, windows=windows)
    assert latent.shape == (1, net.config.lengths(seconds)["latent"], net.config.latent.dim)


@torch.no_grad()
def test_a_window_reads_the_features_of_its_own_time():
    net, every = small(), features(80)
    part = net.window({"cavp": every}, 20.16, 3.0, 11.16)
    assert part.span == slice(75, 279)
    assert torch.equal(part.streams["cavp"], every[:, 12:44])


@torch.no_grad()
def test_features_between_two_frames_are_blended():
    net, every = small("image-vae"), features(80)
    part = net.window({"cavp": every}, 20.48, 1.024, 9.216).streams["cavp"]
    assert torch.allclose(part[:, 0], torch.lerp(every[:, 4], every[:, 5], 0.096), atol=1e-5)


@torch.no_grad()
def test_short_clips_are_repeated():
    net, few = small(), features(20)
    whole = torch.cat((few, few), dim=1)[:, :32]
    prepared = [net.prepare({"cavp": v}).batched["video"] for v in (few, whole)]
    assert torch.equal(*prepared)


BAD = {
    "too many": (features(60), "windows"),
    "too wide": (features(32, 500), "500 channels, but this model needs 512"),
    "none at all": (features(0), "encoder it was trained with"),
    "not a number": (features() * float("nan"), "not numbers"),
    "flat": (features()[0], "shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_features_are_refused(name):
    value, sentence = BAD[name]
    with pytest.raises(FoleyError, match=sentence):
        small().prepare({"cavp": value})


def test_a_take_beyond_the_limit_is_refused():
    with pytest.raises(FoleyError, match="8.16 s"):
        small().prepare({}, 12.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_length_that_is_none_is_refused(seconds):
    with pytest.raises(FoleyError, match="longer than 0"):
        small().config.round_up_seconds(seconds)


def test_a_latent_of_the_other_codec_is_refused():
    net = small("image-vae")
    with pytest.raises(FoleyError, match="image_vae_codec"):
        net(torch.zeros(1, 204, 128), torch.tensor(0.0), net.prepare({}))


def test_zero_steps_are_refused():
    with pytest.raises(FoleyError, match="at least 1 step"):
        sample(small(), Conditions({}, 8.16), steps=0, seed=0)


@pytest.mark.parametrize("scale", [0.0, 1e6])
def test_extreme_guidance_gives_numbers_or_one_sentence(scale):
    net = woken(small())
    try:
        given = Conditions({"cavp": features()}, 8.16)
        latent = sample(net, given, power_cosine(scale), steps=3, seed=0)
    except FoleyError as error:
        assert "guidance" in str(error)
    else:
        assert torch.isfinite(latent).all()


def test_an_unknown_size_is_refused():
    with pytest.raises(FoleyError, match="sizes are t, s, b and l"):
        mdsgen_config("xl")


def test_the_mini_expects_its_stream_at_the_encoder_s_rate():
    from foleystage.core.encoders import foley_mini
    from foleystage.core.generators import mdsgen_mini

    assert mdsgen_mini.BIN_RATE == foley_mini.BIN_RATE
