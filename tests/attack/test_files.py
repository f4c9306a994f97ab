"""Files of every other kind: to convert, recipes, kept features, sounds to measure."""

from __future__ import annotations

import json
import os
import warnings

import numpy as np
import pickled as p
import pytest
import soundfile
import torch
from foleystage.cli import main
from foleystage.core.encoders.base import Features
from foleystage.core.encoders.cache import FeatureCache, content_key
from foleystage.core.encoders.folders import _load_tokenizer
from foleystage.core.errors import FoleyError
from foleystage.core.recognition import detect_shapes
from foleystage.core.training.recipes import FOLDER, read_recipe, run_recipe
from foleystage.core.weights.convert import convert
from foleystage.core.weights.load import read_weights
from safetensors.torch import save_file


def sparse(path):
    torch.save({"a": torch.eye(3).to_sparse()}, path)


def compressed(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({"a": torch.eye(3).to_sparse_csr()}, path)


def quantized(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
        torch.save({"a": made}, path)


def without_numbers(path):
    torch.save({"a": torch.ones(3, device="meta")}, path)


def complex_numbers(path):
    torch.save({"a": torch.ones(3, dtype=torch.complex64)}, path)


def named(name):
    def make(path):
        torch.save({name: torch.ones(3), "b": torch.ones(2)}, path)

    make.__name__ = ascii(name)
    return make


OTHER = "sparse, quantized or"
NAME = "which safetensors files cannot hold"
UNCONVERTED = {
    sparse: OTHER,
    compressed: OTHER,
    quantized: OTHER,
    without_numbers: OTHER,
    complex_numbers: OTHER,
    named("__metadata__"): NAME,
    named("a\nb"): NAME,
    named("\x1b[31ma"): NAME,
    named("a\0"): NAME,
    named("\u202ea"): NAME,
}


@pytest.mark.parametrize("make", UNCONVERTED, ids=lambda make: make.__name__)
def test_what_no_network_takes_is_not_converted(tmp_path, capsys, recwarn, make):
    path = tmp_path / "file.pth"
    make(path)
    recwarn.clear()
    assert main(["convert", str(path)]) == 2
    shown = capsys.readouterr().err
    assert UNCONVERTED[make] in shown and len(shown.splitlines()) == 1
    assert shown.strip().isprintable() and not recwarn.list
    assert os.listdir(tmp_path) == ["file.pth"]


VIEWS = {
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "every other": torch.arange(6.0)[::2],
    "one number many times": torch.ones(1).expand(8),
    "a part": torch.arange(600.0)[300:303],
    "nothing": torch.zeros(0, 3),
    "no axes": torch.tensor(3.0),
}


@pytest.mark.parametrize("case", VIEWS)
def test_views_of_any_kind_are_converted(tmp_path, case):
    path = tmp_path / "file.pth"
    torch.save({"a": VIEWS[case], "b": VIEWS[case]}, path)
    out = convert(path, family_of=detect_shapes)
    assert torch.equal(read_weights(out)["b"], VIEWS[case])


def test_a_folder_whose_parts_are_of_no_sense_is_not_converted(tmp_path, capsys):
    for part in ("transformer", "projection_model", "vae"):
        (tmp_path / "model" / part).mkdir(parents=True)
        weights = tmp_path / "model" / part / "diffusion_pytorch_model.safetensors"
        save_file({"time_proj.weight": torch.ones(()), "proj_in.weight": torch.ones(())}, weights)
    config = tmp_path / "model" / "transformer" / "config.json"
    deep = "[" * 100_000
    for text in (
        deep,
        "[]",
        "null",
        "{",
        '{"attention_head_dim": 1e9}',
        '{"attention_head_dim": 1}',
    ):
        config.write_text(text)
        assert main(["convert", str(tmp_path / "model")]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def recipe(path, **changed):
    made = json.loads(json.dumps(read_recipe("mini_video_encoder")))
    for name, values in changed.items():
        made[name] = {**made[name], **values} if isinstance(values, dict) else values
    path.write_text(json.dumps(made))
    return str(path)


RECIPES = {
    "steps below nothing": {"loop": {"steps": -1}},
    "no steps": {"loop": {"steps": 0}},
    "steps in words": {"loop": {"steps": "many"}},
    "steps in part": {"loop": {"steps": 1.5}},
    "a rate of null": {"loop": {"learning_rate": None}},
    "a rate below nothing": {"loop": {"learning_rate": -1}},
    "an unknown optimizer": {"loop": {"optimizer": "sgd"}},
    "one beta": {"loop": {"betas": [0.9]}},
    "a beta above one": {"loop": {"betas": [0.9, 2]}},
    "an unknown figure of the loop": {"loop": {"epochs": 3}},
    "a loop of nothing": {"loop": []},
    "no loop": {"loop": None},
    "clips below nothing": {"figures": {"clips": -8}},
    "clips of all time": {"figures": {"clips": 10**30}},
    "a batch of none": {"figures": {"batch": 0}},
    "true seconds": {"figures": {"clip_seconds": True}},
    "seconds below nothing": {"figures": {"clip_seconds": -4}},
    "kinds that are numbers": {"figures": {"left_out": [1]}},
    "an unknown figure": {"figures": {"klips": 3}},
    "figures of nothing": {"figures": []},
    "figures of text": {"figures": "videos"},
    "a task that is a list": {"task": ["video_encoder"]},
    "an unknown task": {"task": "soup"},
}


@pytest.mark.parametrize("case", RECIPES)
def test_a_wrong_recipe_is_refused_before_anything_is_made(tmp_path, bounded, case):
    path = recipe(tmp_path / "own.json", **RECIPES[case])
    with bounded(0, 5), pytest.raises(FoleyError) as caught:
        run_recipe(path, tmp_path / "runs")
    assert "\n" not in str(caught.value) and not (tmp_path / "runs").exists()


NO_RECIPES = (
    "[" * 100_000,
    '{"a":' * 100_000,
    "[]",
    "null",
    "",
    "NaN",
    "\xff",
    "{" + " " * 2_000_000,
)


@pytest.mark.parametrize("text", NO_RECIPES, ids=lambda text: ascii(text[:5]))
def test_what_is_no_recipe_is_one_sentence(tmp_path, capsys, text):
    (tmp_path / "own.json").write_bytes(text.encode("latin-1"))
    assert main(["train", str(tmp_path / "own.json"), "--folder", str(tmp_path / "runs")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_bundled_recipes_fit_their_schema(name):
    from foleystage.core.training import recipes

    made = read_recipe(name)
    kind = recipes._kinds()[made["task"]]
    assert recipes._loop_config(made, name).steps > 0
    assert recipes._figures(kind, made, name) is not None


@pytest.mark.parametrize("threads", ["-5", "100000"])
def test_threads_are_a_number_of_threads(capsys, threads):
    assert main(["train", "mini_video_encoder", "--threads", threads]) == 2
    assert "--threads must be from 1 to 1024" in capsys.readouterr().err


def features(seed=0):
    return Features(torch.full((2, 3, 4), float(seed)), 8.0)


def kept(folder):
    """The file that a cache keeps features in."""
    FeatureCache(folder=folder).get(KEY, lambda: features())
    (path,) = folder.rglob("*.safetensors")
    return path


KEY = content_key("a")
ABOUT = {"format": "foleystage-features-1", "rate": "8.0"}
HOSTILE = {
    "another shape": lambda path: save_file({"values": torch.ones(2, 3)}, path, ABOUT),
    "more rows": lambda path: save_file({"values": torch.ones(9, 3, 4)}, path, ABOUT),
    "no rows": lambda path: save_file({"values": torch.ones(0, 1 << 40, 4)}, path, ABOUT),
    "another type": lambda path: save_file({"values": torch.ones(2, 3, 4).long()}, path, ABOUT),
    "not finite": lambda path: save_file({"values": torch.ones(2, 3, 4) / 0}, path, ABOUT),
    "no values": lambda path: save_file({"other": torch.ones(2, 3, 4)}, path, ABOUT),
    "no rate": lambda path: save_file({"values": torch.ones(2, 3, 4)}, path, {}),
    "rate of nothing": lambda path: save_file(
        {"values": torch.ones(2, 3, 4)}, path, {**ABOUT, "rate": "nan"}
    ),
    "rate in words": lambda path: save_file(
        {"values": torch.ones(2, 3, 4)}, path, {**ABOUT, "rate": "x" * 5000}
    ),
    "another format": lambda path: save_file(
        {"values": torch.ones(2, 3, 4)}, path, {**ABOUT, "format": "2"}
    ),
    "a pickle": lambda path: p.archive(path, p.call("os.system", p.text("touch hacked"))),
    "an endless header": lambda path: path.write_bytes((1 << 62).to_bytes(8, "little")),
    "a short file": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "nothing": lambda path: path.write_bytes(b""),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_kept_features_are_numbers_or_are_made_again(tmp_path, monkeypatch, bounded, case):
    if case == "a pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("needs pipes")
    monkeypatch.chdir(tmp_path)
    HOSTILE[case](kept(tmp_path / "cache"))
    made = []
    with bounded(0, 5):
        found = FeatureCache(folder=tmp_path / "cache").get(
            KEY, lambda: made.append(1) or features(3), rows=2
        )
    assert made and torch.equal(found.values, features(3).values)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("sound", [np.zeros(64000), np.full(64000, 1e-7), np.ones(10) / 2])
def test_a_sound_without_anything_to_measure_is_refused(tmp_path, capsys, sound):
    soundfile.write(tmp_path / "a.wav", sound, 32000, subtype="FLOAT")
    arguments = ["evaluate", "foley_mini_codec", "--clips", "2", "--sounds"]
    assert main([*arguments, str(tmp_path / "a.wav")]) == 2
    assert "a.wav is silent, or shorter than 0.5 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ("--seconds", "nan"),
        ("--seconds", "1e9"),
        ("--seconds", "-4"),
        ("--cfg", "nan"),
        ("--cfg", "inf"),
        ("--clips", "-2"),
        ("--steps", "0"),
    ],
    ids=" ".join,
)
def test_figures_of_an_evaluation_are_checked(tmp_path, capsys, options):
    wanted = ["evaluate", "mdsgen_mini", "--clips", "2", "--out", str(tmp_path / "out")]
    assert main([*wanted, *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1 and not (tmp_path / "out").exists()


def test_a_tokenizer_s_folder_runs_no_code(tmp_path, monkeypatch):
    """transformers asks at the terminal whether to, unless it is told not to."""
    pytest.importorskip("transformers")
    monkeypatch.setattr("builtins.input", lambda *said: "y")
    classes = {"auto_map": {"AutoTokenizer": ["own.Own", None], "AutoConfig": "own.Own"}}
    for name in ("tokenizer_config.json", "config.json"):
        (tmp_path / name).write_text(json.dumps({"model_type": "own", **classes}))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'hacked')!r}, 'w')\nclass Own: pass\n")
    with pytest.raises(FoleyError, match="holds no tokenizer that can be read"):
        _load_tokenizer(tmp_path, "t5_base")
    assert not (tmp_path / "hacked").exists()
