"""An artist's defaults are the paper's: untouched widgets make the take of untouched options."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from foleystage.core.errors import FoleyError
from native_helpers import models_in, relative
from small_mdsgen import small_sizes, stand_in, write_mdsgen

EXAMPLE = Path(__file__).resolve().parents[2] / "workflows" / "media" / "example.mp4"
PLAIN_STEPS, PLAIN_SCALE = 25, 3.0  # what the widgets of the first version held


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Small files of every model that is not bundled, where core and the loaders find them."""
    from control_files import with_small_t5, write_control
    from family import OTHERS, write_family, write_generator
    from specmask_files import with_small_clap, write_encoders, write_systems

    folder = tmp_path_factory.mktemp("everything")
    patch = pytest.MonkeyPatch()
    with small_sizes(), models_in(folder):
        with torch.inference_mode(False):
            write_encoders(folder)
            write_systems(folder)
            write_family(folder)
            write_control(folder)
            for name, config in OTHERS.items():
                write_generator(name, folder, config)
        write_mdsgen(folder)
        stand_in(patch, folder)
        with_small_clap(patch)
        with_small_t5(patch)
        yield folder
    patch.undo()


def names() -> list[str]:
    from foleystage.core.catalog import SYSTEMS

    return list(SYSTEMS)


@pytest.fixture
def take(call, clip):
    """A take of the clip by the nodes: `take("ac_foley", cfg=3.0)`; widgets are else untouched."""
    from comfy_api.latest import InputImpl
    from foleystage.core.catalog import SYSTEMS

    def make(name: str, video: Path = clip, **widgets) -> torch.Tensor:
        row = SYSTEMS[name]
        model = call("LoadModel", name=name)[0]
        source, seen = InputImpl.VideoFromFile(str(video)), {}
        if row.video:
            encoder = call("LoadVideoEncoder", name=row.video)[0]
            seen["video"] = call("EncodeVideo", video_encoder=encoder, video=source)[0]
        else:
            seen["seconds"] = float(source.get_duration())
        positive, negative, latent = call("Conditioning", model=model, **seen)
        sides = {"model": model, "positive": positive, "negative": negative}
        made = call("Sampler", **sides, latent=latent, **widgets)[0]
        codec = call("LoadCodec", name=model.model.row.codec)[0]
        return call("Decode", samples=made, codec=codec)[0]["waveform"][0]

    return make


def test_core_and_the_nodes_have_the_same_models():
    from foleystage.core.catalog import SYSTEMS

    assert set(SYSTEMS) == set(names())


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_untouched_widgets_make_the_take_of_untouched_options(everything, take, clip, name):
    from foleystage.core.loading import load_model
    from foleystage.core.pipeline import generate

    video = EXAMPLE if name.endswith("mini") else clip
    core = generate(str(video), load_model(name)).waveforms[0]
    assert float(core.std()) > 5e-3
    assert relative(take(name, video), core) < 1e-3


@pytest.mark.parametrize("name", ["ac_foley_mini", "mdsgen_mini"])
def test_a_short_clip_is_the_same_take_too(everything, take, clip, name):
    from foleystage.core.loading import load_model
    from foleystage.core.pipeline import generate

    assert relative(take(name), generate(str(clip), load_model(name)).waveforms[0]) < 1e-3


@pytest.mark.parametrize("name", ["mdsgen_mini", "mdsgen_b"])
def test_widgets_of_the_first_version_mean_what_they_meant(everything, take, name):
    old = {"steps": PLAIN_STEPS, "cfg": PLAIN_SCALE, "sampler_name": "euler"}
    assert relative(take(name, **old), take(name)) > 1e-2, "Euler and plain guidance, as they say"


def test_the_models_own_is_of_the_model(everything, call):
    from foleystage.core.sampling import Sampling

    expected = {
        "ac_foley_mini": Sampling(scale=3.0, rescale=1.0),
        "mdsgen_mini": Sampling("dpm_solver_2m", 25, "power-cosine", 2.0),
        "mdsgen_b": Sampling("dpm_solver_2m", 25, "power-cosine", 5.0),
        "ac_foley": Sampling("euler", 25, "plain", 4.5),
        "mmaudio_large_44k_v2": Sampling("euler", 25, "plain", 4.5),
        "stable_audio_open": Sampling("dpmpp_3m_sde", 100, "plain", 7.0),
    }
    for name, sampling in expected.items():
        model = call("LoadModel", name=name)[0]
        assert model.model.row.sampling == sampling


def test_a_model_of_pictures_has_none_of_its_own(conds, call):
    class Pictures:
        model = torch.nn.Linear(1, 1)

    sides = {"positive": conds[0], "negative": conds[1], "latent": conds[2]}
    with pytest.raises(FoleyError, match="does not make sound"):
        call("Sampler", model=Pictures(), **sides)
    with pytest.raises(FoleyError, match="does not make sound"):
        call("Guider", model=Pictures(), positive=conds[0], negative=conds[1])


def test_guidance_between_two_times_keeps_the_models_own_preset(everything, take, call):
    from foleystage.nodes.native.guider import guider_of

    model = call("LoadModel", name="mdsgen_mini")[0]
    positive, negative, _ = call("Conditioning", model=model, seconds=5.0)
    half = guider_of(model, positive, negative, -1.0, 0.0, 0.5)
    assert [round(float(w(0.25)), 2) for w in half.weights] == [2.0, -1.0, 0.0]
    assert [float(w(0.75)) for w in half.weights] == [0.0, 0.0, 1.0]
