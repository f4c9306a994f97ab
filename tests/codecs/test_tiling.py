"""Long audio in pieces sounds as in one piece, in memory that does not grow."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.codecs import mel, mel_vae, tiling, whole_norms
from foleystage.core.codecs.hifigan import HiFiGAN, HiFiGANConfig
from foleystage.core.codecs.kl_vae import Decoder, Encoder
from foleystage.core.codecs.mel import DIFF_FOLEY_MEL, sound_of_mel
from foleystage.core.errors import Cancelled
from small_codecs import random_latent, small_codec
from torch.utils._python_dispatch import TorchDispatchMode

VOCODERS = ["mmaudio-16k", "mmaudio-44k", "audioldm", "specvqgan-22k", "specmaskgit-22k"]
WAVEFORM = ["stable-audio", "dac-vae"]
PICTURES = ["audioldm", "image-vae", "specvqgan-22k"]
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
    reached = x.grad.abs().sum((0, 1)).nonzero()[:, 0]
    assert middle - reach <= reached.min() and reached.max() <= middle + reach


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
    reached = x.grad.abs().sum((0, 1)).nonzero()[:, 0] // network.frame
    assert middle - mel_vae.CONTEXT <= reached.min()
    assert reached.max() <= middle + mel_vae.CONTEXT


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
        with LargestTensor() as made:
            tiling.through(small_tiles(network, 20, 400), x)
        largest.append(made.elements)
    # Tiles are cut as equal as whole numbers allow, so their size differs a little.
    assert largest[1] < largest[0] * 1.2


def test_progress_never_goes_back_and_ends_with_all():
    network, x = network_and_input("audioldm", 50)
    steps = []
    sections = small_tiles(network, 12, 100)
    with torch.no_grad():
        tiling.through(sections, x, progress=lambda done, total: steps.append((done, total)))
    done = [d for d, _ in steps]
    assert done == sorted(done) and len(done) > 5
    assert steps[-1] == (50, 50)


@torch.no_grad()
@pytest.mark.parametrize("name", PICTURES)
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


def autoencoder_and_input(name, side):
    """A codec's 2-D autoencoder in float64, a long picture or latent of it, its time axis."""
    codec = small_codec(name)
    config = codec.config.vae
    if side == "decoder":
        shape = (2, config.latent_channels, 2, 24)
    else:
        shape = (2, config.picture_channels, 2 * config.factor, 24 * config.factor)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return codec.vae.double(), x.transpose(3, codec.axis), codec.axis


def shifted_norms(vae):
    """Norms with weights of their own, as trained ones have; all 1 and 0 hide mistakes."""
    generator = torch.Generator().manual_seed(1)
    for module in vae.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.weight.add_(torch.randn(module.weight.shape, generator=generator) * 0.3)
            module.bias.add_(torch.randn(module.bias.shape, generator=generator) * 0.3)
    return vae


@torch.no_grad()
@pytest.mark.parametrize("tile", [7, 16])
@pytest.mark.parametrize("name", PICTURES)
def test_tiles_of_a_picture_give_what_one_piece_gives(name, tile):
    vae, latent, axis = autoencoder_and_input(name, "decoder")
    shifted_norms(vae)
    wanted = vae.decode(latent)
    assert relative(vae.decode(latent, tile=tile, axis=axis), wanted) < 1e-11


@torch.no_grad()
@pytest.mark.parametrize("name", PICTURES)
def test_tiles_with_norms_of_their_own_would_differ(name, monkeypatch):
    vae, latent, axis = autoencoder_and_input(name, "decoder")
    wanted = vae.decode(latent)
    monkeypatch.setattr(whole_norms.SharedNorms, "__call__", lambda self, norm, x: norm(x))
    assert relative(vae.decode(latent, tile=7, axis=axis), wanted) > 0.01


@torch.no_grad()
@pytest.mark.parametrize("tile", [5, 16])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_encoded_in_tiles_as_in_one_piece(name, tile):
    vae, picture, axis = autoencoder_and_input(name, "encoder")
    wanted = shifted_norms(vae).moments(picture)
    assert relative(vae.moments(picture, tile=tile, axis=axis), wanted) < 1e-11


