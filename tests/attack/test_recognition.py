"""What a file is follows from names and ranks: whatever its shapes are, it is known or is not."""

from __future__ import annotations

import json

import pytest
from foleystage.core.catalog import SYSTEMS
from foleystage.core.errors import FoleyError
from foleystage.core.generators import S16, MMAudio
from foleystage.core.generators.figures import KEY
from foleystage.core.generators.foley_control import FoleyControl, foley_control_mini
from foleystage.core.generators.mdsgen_checkpoint import MDSGEN_CHECKPOINT
from foleystage.core.generators.mdsgen_mini import MDSGenMini, mdsgen_mini
from foleystage.core.generators.stable_audio_checkpoint import native_tensors
from foleystage.core.loading import load_model
from foleystage.core.parts import read_checkpoint
from foleystage.core.recognition import detect, detect_shapes
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.load import read_shapes, read_weights
from foleystage.core.weights.minis import mini_path
from known import MINIS, keys_that_matter, known
from safetensors.torch import save_file


def every_key(name, changes):
    """Each key that may be read, with each of some changes of its shape, one after another."""
    shapes, about = known(name)
    for key in keys_that_matter(shapes):
        for change in changes:
            yield {**shapes, key: change(shapes[key])}, about


@pytest.mark.parametrize("name", MINIS)
def test_each_key_with_fewer_axes_more_or_empty_ones(name):
    changes = (lambda s: (), lambda s: s[:-1], lambda s: (*s, 1), lambda s: (0,) * len(s))
    specs = {row.generator.checkpoint for row in SYSTEMS.values()}
    for shapes, about in every_key(name, changes):
        for spec in specs:
            try:
                spec.recognise(shapes, about)
            except FoleyError as error:
                assert "have figures" in str(error) or "This bridge" in str(error)


def test_a_network_of_empty_weights_is_none():
    """Empty ones cost nothing in a file, and claim any size."""
    net = MMAudio(S16, device="meta")
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    assert detect_shapes(shapes).name == "mmaudio"
    shapes["audio_input_proj.0.weight"] = (1 << 40, 20, 0)
    assert detect_shapes(shapes) is None


def test_a_network_larger_than_its_file_is_none():
    shapes, about = known("ac_foley_mini")
    wide = dict(shapes)
    wide["generator.audio_input_proj.0.weight"] = (1 << 20, 1, 1)
    wide["generator.fused_blocks.0.attn.q_norm.weight"] = (1 << 10,)
    for row in SYSTEMS.values():
        assert row.generator.checkpoint.recognise(wide, about) is None


FIGURES = {
    "depth of a thousand million": {"depth": 10**9},
    "depth of one more": {"depth": 5},
    "no depth": {"depth": 0},
    "depth below nothing": {"depth": -1},
    "depth that is a part": {"depth": 1.5},
    "depth that is true": {"depth": True},
    "depth that is text": {"depth": "4"},
    "depth that is a list": {"depth": [4]},
    "depth that is null": {"depth": None},
    "another width": {"hidden_dim": 256},
    "heads that do not share": {"num_heads": 5},
    "no heads": {"num_heads": 0},
    "another pooling": {"pooling": "most"},
    "text for yes": {"learn_sigma": "yes"},
    "unknown": {"frames": 10**9},
}
TEXTS = {
    "not a number": '{"depth": NaN}',
    "infinite": '{"depth": 1e999}',
    "no JSON": "{",
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "a text": '"depth"',
    "a number": "4",
    "nested deeply": "[" * 100_000 + "]" * 100_000,
    "nested deeply in an object": '{"depth": ' + '{"a":' * 100_000,
    "longer than any": '{"depth": ' + " " * 2_000_000 + "4}",
    "an integer of many digits": '{"depth": ' + "9" * 500_000 + "}",
    "surrogates": '{"\\ud800": 1}',
}


def mini_with(path, about, name="mdsgen_mini"):
    save_file(read_weights(mini_path(name)), path, {**read_metadata(mini_path(name)), **about})
    return path


@pytest.mark.parametrize("case", [*FIGURES, *TEXTS])
def test_figures_are_read_by_a_schema(tmp_path, bounded, case):
    text = TEXTS[case] if case in TEXTS else json.dumps(FIGURES[case])
    path = mini_with(tmp_path / "own.safetensors", {KEY: text})
    with bounded(path.stat().st_size, 5), pytest.raises(FoleyError) as caught:
        load_model(str(path))
    said = str(caught.value)
    assert said.startswith("The weights of MDSGen have figures in their metadata that cannot be re")
    assert len(said) < 400 and said.isascii() and said.isprintable()


