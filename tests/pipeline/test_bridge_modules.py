"""One bridge code: two backbones and two encoders by configuration alone, stereo through and
through."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from bridge_files import (
    codec_of,
    found_in,
    lively,
    write_backbone,
    write_bridge,
    write_mini_backbone,
    write_models,
)
from control_files import BACKBONE, BRIDGES
from foleystage.cli import main
from foleystage.core.catalog import system_of_file
from foleystage.core.errors import FoleyError
from foleystage.core.generators.bridge import Bridge, foley_control_mini_bridge
from foleystage.core.generators.foley_control import FoleyControl, bridged
from foleystage.core.generators.stable_audio import stable_audio_mini
from foleystage.core.generators.stable_audio_checkpoint import (
    BRIDGE,
    native_tensors,
    record,
    record_bridge,
)
from foleystage.core.loading import Loading, load_model
from foleystage.core.media import integrated_loudness, probe, read_audio
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.core.weights.files import save

pytest.importorskip("transformers")
QUICK = Request(steps=2, loudness=None, seconds=1.6, prompt="metal hit")
MINI = stable_audio_mini(depth=2)
SIZES = {
    "1.0": {},
    "mini": {"embed_dim": MINI.embed_dim, "num_heads": MINI.num_heads, "depth": MINI.depth},
}
SEEN = {
    "vjepa2_l": {"positions": "index"},
    "mini_video_encoder": {
        "encoder": "mini_video_encoder",
        "stream": "sync",
        "video_dim": 3,
        "video_rate": 50.0,
        "projected": 16,
        "positions": "time",
    },
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = write_models(tmp_path_factory.mktemp("models"))
    write_mini_backbone(folder / "mini.safetensors")
    with found_in(folder, tmp_path_factory.mktemp("none")):
        yield folder


@pytest.fixture(scope="module")
def system(models):
    return load_model("foley_control", loading=Loading(keep=True))


@pytest.mark.parametrize("encoder", SEEN)
@pytest.mark.parametrize("backbone", SIZES)
def test_any_backbone_follows_any_encoder(models, tmp_path, clip, backbone, encoder):
    bridge = write_bridge(tmp_path / "bridge.safetensors", **SIZES[backbone], **SEEN[encoder])
    name = "foley_control" if backbone == "1.0" else "foley_control_mini"
    own = "stable_audio_open.safetensors" if backbone == "1.0" else "mini.safetensors"
    files = {"bridge": bridge, "generator": models / own}
    made = load_model(name, loading=Loading(files))
    assert made.row.video == encoder and made.config.bridge.encoder == encoder
    take = generate(clip, made, QUICK)
    rate = made.sample_rate
    channels = 2 if backbone == "1.0" else 1
    assert take.waveforms.shape == (1, channels, round(1.6 * rate))
    assert take.waveforms.isfinite().all() and take.waveforms.abs().max() > 0
    unseen = generate(None, made, QUICK)
    assert not torch.allclose(take.waveforms, unseen.waveforms, atol=1e-4)
    later = generate(clip, made, replace(QUICK, start=1.2))
    assert not torch.allclose(take.waveforms, later.waveforms, atol=1e-4)


def test_without_a_picture_the_take_is_the_backbones(system):
    alone = load_model("stable_audio_open")
    takes = [generate(None, each, QUICK).waveforms for each in (system, alone)]
    assert torch.equal(*takes)


def test_a_file_of_bridge_and_backbone_is_a_system(models, tmp_path, clip, system):
    """As one trained or merged in one piece."""
    net = lively(FoleyControl(bridged(BACKBONE, BRIDGES)))
    about = {**record(net.config), **record_bridge(net.config.bridge)}
    save(tmp_path / "whole.safetensors", native_tensors(net), about, torch.float32)
    row = system_of_file(tmp_path / "whole.safetensors")
    assert (row.name, row.config) == ("foley_control", net.config)
    parts = {"bridge": tmp_path / "bridge.safetensors", "generator": tmp_path / "sao.safetensors"}
    whole = native_tensors(net)
    for role, own in (("bridge", True), ("generator", False)):
        some = {k: v for k, v in whole.items() if k.startswith(BRIDGE) == own}
        save(parts[role], some, record_bridge(BRIDGES) if own else record(BACKBONE), torch.float32)
    takes = [
        generate(clip, load_model(name, loading=loading), QUICK).waveforms
        for name, loading in (
            (str(tmp_path / "whole.safetensors"), Loading()),
            ("foley_control", Loading(parts)),
        )
    ]
    assert torch.equal(*takes)


def test_a_bridge_alone_is_a_system_of_the_backbone_that_it_is_for(models, tmp_path):
    """Which encoder it follows, its file says."""
    for figures, video in (({}, "mini_video_encoder"), ({"encoder": "vjepa2_l"}, "vjepa2_l")):
        config = foley_control_mini_bridge(**figures)
        state = {f"{BRIDGE}{k}": v for k, v in Bridge(config).state_dict().items()}
        save(tmp_path / "my_bridge.safetensors", state, record_bridge(config))
        row = system_of_file(tmp_path / "my_bridge.safetensors")
        assert (row.name, row.video, row.config.bridge) == ("foley_control_mini", video, config)


def test_a_bridge_of_another_size_or_encoder_is_refused(models, tmp_path):
    deep = write_bridge(tmp_path / "deep.safetensors", depth=3)
    with pytest.raises(FoleyError, match="backbone of 3 blocks, 128 wide, but this one has 2"):
        load_model("foley_control", loading=Loading({"bridge": deep}))
    with pytest.raises(FoleyError, match="backbone of 3 blocks, 128 wide, but this one has 2"):
        load_model(str(deep))
    other = write_bridge(tmp_path / "other.safetensors", encoder="eyes")
    with pytest.raises(FoleyError, match="was trained on the video encoder eyes, and known are"):
        load_model("foley_control", loading=Loading({"bridge": other}))
    backbone = write_backbone(tmp_path / "backbone.safetensors", replace(BACKBONE, depth=1))
    with pytest.raises(FoleyError, match="but this one has 1 blocks, 128 wide: use it with the"):
        load_model("foley_control", loading=Loading({"generator": backbone}))


def test_takes_are_stereo_and_each_is_its_own(system, clip):
    three = generate(clip, system, replace(QUICK, takes=3, seed=4))
    assert three.waveforms.shape == (3, 2, 70560) and len(three.loudness) == 3
    left, right = three.waveforms.unbind(1)
    assert ((left - right).flatten(1).norm(dim=1) > 0.1 * left.flatten(1).norm(dim=1)).all()
    one = generate(clip, system, replace(QUICK, takes=1, seed=4))
    # Rounding grows in a codec of random weights.
    missed = (one.waveforms[0] - three.waveforms[0]).norm(dim=1) / one.waveforms[0].norm(dim=1)
    assert (missed < 0.01).all()
    assert not torch.allclose(three.waveforms[0], three.waveforms[1], atol=1e-3)


def test_channels_are_those_that_the_codec_decodes(system, models, clip, monkeypatch):
    latents = []
    decode = type(system).decode
    monkeypatch.setattr(
        type(system), "decode", lambda self, x: latents.append(x) or decode(self, x)
    )
    take = generate(clip, system, replace(QUICK, loudness=-30.0)).waveforms[0]
    with torch.inference_mode():
        sound = codec_of(models / "stable_audio_open.safetensors").decode(latents[0])[0, :, :70560]
    gains = (take * sound).sum(1) / sound.square().sum(1)
    torch.testing.assert_close(gains[0], gains[1])  # both channels at the one level
    torch.testing.assert_close(take, gains[0] * sound, atol=1e-4, rtol=1e-3)
    assert integrated_loudness(take, 44100) == pytest.approx(-30.0, abs=0.1)


def test_a_stereo_sound_is_edited_in_stereo(system, clip):
    """What is made anew differs between the channels, what stays is as it was."""
    sound = 0.2 * torch.randn(2, 70560, generator=torch.Generator().manual_seed(0))
    asked = replace(QUICK, context=(sound, 44100), edit=(0.5, 1.0))
    made = generate(clip, system, asked).waveforms[0]
    inside = slice(round(0.55 * 44100), round(0.95 * 44100))
    assert torch.equal(made[:, :22050], sound[:, :22050])
    left, right = made[:, inside]
    assert torch.corrcoef(torch.stack((left, right)))[0, 1].abs() < 0.9


def test_the_command_line_writes_stereo(models, clip, tmp_path):
    asked = ["generate", str(clip), "--model", "foley_control", "--steps", "2", "--seconds", "1.6"]
    asked += ["--prompt", "metal hit", "--takes", "2", "--device", "cpu"]
    picture = tmp_path / "take.png"
    assert main([*asked, "-o", str(tmp_path / "take.wav"), "--plot", str(picture)]) == 0
    assert main([*asked, "-o", str(tmp_path / "take.mp4")]) == 0
    drawn = sorted(tmp_path.glob("*.png"))
    assert len(drawn) == 2 and all(p.read_bytes().startswith(b"\x89PNG") for p in drawn)
    for number in (1, 2):
        plain, rate = read_audio(tmp_path / f"take_{number}.wav")
        assert plain.shape == (2, 70560) and rate == 44100
        assert (plain[0] - plain[1]).norm() > 0.1 * plain[0].norm()
        film = tmp_path / f"take_{number}.mp4"
        muxed, _ = read_audio(film, sample_rate=44100)
        assert muxed.shape[0] == 2 and probe(film).seconds == pytest.approx(4.0, abs=0.1)
        near = (muxed[:, :70560] - plain).norm(dim=1) / plain.norm(dim=1)
        swapped = (muxed[:, :70560] - plain.flip(0)).norm(dim=1) / plain.norm(dim=1)
        assert (near < 0.75 * swapped).all()  # what AAC makes of noise
