"""SpecMaskFoley and SpecMaskGIT from their files to the sound, at a reduced size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from family import seeded
from foleystage.core.errors import FoleyError
from foleystage.core.loading import Loading, load_model
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from specmask_files import with_small_clap, write_encoders, write_systems

pytest.importorskip("transformers")
QUICK = Request(steps=2, loudness=None)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Every file of both systems, by its name in the registry."""
    folder = tmp_path_factory.mktemp("specmask")
    write_encoders(folder)
    write_systems(folder)
    return folder


@pytest.fixture
def system(found, monkeypatch, tmp_path):
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(found))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with_small_clap(monkeypatch)
    return load_model


def test_a_take_of_picture_and_words(system, clip):
    model = system("specmaskfoley")
    both = generate(clip, model, replace(QUICK, prompt="metal hit"))
    words = generate(None, model, replace(QUICK, prompt="metal hit"))
    assert both.waveforms.shape == (1, 1, round(both.seconds * 22050))
    assert words.seconds == pytest.approx(9.845, abs=1e-3)
    assert both.waveforms.isfinite().all() and words.waveforms.isfinite().all()


def test_a_sound_says_what_words_would(system, clip, caplog):
    model = system("specmaskfoley")
    sound = (torch.randn(2, 30000, generator=seeded(2)) / 9, 44100)
    stream = model.encode_reference(sound)["clap"]
    assert stream.shape == (1, 1, 8)
    with model.store.using("text") as clap:
        torch.testing.assert_close(stream[:, 0], clap.encode_audio(*sound), atol=1e-4, rtol=1e-3)
    led = generate(clip, model, replace(QUICK, reference=sound))
    alone = generate(clip, model, QUICK)
    assert not torch.equal(led.waveforms, alone.waveforms)
    with pytest.raises(FoleyError, match="in the place of words: leave the prompt or the ref"):
        generate(clip, model, replace(QUICK, reference=sound, prompt="dog"))


def test_the_backbone_alone_is_a_system_of_words_or_of_a_sound(system, clip):
    model = system("specmaskgit")
    sound = (torch.randn(2, 30000, generator=seeded(2)) / 9, 44100)
    assert set(model.row.tasks) == {"tta", "extend", "edit"}
    made = [
        generate(None, model, replace(QUICK, **given))
        for given in ({"prompt": "dog"}, {"prompt": "metal hit"}, {"reference": sound})
    ]
    assert not torch.equal(made[0].waveforms, made[1].waveforms)
    assert made[2].seconds == pytest.approx(9.845, abs=1e-3)
    asked = replace(QUICK, context=sound, known=(0, 0.5), prompt="dog", seconds=2.0)
    goes_on = generate(None, model, asked)
    assert torch.equal(goes_on.waveforms[0][:, :22050], sound[0][:, :22050])
    with pytest.raises(FoleyError, match="specmaskgit does not do vta"):
        generate(clip, model, replace(QUICK, task="vta"))


def test_tokens_of_the_public_codec_are_not_its_own(found, system):
    """SpecVQGAN's codebook is of another mel."""
    model = load_model("specmaskgit")
    files = {"vae": found / "public.safetensors"}
    with pytest.raises(FoleyError, match="specvqgan, not .*hifigan mel"):
        load_model(model.name, loading=Loading(files))
