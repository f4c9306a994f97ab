"""What every public codec promises: lengths, shapes, batches, errors, cancelling."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.codecs.public import CODECS, load_codec
from foleystage.core.errors import Cancelled, FoleyError
from safetensors.torch import save_file
from small_codecs import MAKERS, random_latent, small_codec

NAMES = sorted(MAKERS)
GAUSSIAN = [name for name in NAMES if not name.startswith("spec")]


def noise(codec, samples, batch=1, channels=None):
    generator = torch.Generator().manual_seed(samples)
    return torch.randn(batch, channels or codec.channels, samples, generator=generator) * 0.1


def test_every_public_codec_has_a_small_one():
    assert CODECS.keys() == MAKERS.keys()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_encode_gives_a_frame_for_every_started_stretch_of_samples(name, extra):
    codec = small_codec(name)
    samples = 2 * codec.samples_per_latent + extra
    latent = codec.encode(noise(codec, samples))
    assert latent.shape == (1, -(-samples // codec.samples_per_latent), codec.latent_dim)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frames", [1, 3])
def test_decode_gives_whole_frames_of_finite_float32_sound(name, frames):
    codec = small_codec(name)
    sound = codec.decode(random_latent(codec, frames))
    assert sound.shape == (1, codec.channels, frames * codec.samples_per_latent)
    assert sound.dtype == torch.float32
    assert sound.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_items_of_a_batch_do_not_touch_each_other(name):
    codec = small_codec(name)
    latent = random_latent(codec, 2, batch=2)
    both = codec.decode(latent)
    torch.testing.assert_close(both[:1], codec.decode(latent[:1]), rtol=1e-4, atol=1e-5)
    waves = noise(codec, 2 * codec.samples_per_latent, batch=2)
    torch.testing.assert_close(
        codec.encode(waves)[1:], codec.encode(waves[1:]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_decoding_twice_gives_the_same_sound(name):
    codec = small_codec(name)
    latent = random_latent(codec, 2)
    assert torch.equal(codec.decode(latent), codec.decode(latent))


@pytest.mark.parametrize("name", NAMES)
def test_stereo_and_mono_are_brought_to_the_codecs_channels(name):
    codec = small_codec(name)
    mono = noise(codec, codec.samples_per_latent, channels=1)
    stereo = mono.expand(-1, 2, -1)
    torch.testing.assert_close(codec.encode(mono), codec.encode(stereo))


@pytest.mark.parametrize("name", GAUSSIAN)
def test_sample_is_mean_and_deviation_with_noise_of_the_generator(name):
    codec = small_codec(name)
    wave = noise(codec, codec.samples_per_latent)
    mean, deviation = codec.posterior(wave)
    drawn = torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    sample = codec.sample(wave, torch.Generator().manual_seed(3))
    torch.testing.assert_close(sample, mean + deviation * drawn)
    assert torch.equal(codec.encode(wave), mean)


@pytest.mark.parametrize("name", NAMES)
def test_silence_stays_finite(name):
    codec = small_codec(name)
    latent = codec.encode(torch.zeros(1, codec.channels, codec.samples_per_latent))
    assert latent.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_wrong_shapes_are_named(name):
    codec = small_codec(name)
    with pytest.raises(FoleyError, match=str(codec.latent_dim)):
        codec.decode(random_latent(codec, 2)[..., :-1])
    with pytest.raises(FoleyError, match="channels, samples"):
        codec.encode(torch.zeros(100))
    with pytest.raises(FoleyError, match="channels, samples"):
        codec.encode(torch.zeros(1, 1, 0))


@pytest.mark.parametrize("name", NAMES)
def test_progress_can_cancel(name):
    def cancel(done, total):
        raise Cancelled("stop")

    codec = small_codec(name)
    with pytest.raises(Cancelled):
        codec.decode(random_latent(codec, 2), progress=cancel)


@pytest.mark.parametrize("name", GAUSSIAN)
def test_a_latent_that_is_not_finite_is_refused_after_decoding(name):
    codec = small_codec(name)
    latent = random_latent(codec, 2)
    latent[0, 1] = torch.nan
    with pytest.raises(FoleyError, match="invalid"):
        codec.decode(latent)


def test_a_codec_of_tokens_says_that_it_has_no_posterior():
    codec = small_codec("specvqgan-22k")
    with pytest.raises(FoleyError, match="gives tokens"):
        codec.posterior(noise(codec, codec.samples_per_latent))


@pytest.mark.parametrize(
    ("name", "shape"), [("audioldm", (1, 8, 3, 16)), ("image-vae", (1, 4, 16, 3))]
)
def test_audioldms_autoencoder_has_time_first_and_the_image_one_has_it_last(name, shape):
    codec = small_codec(name)
    shapes, decode = [], codec.vae.decode
    codec.vae.decode = lambda rows, **tiles: shapes.append(rows.shape) or decode(rows, **tiles)
    codec.decode(random_latent(codec, 3))
    assert shapes == [shape]


def test_tokens_out_of_the_codebook_are_refused():
    codec = small_codec("specvqgan-22k")
    with pytest.raises(FoleyError, match="0 to 63"):
        codec.decode(torch.full((1, 2, 5), 64))
    with pytest.raises(FoleyError, match="whole numbers"):
        codec.decode(torch.zeros(1, 2, 5))


@pytest.mark.parametrize("name", NAMES)
def test_a_codec_for_decoding_only_decodes_alike_and_refuses_to_encode(name):
    codec = small_codec(name)
    smaller = MAKERS[name](decode_only=True)
    smaller.load_state_dict(
        {k: v for k, v in codec.state_dict().items() if k in smaller.state_dict()}
    )
    smaller.eval()
    assert len(smaller.state_dict()) < len(codec.state_dict())
    latent = random_latent(codec, 2)
    assert torch.equal(smaller.decode(latent), codec.decode(latent))
    with pytest.raises(FoleyError, match="decoding only"):
        smaller.encode(torch.zeros(1, 1, 100))


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_weights_give_nearly_the_same_sound(name):
    codec = small_codec(name)
    latent = random_latent(codec, 2)
    exact = codec.decode(latent)
    rough = codec.to(torch.bfloat16).decode(latent)
    assert rough.dtype == torch.float32
    if name != "image-vae":  # Griffin-Lim amplifies any difference
        assert (rough - exact).norm() < 0.2 * exact.norm() + 1e-3


@pytest.fixture
def saved(tmp_path):
    """Writes the parts of SpecVQGAN's codec, without its encoder, as files of zeros."""
    with torch.device("meta"):
        shapes = CODECS["specvqgan-22k"](decode_only=True)

    def save(without=()):
        files = {}
        for part in shapes.parts:
            state = getattr(shapes, part).state_dict()
            tensors = {k: torch.zeros(v.shape, dtype=torch.float16) for k, v in state.items()}
            tensors["loss.discriminator.weight"] = torch.zeros(4)
            files[part] = tmp_path / f"{part}.safetensors"
            save_file({k: v for k, v in tensors.items() if k not in without}, files[part])
        return files

    return save


def test_loading_fills_every_weight_and_reads_only_the_codec_of_a_whole_system(saved):
    codec = load_codec("specvqgan-22k", saved(), decode_only=True)
    assert not any(v.is_meta for v in codec.state_dict().values())
    assert {p.dtype for p in codec.parameters()} == {torch.float32}
    assert not codec.training


def test_loading_names_what_is_missing(saved):
    files = saved(without=("decoder.conv_in.bias",))
    with pytest.raises(FoleyError, match=r"decoder\.conv_in\.bias"):
        load_codec("specvqgan-22k", files, decode_only=True)
    with pytest.raises(FoleyError, match="needs the weights of its vae"):
        load_codec("specvqgan-22k", {}, decode_only=True)
    with pytest.raises(FoleyError, match="no codec named"):
        load_codec("mp3", {})
