"""A system by its name or from a file: its row, its codec, and which files fit its parts."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import replace

import pytest
import torch
from control_files import write_control
from family import CONFIGS, OTHERS, write_generator, write_part
from foleystage.core.catalog import CODECS, SYSTEMS
from foleystage.core.errors import FoleyError
from foleystage.core.generators import MDSGen, mdsgen_config
from foleystage.core.generators.foley_control import FoleyControl
from foleystage.core.generators.mdsgen_mini import MDSGenMini, mdsgen_mini
from foleystage.core.generators.stable_audio import STABLE_AUDIO_OPEN, StableAudio
from foleystage.core.generators.stable_audio_checkpoint import BRIDGE, native_tensors
from foleystage.core.loading import Loading, load_model
from foleystage.core.weights.families import Family
from foleystage.core.weights.minis import mini_path
from safetensors.torch import save_file
from specmask_files import write_systems

# A mini of one's own, smaller than the bundled one.
FIGURES = {"depth": 3, "hidden_dim": 32, "num_heads": 2}


def write_hollow(path, tensors) -> None:
    """A file of keys and shapes whose numbers are a hole that takes no room."""
    header, offset = {}, 0
    for key, value in tensors.items():
        end = offset + 2 * value.numel()
        header[key] = {"dtype": "F16", "shape": list(value.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(file.tell() + offset)


def write_mdsgen(path, config, kind=MDSGen, about=None):
    """Shapes alone: the weights are zeros."""
    tensors = {
        key: torch.zeros(value.shape, dtype=torch.float16)
        for key, value in kind(config, device="meta").state_dict().items()
    }
    save_file(tensors, path, about)
    return path


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A folder with a file for every role of every system, under the name of the registry."""
    folder = tmp_path_factory.mktemp("everything")
    for system in SYSTEMS.values():
        for role, family in system.families.items():
            if isinstance(system.files[role], str):
                write_part(folder, system.files[role], family)
    for name, config in CONFIGS.items():
        write_generator(name, folder, config)
    for name, config in OTHERS.items():
        write_generator(name, folder, config)
    write_systems(folder)
    write_control(folder)
    plain = replace(mdsgen_config("b"), side_block=False)
    write_mdsgen(folder / "mdsgen_b.safetensors", plain)
    return folder


@pytest.fixture
def own(everything, tmp_path, monkeypatch):
    """Writes a generator's file of one's own; returns its path."""
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(everything))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(kind: str):
        path = tmp_path / "mine.safetensors"
        if kind in CONFIGS:
            return write_generator(kind, tmp_path).rename(tmp_path / "mine.pth")
        if kind == "ac_foley_mini":
            path.write_bytes(mini_path("ac_foley_mini").read_bytes())
        elif kind == "mdsgen_mini":
            config = mdsgen_mini(**FIGURES, side_block=False)
            about = {"family": "mdsgen", "figures": json.dumps(FIGURES)}
            write_mdsgen(path, config, MDSGenMini, about)
        else:
            size, _, codec = kind.removeprefix("mdsgen_").partition(" on ")
            config = mdsgen_config(size, codec or "audioldm")
            write_mdsgen(path, replace(config, side_block=False))
        return path

    return write


