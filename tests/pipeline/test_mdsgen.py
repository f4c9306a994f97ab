"""MDSGen from a video to the sound with small nets: long clips, its limits, how it is loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from family import write_part
from foleystage.core import loading
from foleystage.core.catalog import SYSTEMS
from foleystage.core.encoders.cavp import CavpVideo
from foleystage.core.errors import FoleyError
from foleystage.core.generators import Conditions, MDSGen, Prepared, mdsgen_config
from foleystage.core.generators.packed import PackedMLP, can_pack
from foleystage.core.loading import Loading, load_model
from foleystage.core.media import ImageFrames
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.core.resolve import encode
from foleystage.core.sampling import schedule
from foleystage.core.stores import Resident
from foleystage.core.system import System
from foleystage.core.weights.quantize import Fp8Linear
from safetensors.torch import save_file
from torch import nn

FPS = 4.0
SHADE = 0.8
QUICK = Request(steps=4, loudness=None)


class Brightness(CavpVideo):
    """Of a frame its mean brightness, at every place of the vector."""

    def __init__(self):
        nn.Module.__init__(self)
        self.anchor = nn.Parameter(torch.ones(()))

    def window_bytes(self, frames):
        return frames

    def encode_batch(self, frames):
        return (frames.float() / 255).mean((2, 3, 4))[..., None].expand(-1, -1, 512) * self.anchor


class Oracle(MDSGen):
    """Knows the noise in x of data that is as bright as the video at every moment."""

    def prepare(self, conditions, seconds=None, *, lengths=None, batch=None):
        if not conditions:
            return Prepared({"video": torch.zeros(batch, self.config.frames, 1)})
        moments = ((torch.arange(self.config.frames) + 0.5) / self.config.latent.rate * FPS).long()
        features = self.features(self.given_stream(conditions))
        return Prepared({"video": features[:, moments.clamp_max(31), :1]})

    def forward(self, x, t, prepared):
        alpha, sigma = schedule.alpha_sigma((float(t[0]) + 1) / 1000)
        return (x - alpha * prepared.batched["video"]) / sigma


class Levels(nn.Module):
    """A latent's mean as the sound."""

    def decode(self, latent):
        return latent.mean(2).repeat_interleave(640, dim=1)[:, None] * 4.0


def tiny_config():
    return replace(mdsgen_config("b"), depth=2, decode_layer=1, hidden_dim=16, num_heads=2)


