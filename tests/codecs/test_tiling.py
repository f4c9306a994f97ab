"""Long audio in pieces sounds as in one piece, in memory that does not grow."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.codecs import mel_vae, tiling
from foleystage.core.codecs.hifigan import HiFiGAN, HiFiGANConfig
from small_codecs import random_latent, small_codec
from torch.utils._python_dispatch import TorchDispatchMode

VOCODERS = ["mmaudio-16k", "mmaudio-44k", "audioldm", "specvqgan-22k", "specmaskgit-22k"]
WAVEFORM = ["stable-audio", "dac-vae"]
TOLERANCE = 1e-5


def relative(got, wanted):
    """Error relative to what varies: random networks give a large constant."""
    return float((got - wanted).norm() / (wanted - wanted.mean()).norm())


def network_and_input(name, frames):
    """The network that makes the waveform of a codec, and what it is given."""
    codec = small_codec(name)
    network = codec.vocoder if name in VOCODERS else codec.vae
    channels = codec.config.mel.n_mels if name in VOCODERS else codec.latent_dim
    generator = torch.Generator().manual_seed(0)
    return network, torch.randn(1, channels, frames, generator=generator)


def whole(network, x):
    return network.decode(x) if hasattr(network, "decode") else network(x)


def small_tiles(network, coarse, fine):
    sections = network.sections()
    return [replace(s, tile=t) for s, t in zip(sections, (coarse, fine))]


@torch.no_grad()
@pytest.mark.parametrize("name", VOCODERS + WAVEFORM)
def test_tiles_give_what_one_piece_gives(name):
    # In float64, so that nothing but rounding may differ.
    network, x = network_and_input(name, 40)
    network, x = network.double(), x.double()
    tiled = tiling.through(small_tiles(network, 9, 100), x)
    wanted = whole(network, x)
    assert tiled.shape[-1] <= wanted.shape[-1]  # AudioLDM's vocoder adds a tail
    assert relative(tiled, wanted[..., : tiled.shape[-1]]) < 1e-11


@torch.no_grad()
@pytest.mark.parametrize("name", VOCODERS + WAVEFORM)
def test_without_their_context_tiles_would_differ(name):
    network, x = network_and_input(name, 40)
    bare = [replace(s, context=0) for s in small_tiles(network, 9, 100)]
    tiled = tiling.through(bare, x)
    assert relative(tiled, whole(network, x)[..., : tiled.shape[-1]]) > 100 * TOLERANCE


@pytest.mark.parametrize("name", VOCODERS + WAVEFORM)
def test_no_sample_depends_on_frames_beyond_the_reach(name):
    network, _ = network_and_input(name, 1)
    network = network.double()
    reach = tiling.reach(network.sections())
    middle = reach + 2
    _, x = network_and_input(name, 2 * middle + 1)
    x = x.double().requires_grad_()
    rate = tiling.total_rate(network.sections())
    sound = whole(network, x)[..., middle * rate : (middle + 1) * rate]
    sound.sum().backward()
    seen = x.grad.abs().sum((0, 1)).nonzero()[:, 0]
    assert middle - reach <= seen.min() and seen.max() <= middle + reach


@torch.no_grad()
@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_the_mel_autoencoder_attends_over_all_tiles(side):
    codec = small_codec("mmaudio-44k")
    network = getattr(codec.vae, side)
    channels = codec.config.vae.n_mels if side == "encoder" else codec.config.vae.latent_dim
    x = torch.randn(1, channels, 100 * network.frame, generator=torch.Generator().manual_seed(0))
    assert relative(network(x, tile=17), network(x)) < TOLERANCE


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_the_mel_autoencoder_is_local_but_for_its_attention(side):
    codec = small_codec("mmaudio-44k").double()
    network = getattr(codec.vae, side)
    network.mid.attn_1.proj_out.weight.zero_()
    channels = codec.config.vae.n_mels if side == "encoder" else codec.config.vae.latent_dim
    length, middle = 2 * mel_vae.CONTEXT + 5, mel_vae.CONTEXT + 2
    x = torch.randn(1, channels, length * network.frame, dtype=torch.float64).requires_grad_()
    out = network(x)[..., middle * network.per_frame : (middle + 1) * network.per_frame]
    out.sum().backward()
    seen = x.grad.abs().sum((0, 1)).nonzero()[:, 0] // network.frame
    assert middle - mel_vae.CONTEXT <= seen.min() and seen.max() <= middle + mel_vae.CONTEXT


@torch.no_grad()
@pytest.mark.parametrize("name", WAVEFORM)
def test_waveforms_are_encoded_in_tiles_as_in_one_piece(name):
    codec = small_codec(name)
    wave = torch.randn(1, codec.channels, 40 * codec.samples_per_latent) * 0.1
    wanted = codec.vae.moments(wave)
    codec.encoded_tile = 9
    assert relative(codec.encode(wave), wanted.chunk(2, dim=1)[0].transpose(1, 2)) < TOLERANCE


class LargestTensor(TorchDispatchMode):
    """The most elements any operation's result has, long one-channel waveforms left out."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.ndim == 3 and result.shape[1] > 2:
            self.elements = max(self.elements, result.numel())
        return result


