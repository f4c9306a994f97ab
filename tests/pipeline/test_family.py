"""AC-Foley and MMAudio from their files to the sound, at a reduced size."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace

import pytest
import torch
from family import CONFIGS, seeded, tone, write_generator
from foleystage.core.catalog import SYSTEMS, system_of_file
from foleystage.core.codecs import load_codec
from foleystage.core.encoders.base import pixels
from foleystage.core.encoders.clip import MEAN, STD, DFN5BClip
from foleystage.core.encoders.synchformer import SynchformerVisual
from foleystage.core.errors import FoleyError
from foleystage.core.loading import Loading, load_model, load_network
from foleystage.core.media import ImageFrames, limit, read_frames, resample
from foleystage.core.pipeline import generate
from foleystage.core.recognition import detect
from foleystage.core.request import Request
from foleystage.core.resolve import encode
from recording import Recording

SECONDS = 0.72
QUICK = Request(seconds=SECONDS, steps=2, loudness=None)


def network(path):
    return load_network(system_of_file(path).generator, path)


@torch.no_grad()
def test_a_take_is_what_the_parts_make_by_hand(found, clip, ac_foley):
    sound, rate = torch.randn(2, 100_000, generator=seeded(1)) * 0.1, 48000
    request = replace(
        QUICK, prompt="Metal hit", negative="music", reference=(sound, rate), seed=5, steps=3
    )
    takes = generate(clip, ac_foley, request)

    clip_tower = DFN5BClip.load(found / "dfn5b_clip.safetensors")
    sync_tower = SynchformerVisual.load(found / "synchformer_state_dict.pth")
    frames = read_frames(clip, ac_foley.video_encoder.requests, seconds=SECONDS)
    pictures = pixels(frames["clip"][:5], torch.float32, MEAN, STD)
    motion = pixels(frames["sync"][:16], torch.float32, [0.5] * 3, [0.5] * 3)
    codec = load_codec(
        "mmaudio-44k",
        {
            "vae": found / "mmaudio_vae_44k.safetensors",
            "vocoder": found / "bigvgan_44k.safetensors",
        },
    )
    mono = sound.mean(0, keepdim=True)
    window = resample(mono / mono.abs().max() * 0.95, rate, 44100)[None, :, :89088]
    net = network(found / "ac_foley.pth")
    streams = {
        "clip": clip_tower.encode_images(pictures)[None],
        "sync": sync_tower.encode_segments(motion[None]),
        "text": clip_tower.encode_text(["metal hit"]),
        "audio": codec.sample(window, seeded()),
    }
    positive = net.prepare(streams, SECONDS)
    negative = net.prepare({"text": clip_tower.encode_text(["music"])}, SECONDS)
    x = torch.randn(1, *net.latent_shape(SECONDS), generator=seeded(5))
    for step in range(3):
        t = torch.tensor([step / 3])
        x = x + (4.5 * net(x, t, positive) - 3.5 * net(x, t, negative)) / 3
    by_hand = codec.decode(x * net.latent_std + net.latent_mean)[0]
    by_hand = limit(by_hand[:, : round(SECONDS * 44100)], 44100)
    error = (takes.waveforms[0] - by_hand).norm() / by_hand.norm()
    assert takes.waveforms[0].shape == by_hand.shape and error < 1e-3


@pytest.mark.parametrize("name", list(CONFIGS))
def test_every_model_makes_finite_sound_at_its_rate(found, clip, name):
    model = load_model(name)
    takes = generate(clip, model, replace(QUICK, prompt="rain", steps=1))
    assert takes.sample_rate == (16000 if "16k" in name else 44100)
    assert takes.waveforms.shape == (1, 1, round(SECONDS * takes.sample_rate))
    assert bool(torch.isfinite(takes.waveforms).all())


def test_figures_are_read_off_the_weights(found):
    for name, config in CONFIGS.items():
        read = load_model(name).config
        assert replace(read, mlp_ratio=4.0, mlp_multiple=256) == config


def test_parts_are_freed_before_the_next_is_loaded(clip, ac_foley):
    ac_foley.store = store = Recording(ac_foley.store)
    request = replace(QUICK, prompt="rain", negative="music", steps=1, reference=tone(1))
    generate(clip, ac_foley, request)
    # CLIP is read by halves, and the codec once more without its encoder.
    assert store.roles == ["codec", "sync", "clip", "text", "generator", "decoder"]
    assert store.alive_before == [0] * 6


def test_kept_parts_are_loaded_once(found, clip):
    model = load_model("ac_foley", loading=Loading(keep=True))
    model.store = store = Recording(model.store)
    for seed in (0, 1):
        generate(clip, model, replace(QUICK, seed=seed, steps=1, reference=tone(1)))
    assert store.roles == ["codec", "sync", "clip", "generator", "decoder"] + [
        "codec",
        "generator",
        "decoder",
    ]
    # All are still there when the last is used, the codec for both of its roles.
    assert store.alive_before[-1] == 4


def waveform(source, model, **changes) -> torch.Tensor:
    return generate(source, model, replace(QUICK, **{"steps": 1, **changes})).waveforms


def test_every_stream_can_be_left_out_and_counts(clip, ac_foley):
    whole = waveform(clip, ac_foley, prompt="rain", reference=tone(1))
    for changes in (
        {"prompt": "rain"},
        {"reference": tone(1)},
        {"prompt": "rain", "reference": tone(1), "ignore_look": True},
        {"prompt": "rain", "reference": tone(1), "negative": "music"},
    ):
        assert not torch.allclose(waveform(clip, ac_foley, **changes), whole, atol=1e-4)
    assert waveform(None, ac_foley, prompt="rain").shape == whole.shape


def test_a_picture_is_one_frame_that_is_held(ac_foley):
    image = torch.rand(1, 40, 60, 3, generator=seeded())
    takes = waveform(ImageFrames(image, 25.0), ac_foley)
    video = encode(ImageFrames(image, 25.0), ac_foley, QUICK)
    assert set(video.streams) == {"clip"} and video.streams["clip"].shape[1] == 5
    assert torch.equal(video.streams["clip"][0, 0], video.streams["clip"][0, 4])
    assert takes.shape[-1] == round(SECONDS * 44100)


def test_a_clip_shorter_than_a_window_of_the_sync_encoder_is_held(ac_foley):
    frames = torch.rand(9, 40, 60, 3, generator=seeded())
    takes = generate(ImageFrames(frames, 30.0), ac_foley, replace(QUICK, seconds=None, steps=1))
    assert takes.seconds == pytest.approx(0.3)
    assert takes.waveforms.shape[-1] == round(0.3 * 44100)


@pytest.mark.slow
def test_a_take_of_40_s_is_made(ac_foley):
    frames = torch.rand(40, 8, 8, 3, generator=seeded())
    takes = generate(ImageFrames(frames, 1.0), ac_foley, replace(QUICK, seconds=None, steps=1))
    assert takes.waveforms.shape[-1] == 40 * 44100


def test_mmaudio_takes_no_reference(found, clip):
    model = load_model("mmaudio_large_44k")
    with pytest.raises(FoleyError, match="takes no reference"):
        generate(clip, model, replace(QUICK, reference=tone(1)))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ac_foley.pth", "ac_foley"),
        ("dfn5b_clip.safetensors", "dfn5b_clip"),
        ("synchformer_state_dict.pth", "synchformer"),
        ("mmaudio_vae_44k.safetensors", "mmaudio_vae_44k"),
        ("bigvgan_44k.safetensors", "bigvgan_44k"),
    ],
)
def test_a_missing_file_is_named_with_its_download(family, tmp_path, monkeypatch, file, name):
    folder = tmp_path / "models"
    folder.mkdir()
    for path in family.iterdir():
        if path.name != file:
            (folder / path.name).symlink_to(path)
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(FoleyError, match=f"run `.*foleystage download {name}`"):
        load_model("ac_foley")


def test_several_missing_files_are_named_at_once(found, tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(tmp_path))
    with pytest.raises(FoleyError, match="5 of the 5 .*download mmaudio_small_16k .*bigvgan_16k`"):
        load_model("mmaudio_small_16k")
    given = Loading(files={"clip": found / "dfn5b_clip.safetensors"})
    with pytest.raises(FoleyError, match="download ac_foley synchformer mmaudio_vae_44k bigvgan"):
        load_model("ac_foley", loading=given)


@pytest.mark.parametrize(
    ("model", "part", "file", "says"),
    [
        ("ac_foley", "generator", "mmaudio_large_44k.pth", "MMAudio, not of AC-Foley"),
        ("mmaudio_large_44k", "generator", "ac_foley.pth", "choose the model ac_foley"),
        ("ac_foley", "vae", "mmaudio_vae_16k.safetensors", "use mmaudio_vae_44k"),
        ("mmaudio_small_16k", "vae", "mmaudio_vae_44k.safetensors", "use mmaudio_vae_16k"),
        ("ac_foley", "vocoder", "bigvgan_16k.safetensors", "use bigvgan_44k"),
        ("ac_foley", "clip", "synchformer_state_dict.pth", "use dfn5b_clip"),
        ("ac_foley", "nonsense", "ac_foley.pth", "no part 'nonsense'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_one_that_does(found, model, part, file, says):
    with pytest.raises(FoleyError, match=says):
        load_model(model, loading=Loading(files={part: found / file}))


def test_a_file_of_ones_own_is_a_model(found, tmp_path, clip):
    path = shutil.copy(found / "ac_foley.pth", tmp_path / "mine.pth")
    model = load_model(str(path))
    assert model.name == "mine" and model.config.reference_samples == 89088
    assert waveform(clip, model).shape[-1] == round(SECONDS * 44100)


def test_published_first_release_is_read_one_level_down(found, tmp_path):
    path = write_generator("ac_foley", tmp_path)
    torch.save({"weights": torch.load(path, weights_only=True), "it": 3}, path)
    assert str(detect(path)) == "ac_foley"
    assert network(path).config.reference_samples == 89088


@torch.no_grad()
def velocity(loading: Loading, device: str = "cpu") -> torch.Tensor:
    model = load_model("ac_foley", device, loading)
    with model.store.using("generator") as net:
        like = next(net.parameters())
        prepared = net.prepare({"clip": torch.ones(1, 8, 24).to(like)}, 1.0)
        noise = torch.randn(1, *net.latent_shape(1.0), generator=seeded())
        return net(noise.to(like.dtype), torch.tensor([0.3]), prepared).float()


@pytest.mark.parametrize(("precision", "bound"), [("bfloat16", 2e-2), ("fp8", 0.12)])
def test_narrow_types_stay_near_float32(found, precision, bound):
    exact = velocity(Loading(precision="float32"))
    narrow = velocity(Loading(precision=precision))
    assert 0 < (narrow - exact).norm() / exact.norm() < bound


def test_fp8_is_the_weights_alone_and_a_quarter_of_float32(found):
    model = load_model("ac_foley", loading=Loading(precision="fp8"))
    with model.store.using("generator") as net:
        stored = sum(v.numel() * v.element_size() for v in net.state_dict().values())
        count = sum(v.numel() for v in net.state_dict().values())
        assert stored < 1.2 * count
        assert net.t_embed.mlp[0].weight.dtype == torch.float8_e4m3fn
        assert net.sync_pos_emb.dtype in (torch.bfloat16, torch.float32)


def test_float16_is_refused_on_a_cpu(found):
    with pytest.raises(FoleyError, match="bfloat16 or float32"):
        load_model("ac_foley", loading=Loading(precision="float16"))


def test_the_bundled_model_takes_no_precision():
    with pytest.raises(FoleyError, match="float32"):
        load_model("ac_foley_mini", loading=Loading(precision="bfloat16"))


def test_out_of_memory_falls_back_and_says_so(clip, ac_foley, monkeypatch, caplog):
    from foleystage.core.codecs.mel_vae import MelVAE
    from foleystage.core.generators import MMAudio

    plain = waveform(clip, ac_foley)
    forward, decode, failed = MMAudio.forward, MelVAE.decode, []

    def small_batches(self, x, t, prepared):
        if len(x) > 1:
            raise torch.cuda.OutOfMemoryError("no room")
        return forward(self, x, t, prepared)

    def second_time(self, latent, **options):
        if not failed:
            failed.append(True)
            raise torch.cuda.OutOfMemoryError("no room")
        return decode(self, latent, **options)

    monkeypatch.setattr(MMAudio, "forward", small_batches)
    monkeypatch.setattr(MelVAE, "decode", second_time)
    with caplog.at_level(logging.WARNING):
        again = waveform(clip, ac_foley)
    assert "one prediction at a time" in caplog.text and "smaller tiles" in caplog.text
    assert (again - plain).norm() / plain.norm() < 1e-3


def test_a_take_that_never_fits_is_one_sentence(clip, ac_foley, monkeypatch):
    from foleystage.core.generators import MMAudio

    def full(self, x, t, prepared):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(MMAudio, "forward", full)
    with pytest.raises(FoleyError, match="ac_foley ran out of memory on cpu; make fewer takes"):
        waveform(clip, ac_foley)


@pytest.mark.slow
@torch.no_grad()
def test_a_compiled_network_takes_changing_lengths(found):
    torch._dynamo.reset()
    plain = network(found / "ac_foley.pth")
    compiled = network(found / "ac_foley.pth")
    compiled.compile(dynamic=True, backend="aot_eager")

    def compare(seconds: float) -> None:
        prepared = plain.prepare({}, seconds)
        x = torch.randn(1, *plain.latent_shape(seconds), generator=seeded())
        t = torch.tensor([0.4])
        got, wanted = compiled(x, t, prepared), plain(x, t, prepared)
        torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)

    for seconds in (2.0, 2.6):
        compare(seconds)
    # Another length is no other graph (torch itself parts those of 80 frames and less).
    with torch._dynamo.config.patch(error_on_recompile=True):
        for seconds in (2.3, 3.1, 4.0):
            compare(seconds)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="compiling needs a C++ compiler")
def test_compiled_takes_of_changing_lengths_are_those_of_the_plain_network(found, clip):
    torch._dynamo.reset()
    plain, compiled = (load_model("ac_foley", loading=Loading(compile=c)) for c in (False, True))
    for seconds in (2.0, 2.6):
        a, b = (
            waveform(None, model, seconds=seconds, prompt="rain") for model in (plain, compiled)
        )
        assert a.shape == b.shape and (a - b).norm() / a.norm() < 1e-3


def test_every_public_model_is_listed_with_its_files():
    names = {"ac_foley", "mmaudio_small_16k", "mmaudio_small_44k", "mmaudio_medium_44k"}
    names |= {"mmaudio_large_44k", "mmaudio_large_44k_v2"}
    assert names <= set(SYSTEMS)
    for name in names:
        files = list(SYSTEMS[name].files.values())
        assert files[0] == name and len(files) == 5


@pytest.mark.slow
def test_the_family_is_evaluated_by_both_protocols(found, tmp_path, capsys):
    from foleystage.cli import main

    arguments = ["--clips", "2", "--steps", "1", "--seconds", "1", "--out", str(tmp_path)]
    assert main(["evaluate", "ac_foley", *arguments]) == 0
    assert sorted(p.name for p in tmp_path.glob("*.json")) == [
        "ac_foley_reference_hard.json",
        "ac_foley_timbre_hard.json",
    ]
    assert main(["evaluate", "mmaudio_large_44k", *arguments]) == 2
    assert "takes no reference sound" in capsys.readouterr().err