OF_OTHERS = {
    "ac": ("foleygenex_mini", KEY, {"order": "last"}),
    "rate": ("foleygenex_mini", KEY, {"sample_rate": 0}),
    "high rate": ("foleygenex_mini", KEY, {"sample_rate": 1 << 40}),
    "steps of nothing": ("foleygenex_mini", KEY, {"samples_per_latent": 0}),
    "codec": ("foleygenex_mini", KEY, {"codec": ["a"]}),
    "alignment": ("specmaskfoley_mini", KEY, {"alignment": "up"}),
    "columns": ("specmaskfoley_mini", KEY, {"step_columns": -1}),
    "heads": ("specmaskfoley_mini", KEY, {"num_heads": 7}),
    "objective": ("stable_audio_mini", KEY, {"objective": "noise"}),
    "longest": ("stable_audio_mini", KEY, {"longest": -8}),
    "longest of years": ("stable_audio_mini", KEY, {"longest": 1e9}),
}


@pytest.mark.parametrize("case", OF_OTHERS)
def test_figures_of_every_family_are(tmp_path, case):
    name, key, figures = OF_OTHERS[case]
    own = json.loads(read_metadata(mini_path(name)).get(key, "{}"))
    path = mini_with(tmp_path / "own.safetensors", {key: json.dumps({**own, **figures})}, name)
    with pytest.raises(FoleyError, match="have figures in their metadata that cannot be read"):
        load_model(str(path))


BRIDGES = {
    "rate": {"video_rate": 0},
    "rate of nothing": {"video_rate": None},
    "places": {"places": 0},
    "odd": {"rotary_dim": 3},
    "wider than a head": {"rotary_dim": 66},
    "heads": {"num_heads": 7},
    "encoder": {"encoder": 1},
}


@pytest.mark.parametrize("case", BRIDGES)
def test_figures_of_a_bridge_are(tmp_path, case):
    own = json.loads(read_metadata(mini_path("foley_control_mini"))["bridge"])
    shapes, about = known("foley_control_mini")
    about = {**about, "bridge": json.dumps({**own, **BRIDGES[case]})}
    with pytest.raises(FoleyError, match="have figures in their metadata that cannot be read"):
        SYSTEMS["foley_control_mini"].generator.checkpoint.recognise(shapes, about)


def test_words_that_are_not_those_of_the_table_are_refused(tmp_path):
    words = " ".join(f"w{n}" for n in range(50_000))
    path = mini_with(tmp_path / "own.safetensors", {"words": words}, "ac_foley_mini")
    with pytest.raises(FoleyError, match="vectors of words and names 50000 words"):
        load_model(str(path)).encode_words("a bell")


@pytest.mark.parametrize("family", ["\x1b[31mred", "a" * 500, "", "<img src=x>"])
def test_what_a_file_says_of_itself_is_a_name_or_nothing(tmp_path, family):
    about = {"family": family, "variant": "b" * 500}
    path = mini_with(tmp_path / "own.safetensors", about, "ac_foley_mini")
    assert str(detect(path)) == "ac_foley"


def test_what_is_refused_here_loads_when_it_is_right(tmp_path):
    path = mini_with(tmp_path / "own.safetensors", {KEY: '{"depth": 4, "num_heads": 4}'})
    assert detect_shapes(read_shapes(path)).name == "mdsgen"
    config = MDSGEN_CHECKPOINT.recognise(read_shapes(path), read_metadata(path))
    assert (config.depth, config.hidden_dim, config.num_heads) == (4, 128, 4)
    assert read_checkpoint(MDSGEN_CHECKPOINT, path)
    twin = MDSGenMini(mdsgen_mini(side_block=False), device="meta")
    shapes = {key: tuple(value.shape) for key, value in twin.state_dict().items()}
    assert MDSGEN_CHECKPOINT.recognise(shapes, {}) == mdsgen_mini(side_block=False)
    bridge = native_tensors(FoleyControl(foley_control_mini(), device="meta"))
    assert detect_shapes({k: tuple(v.shape) for k, v in bridge.items()}).name == "foley_control"