@torch.no_grad()
@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("without", ["norms of the whole", "context"])
def test_pictures_encoded_in_plain_tiles_would_differ(name, without, monkeypatch):
    vae, picture, axis = autoencoder_and_input(name, "encoder")
    wanted = vae.moments(picture)
    if without == "context":
        monkeypatch.setattr(Encoder, "fine_reach", 0)
    else:
        monkeypatch.setattr(whole_norms.SharedNorms, "__call__", lambda self, norm, x: norm(x))
    assert relative(vae.moments(picture, tile=5, axis=axis), wanted) > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("name", PICTURES)
def test_long_sounds_are_encoded_in_tiles_as_in_one_piece(name, monkeypatch):
    small, whole = (small_codec(name, window=window) for window in (8, 100))
    sound = torch.randn(1, 1, 16 * small.samples_per_latent) * 0.1
    sizes, axis = [], small.axis
    fine = Encoder.fine
    monkeypatch.setattr(
        Encoder,
        "fine",
        lambda self, x, *norm: sizes.append(x.shape[axis]) or fine(self, x, *norm),
    )
    got = small.encode(sound)
    most = 2 + 2 * small.vae.encoder.fine_reach
    assert max(sizes) <= most * small.config.vae.factor
    wanted = whole.encode(sound)
    if small.token_codes is None:
        assert relative(got, wanted) < 1e-4
    else:
        assert torch.equal(got, wanted)


@torch.no_grad()
def test_pictures_in_bfloat16_are_decoded_in_tiles_too():
    vae, latent, axis = autoencoder_and_input("image-vae", "decoder")
    wanted = vae.decode(latent)
    got = vae.bfloat16().decode(latent.bfloat16(), tile=7, axis=axis)
    assert got.dtype == torch.bfloat16 and relative(got.double(), wanted) < 0.05


@torch.no_grad()
@pytest.mark.parametrize("name", PICTURES)
def test_long_pictures_are_decoded_in_tiles_as_in_one_piece(name, monkeypatch):
    # Without a vocoder the image codec's sound is an iteration that lets rounding grow.
    vocoder = HiFiGANConfig(128, 16, (8, 8, 2, 2), (16, 16, 4, 4))
    options = {"vocoder": vocoder} if name == "image-vae" else {}
    small, whole = (small_codec(name, window=window, **options) for window in (12, 100))
    widest = []
    fine = Decoder.fine
    monkeypatch.setattr(
        Decoder, "fine", lambda self, x, *norm: widest.append(x.shape) or fine(self, x, *norm)
    )
    latent = random_latent(small, 24)
    tiled = small.decode(latent)
    axis = small.axis
    assert max(shape[axis] for shape in widest) <= 3 + 2 * small.vae.decoder.fine_reach < 24
    assert relative(tiled, whole.decode(latent)) < 1e-4


def test_the_work_on_a_long_picture_can_be_stopped():
    codec = small_codec("audioldm", window=16)

    def stop(done, total):
        raise Cancelled()

    with torch.no_grad(), pytest.raises(Cancelled):
        codec.vae.decode(torch.randn(1, 8, 40, 16), tile=8, axis=2, progress=stop)


@pytest.fixture
def few_rounds(monkeypatch):
    monkeypatch.setattr(mel, "GRIFFIN_LIM_STEPS", 5)
    monkeypatch.setattr(mel, "INVERSION_STEPS", 20)


def test_long_sounds_of_griffin_and_lim_are_made_in_pieces_as_in_one(few_rounds):
    # In float64: the iteration lets rounding grow.
    unit = torch.rand(1, 128, 151, generator=torch.Generator().manual_seed(0)).double()
    steps = []
    pieces = sound_of_mel(
        unit, DIFF_FOLEY_MEL, None, tile=40, progress=lambda *step: steps.append(step)
    )
    whole = sound_of_mel(unit, DIFF_FOLEY_MEL, None)
    assert pieces.shape == (1, 151 * 256) and relative(pieces, whole) < 1e-9
    assert len(steps) == 4 and steps[-1] == (151, 151)


def test_pieces_of_griffin_and_lim_without_context_would_differ(few_rounds):
    unit = torch.rand(1, 128, 100, generator=torch.Generator().manual_seed(0)).double()
    whole = sound_of_mel(unit, DIFF_FOLEY_MEL, None)
    parts = [sound_of_mel(part, DIFF_FOLEY_MEL, None) for part in unit.split(50, dim=2)]
    assert relative(torch.cat(parts, 1), whole) > 0.1