def random_network():
    net = MDSGen(replace(tiny_config(), side_block=False), rng=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for value in net.parameters():
            value.add_(torch.randn(value.shape, generator=torch.Generator().manual_seed(1)) * 0.05)
    return net.eval()


def made(network=random_network, encoder=Brightness) -> System:
    """MDSGen-B's row with small parts."""
    row = SYSTEMS["mdsgen_b"]
    row = replace(row, generator=replace(row.generator, config=tiny_config()))
    loaders = {"generator": network, "cavp": encoder, "codec": Levels}
    return System("mdsgen_b", row, Resident(loaders, "cpu"))


def film(seconds, flashes):
    """Dark frames, bright ones at some places."""
    images = torch.zeros(round(seconds * FPS), 8, 8, 3)
    images[list(flashes)] = SHADE
    return ImageFrames(images, FPS)


def oracle():
    # Packing is for weights that are used.
    return Oracle(replace(tiny_config(), side_block=False), rng=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("seconds", [8.0, 8.25, 12.0, 21.0, 45.5])
def test_every_moment_of_a_long_clip_sounds_once_and_at_its_level(seconds):
    flashes = range(1, round(seconds * FPS), 3)
    takes = generate(film(seconds, flashes), made(oracle), replace(QUICK, cfg=1.0))
    sound = takes.waveforms[0, 0]
    assert len(sound) == round(seconds * 16000)
    quarters = sound.unflatten(0, (-1, 4000))
    expected = torch.zeros(len(quarters))
    expected[list(flashes)] = SHADE
    # Latent frames are 40 ms long: the ends of a quarter belong to its neighbours. A window's last
    # 0.16 s have no frame of their own, but also little weight.
    assert torch.allclose(quarters[:, 640:-640].mean(1), expected, atol=0.03)


def test_a_long_clip_with_random_nets_gives_a_whole_sound():
    takes = generate(film(20.0, range(0, 80, 5)), made(), replace(QUICK, steps=2))
    assert takes.waveforms.shape == (1, 1, 320000)
    assert bool(torch.isfinite(takes.waveforms).all())
    # The level of a random net is even, so a joint would be seen as a step.
    level = takes.waveforms[0, 0].unflatten(0, (20, -1)).square().mean(1).sqrt()
    assert float(level.max() / level.min()) < 2.0


def test_one_pass_makes_the_one_length_and_says_what_it_leaves_out(caplog):
    film_of_12 = film(12.0, [])
    video = encode(film_of_12, made(), Request(timing="published"))
    assert video.seconds == video.padded == 8.16
    assert "8.16 s in one pass, so the sound ends there, 3.84 s before" in caplog.text
    # As published, 33 frames are encoded, of which the network takes 32.
    assert video.streams["cavp"].shape[1] == 33
    assert encode(film_of_12, made(), Request()).padded == 12.16


def test_a_flash_is_in_the_frame_that_the_published_extraction_takes():
    images = torch.zeros(100, 8, 8, 3)
    images[46] = SHADE  # of 25 a second: ffmpeg's fps=4 takes it for 1.75 s
    stream = encode(ImageFrames(images, 25.0), made(), Request()).streams["cavp"]
    assert stream[0, :, 0].argmax() == 7
    assert float(stream[0, 7, 0]) == pytest.approx(SHADE, abs=0.01)


def test_an_encoder_that_gives_no_numbers_is_one_sentence():
    class Broken(Brightness):
        def encode_batch(self, frames):
            return super().encode_batch(frames) / 0.0 * 0.0

    with pytest.raises(FoleyError, match="infinite or undefined"):
        generate(film(2.0, [1]), made(encoder=Broken), QUICK)


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"steps": 0}, "steps must be a whole number, 1"),
        ({"cfg": 1e6}, "guidance scale must be 0 to 100"),
        ({"cfg": float("nan")}, "guidance scale must be 0 to 100"),
    ],
)
def test_figures_that_make_no_take_are_one_sentence(figures, sentence):
    with pytest.raises(FoleyError, match=sentence):
        generate(film(2.0, [1]), made(), replace(QUICK, **figures))


def test_no_guidance_at_all_gives_a_sound():
    sound = generate(film(2.0, [1]), made(), replace(QUICK, cfg=0.0)).waveforms
    assert bool(torch.isfinite(sound).all()) and float(sound.abs().max()) > 0


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    """MDSGen-T with random weights, and files that say they are the other parts."""
    folder = tmp_path_factory.mktemp("mdsgen")
    with torch.inference_mode(False):
        net = MDSGen(mdsgen_config("t"), rng=torch.Generator().manual_seed(0))
        save_file(net.state_dict(), folder / "generator.safetensors")
    for role, family in SYSTEMS["mdsgen_b"].families.items():
        write_part(folder, role, family)
    return {path.stem: path for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("least", "precision", "kind"),
    [
        (0, "float32", PackedMLP),
        (0, "fp8", Fp8Linear),
        # Packing gains nothing for so small a network.
        (loading.LEAST_PACKED, "float32", nn.Linear),
    ],
)
def test_the_network_is_packed_or_quantized_as_asked(
    small_file, monkeypatch, least, precision, kind
):
    monkeypatch.setattr(loading, "LEAST_PACKED", least)
    if kind is PackedMLP and not can_pack(torch.float32, "cpu"):
        kind = nn.Linear
    system = load_model("mdsgen_b", loading=Loading(small_file, precision))
    with system.store.using("generator") as network:
        mlp = network.blocks[0].mlp
        assert isinstance(mlp if kind is PackedMLP else mlp.fc1, kind)
    streams = {"cavp": torch.ones(1, 32, 512)}
    latent = system.sample(Conditions(streams, 8.16), steps=1, seed=0)
    assert bool(torch.isfinite(latent).all())
