"""What is known of a take stays, and what is made goes on from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import L44, Conditions, MMAudio
from foleystage.core.generators.mdsgen_mini import MDSGenMini, mdsgen_mini
from foleystage.core.sampling import Known, Noise, sample

SECONDS = 2.0


@pytest.fixture(scope="module")
def flow():
    config = replace(
        L44, hidden_dim=32, num_heads=2, depth=2, fused_depth=1, mlp_multiple=16, latent_dim=6
    )
    net = MMAudio(config, rng=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        net.final_layer.conv.weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(1))
        net.latent_mean.fill_(0.5)
        net.latent_std.fill_(2.0)
    return net


@pytest.fixture(scope="module")
def made(flow):
    length, _ = flow.latent_shape(SECONDS)
    latent = torch.randn(1, length, 6, generator=torch.Generator().manual_seed(2))
    frames = torch.arange(length) < length // 2
    return latent, frames


def run(net, **options):
    return sample(net, Conditions({}, SECONDS), seed=0, steps=4, **options)


def states(net, **options):
    """The states of a run, in the network's space, and their flow times."""
    seen = []

    def edit(x, t):
        seen.append((x.clone(), t))
        return x

    return run(net, edit=edit, **options), seen


@pytest.mark.parametrize("kept", ["steps", "end"])
def test_what_is_known_comes_back_to_the_bit(flow, made, kept):
    latent, frames = made
    for takes in (1, 2):
        sampled = run(flow, known=Known(latent, frames, kept), takes=takes)
        assert torch.equal(sampled[:, frames], latent[:, frames].expand(takes, -1, -1))
        assert not torch.allclose(sampled[:, ~frames], latent[:, ~frames].expand(takes, -1, -1))


def test_inpainting_puts_it_back_as_noisy_as_the_rest(flow, made):
    latent, frames = made
    noise = torch.randn(1, len(frames), 6, generator=torch.Generator().manual_seed(3))
    seen = []
    sample(
        flow,
        Conditions({}, SECONDS),
        noise=noise,
        steps=4,
        known=Known(latent, frames),
        edit=lambda x, t: (seen.append((x.clone(), t)), x)[1],
    )
    data = flow.normalize(latent)
    assert [t for _, t in seen] == [0.0, 0.25, 0.5, 0.75, 1.0]
    for x, t in seen:
        assert torch.allclose(x[:, frames], (t * data + (1 - t) * noise)[:, frames], atol=1e-6)


def test_at_the_end_alone_it_is_left_to_the_flow(flow, made):
    latent, frames = made
    plain, free = states(flow)
    kept, seen = states(flow, known=Known(latent, frames, "end"))
    for (x, _), (y, _) in zip(free, seen, strict=True):
        assert torch.equal(x, y)
    assert torch.equal(kept[:, ~frames], plain[:, ~frames])
    assert torch.equal(run(flow, known=Known(latent, frames, "never")), plain)


def test_it_is_added_to_the_noise_where_it_is_known(flow, made):
    latent, frames = made
    (_, free), (_, seen) = states(flow), states(flow, known=Known(latent, frames, "never", True))
    difference = seen[0][0] - free[0][0]
    assert torch.allclose(difference[:, frames], flow.normalize(latent)[:, frames], atol=1e-6)
    assert not difference[:, ~frames].any()


def test_the_flow_leads_from_its_inversion_back_to_the_sound(flow, made):
    latent, frames = made
    nothing = torch.zeros_like(frames)
    errors = []
    for steps in (16, 128):
        again = sample(
            flow,
            Conditions({}, SECONDS),
            seed=0,
            steps=steps,
            known=Known(latent, nothing, "never", inverted="throughout"),
        )
        errors.append(float((again - latent).abs().max()))
    # First order: an eighth of the step makes an eighth of the error.
    assert errors[1] < errors[0] / 5 and errors[1] < 0.1 * float(latent.abs().max())


def test_around_the_window_the_noise_is_inverted_and_inside_it_is_new(flow, made):
    latent, frames = made
    (_, free), (_, around), (_, whole) = (
        states(flow, known=Known(latent, frames, "never", inverted=how))
        for how in ("", "around", "throughout")
    )
    assert torch.equal(around[0][0][:, ~frames], free[0][0][:, ~frames])
    assert torch.equal(around[0][0][:, frames], whole[0][0][:, frames])
    assert not torch.allclose(whole[0][0], free[0][0])


def test_diffusion_keeps_it_too_and_is_not_inverted():
    config = mdsgen_mini()
    net = MDSGenMini(config).eval()
    length, width = net.latent_shape(5.12)
    latent = torch.randn(1, length, width)
    frames = torch.arange(length) < 60
    conditions = Conditions({"sync": torch.zeros(1, 256, 3)}, 5.12)
    made = sample(net, conditions, seed=0, steps=3, known=Known(latent, frames))
    assert torch.equal(made[:, frames], latent[:, frames])
    with pytest.raises(FoleyError, match="Only flow models can be inverted"):
        sample(net, conditions, seed=0, steps=3, known=Known(latent, frames, inverted="around"))


def test_what_does_not_fit_is_refused(flow, made):
    latent, frames = made
    with pytest.raises(FoleyError, match="The known latent has the shape"):
        run(flow, known=Known(latent[:, 1:], frames))
    with pytest.raises(FoleyError, match="5 frames are said to be known or not"):
        run(flow, known=Known(latent, frames[:5]))


def test_a_noise_without_what_is_known_is_left_as_it_is(made):
    latent, frames = made
    noise = Noise(torch.randn(2, *latent.shape[1:]))
    begun = Known(latent, frames).begin(noise, latent, lambda data: data)
    assert torch.equal(begun.first, noise.first)