@pytest.mark.parametrize(
    ("kind", "row", "codec", "rate"),
    [
        ("ac_foley", "ac_foley", "mmaudio_codec_44k", 44100),
        ("mmaudio_small_16k", "mmaudio_small_16k", "mmaudio_codec_16k", 16000),
        ("mmaudio_large_44k", "mmaudio_small_44k", "mmaudio_codec_44k", 44100),
        ("mmaudio_large_44k_v2", "mmaudio_small_44k", "mmaudio_codec_44k", 44100),
        ("ac_foley_mini", "ac_foley_mini", "foley_mini_codec", 32000),
        ("mdsgen_mini", "mdsgen_mini", "mel_picture_codec", 32000),
        ("mdsgen_b", "mdsgen_b", "audioldm_codec", 16000),
        ("mdsgen_t", "mdsgen_b", "audioldm_codec", 16000),
        ("mdsgen_t on image-vae", "mdsgen_b", "image_vae_codec", 16000),
    ],
)
def test_a_file_finds_its_row_its_codec_and_its_name(own, everything, kind, row, codec, rate):
    path = own(kind)
    write_part(everything, "diff_foley_ldm", Family("image_vae"))
    system = load_model(str(path))
    assert system.name == path.stem == "mine"
    assert (system.row.name, system.row.codec, system.sample_rate) == (row, codec, rate)
    assert system.config.latent.codec == codec
    with system.store.using("generator") as network:
        assert network.config == system.config


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_published_file_of_a_system_finds_its_row(own, everything, tmp_path, monkeypatch, name):
    row, path = SYSTEMS[name], tmp_path / "theirs.safetensors"
    if row.bundled:
        path.write_bytes(mini_path(name).read_bytes())
    else:
        network = row.generator.build(device="meta")
        tensors = network.state_dict()
        if isinstance(network, FoleyControl):
            tensors = {k: v for k, v in tensors.items() if k.startswith(BRIDGE)}
            stored = native_tensors(StableAudio(STABLE_AUDIO_OPEN, device="meta"))
            write_hollow(tmp_path / "stable_audio_open.safetensors", stored)
            monkeypatch.setenv("FOLEYSTAGE_MODELS", f"{tmp_path}{os.pathsep}{everything}")
        elif isinstance(network, StableAudio):
            tensors = native_tensors(network)
        write_hollow(path, tensors)
    system = load_model(str(path))
    assert system.name == "theirs"
    assert (system.row.name, system.row.codec) == (name, row.codec)
    for fact in ("latent", "streams", "trained_seconds", "reference_samples"):
        assert getattr(system.config, fact) == getattr(row.config, fact)
    with pytest.raises(
        FoleyError, match=r"There is no part 'nose'; name one of: (bridge, )?generator, "
    ):
        load_model(str(path), loading=Loading({"nose": path}))


def test_a_file_of_no_generator_is_refused(own, everything):
    with pytest.raises(FoleyError, match="holds no generator that is known here; choose another"):
        load_model(str(everything / "dfn5b_clip.safetensors"))


def test_a_name_that_is_neither_is_refused_with_those_there_are():
    with pytest.raises(FoleyError, match="no model 'nonsense'; choose one of: ac_foley_mini, "):
        load_model("nonsense")


ROLES = [(name, role) for name, row in SYSTEMS.items() for role in row.files]


@pytest.mark.parametrize(("name", "role"), ROLES, ids=lambda value: value)
def test_a_file_of_another_family_is_refused_with_the_right_one(
    everything, tmp_path, monkeypatch, name, role
):
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(everything))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_model(name)
    if role in SYSTEMS[name].generator.files:
        other = "mdsgen_b" if "mdsgen" not in name else "ac_foley"
        (wrong,) = everything.glob(f"{other}.*")
        says = rf"not of {SYSTEMS[name].generator.checkpoint.title}: choose the model {other} "
    else:
        wrong, says = write_part(tmp_path, "wrong", Family("oobleck")), "is oobleck, not"
        with pytest.raises(FoleyError, match=rf"use {SYSTEMS[name].files[role]} instead"):
            load_model(name, loading=Loading({role: wrong}))
    with pytest.raises(FoleyError, match=says):
        load_model(name, loading=Loading({role: wrong}))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_file_of_nothing_that_is_known_is_refused(everything, tmp_path, monkeypatch, name):
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(everything))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    save_file({"anchor": torch.zeros(1)}, tmp_path / "noise.safetensors")
    for role in SYSTEMS[name].files:
        with pytest.raises(FoleyError, match="noise.safetensors (is something else|holds no gen)"):
            load_model(name, loading=Loading({role: tmp_path / "noise.safetensors"}))


def test_every_codec_decodes_what_its_systems_make():
    for system in SYSTEMS.values():
        assert system.codec in CODECS
        assert system.codec == system.config.latent.codec