@torch.no_grad()
@pytest.mark.parametrize("name", ["audioldm", "dac-vae"])
def test_activations_do_not_grow_with_the_length(name):
    largest = []
    for frames in (120, 240):
        network, x = network_and_input(name, frames)
        with LargestTensor() as seen:
            tiling.through(small_tiles(network, 20, 400), x)
        largest.append(seen.elements)
    # Tiles are cut as equal as whole numbers allow, so their size differs a little.
    assert largest[1] < largest[0] * 1.2


def test_progress_never_goes_back_and_ends_with_all():
    network, x = network_and_input("audioldm", 50)
    seen = []
    sections = small_tiles(network, 12, 100)
    with torch.no_grad():
        tiling.through(sections, x, progress=lambda done, total: seen.append((done, total)))
    done = [d for d, _ in seen]
    assert done == sorted(done) and len(done) > 5
    assert seen[-1] == (50, 50)


@pytest.mark.parametrize("length", [1, 9, 10, 11, 19, 20, 21, 57, 1000])
def test_crossfaded_windows_of_a_local_network_change_nothing(length):
    x = torch.randn(1, 3, length, generator=torch.Generator().manual_seed(length))
    got = tiling.crossfaded(
        lambda part: part.repeat_interleave(2, dim=2) * 3,
        x,
        window=10,
        overlap=2,
        per_frame=2,
    )
    torch.testing.assert_close(got, x.repeat_interleave(2, dim=2) * 3)


@torch.no_grad()
@pytest.mark.parametrize("name", ["audioldm", "image-vae", "specvqgan-22k"])
def test_pictures_up_to_a_window_are_decoded_in_one_piece(name):
    short, long = small_codec(name, window=8), small_codec(name, window=100)
    latent = random_latent(long, 8)
    assert torch.equal(short.decode(latent), long.decode(latent))


@torch.no_grad()
def test_a_vocoder_with_a_tail_keeps_the_time_of_every_tile():
    # Rate 5 with kernel 16 makes 5 L + 1 frames of L: no tile may be shifted by it.
    config = HiFiGANConfig(8, 16, (5, 2, 2), (16, 4, 4))
    torch.manual_seed(0)
    network = HiFiGAN(config).eval()
    x = torch.randn(1, 8, 60)
    tiled = tiling.through(small_tiles(network, 7, 50), x)
    assert relative(tiled, network(x)[..., : tiled.shape[-1]]) < TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("name", ["audioldm", "specvqgan-22k"])
def test_longer_pictures_are_decoded_window_by_window(name):
    codec, widest = small_codec(name, window=12), 0
    decode = codec.vae.decode

    def watched(latent):
        nonlocal widest
        widest = max(widest, *latent.shape[2:])
        return decode(latent)

    codec.vae.decode = watched
    sound = codec.decode(random_latent(codec, 40))
    assert sound.shape[-1] == 40 * codec.samples_per_latent
    # AudioLDM's other axis has 16 rows.
    assert widest == max(12, 16 if name == "audioldm" else 0)
