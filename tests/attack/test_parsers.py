"""Properties of what reads bytes from outside: all give a value, or one sentence."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Annotated, Literal

import pickled as p
import pytest
import torch
from foleystage.core.catalog import SYSTEMS
from foleystage.core.errors import FoleyError
from foleystage.core.generators.figures import read_figures
from foleystage.core.generators.stable_audio_checkpoint import OF_BRIDGE, RECORDED
from foleystage.core.recognition import detect_shapes
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.load import read_shapes, read_weights
from foleystage.core.weights.pickles import check_pickled
from foleystage.core.weights.schema import Unfit, Within, fitted_to, parse_json
from known import FAMILIES, keys_that_matter, known

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import example, given  # noqa: E402
from hypothesis import strategies as some  # noqa: E402
from properties import CHECKED  # noqa: E402

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)


def becomes(path, read=read_weights):
    """What is read of a file, None where it is refused, in one sentence."""
    try:
        return read(path)
    except FoleyError as error:
        assert str(error).startswith(path.name) and "\n" not in str(error)
        return None


def with_header(path, header, data=b""):
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


ENTRY = some.fixed_dictionaries(
    {
        "dtype": some.sampled_from(["F32", "F16", "I64", "BOOL", "F99", "", 3]),
        "shape": some.lists(some.integers(-1, 1 << 40) | some.text(max_size=2), max_size=4)
        | VALUES,
        "data_offsets": some.lists(some.integers(-1, 80), max_size=3) | VALUES,
    }
)


@CHECKED
@given(header=some.dictionaries(some.text(max_size=6), ENTRY | VALUES, max_size=3))
@example(header={"__metadata__": {"a": 1}})
@example(header={"a": {"dtype": "F32", "shape": [1 << 40, 0], "data_offsets": [0, 0]}})
def test_headers_of_safetensors(tmp_path_factory, header):
    path = tmp_path_factory.mktemp("header") / "a.safetensors"
    with_header(path, json.dumps(header).encode(), bytes(64))
    for read in (read_weights, read_shapes, read_metadata):
        becomes(path, read)


@CHECKED
@given(head=some.binary(max_size=16), rest=some.binary(max_size=64))
def test_bytes_that_are_no_safetensors(tmp_path_factory, head, rest):
    path = tmp_path_factory.mktemp("bytes") / "a.safetensors"
    path.write_bytes(head + rest)
    becomes(path)


@CHECKED
@given(text=some.text(max_size=40) | some.binary(max_size=40) | VALUES.map(json.dumps))
def test_json_is_a_value_or_unfit(text):
    try:
        parse_json(text)
    except Unfit as error:
        assert str(error)


@dataclass(frozen=True)
class _Figures:
    whole: Annotated[int, Within(1, 64)]
    part: float = 0.5
    word: Literal["a", "b"] = "a"
    several: tuple[int, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)
    maybe: bool | None = None


NAMES = some.sampled_from([*_Figures.__dataclass_fields__, "other", ""])


@CHECKED
@given(values=some.dictionaries(NAMES, VALUES, max_size=6) | VALUES)
@example(values={"whole": 3, "several": [1, 2], "pair": [1, 2.5], "maybe": None})
def test_a_schema_gives_what_it_says_or_is_unfit(values):
    try:
        made = fitted_to(_Figures, values)
    except Unfit as error:
        said = str(error)
        assert said and said.isprintable() and len(said) < 200
        return
    assert 1 <= made.whole <= 64 and made.word in ("a", "b") and made.maybe in (None, True, False)
    assert abs(made.part) < float("inf") and len(made.pair) == 2
    assert all(type(one) is int for one in made.several)


@CHECKED
@given(values=some.dictionaries(some.sampled_from([*RECORDED, *OF_BRIDGE]), VALUES, max_size=4))
def test_figures_are_values_or_one_sentence(values):
    for schema in (RECORDED, OF_BRIDGE):
        try:
            read_figures({"figures": json.dumps(values)}, schema, "Foley Control")
        except FoleyError as error:
            assert "cannot be read" in str(error) and "\n" not in str(error)


PLAIN = p.dictionary(a=p.tensor(), epoch=b"K\x03", more=b"](K\x01NX\x01\x00\x00\x00ae")
OPCODES = some.sampled_from(
    [bytes([code]) for code in range(256)]
    + [p.text("a"), p.number(1 << 30), p.name("torch.Size"), p.name("_codecs.encode")]
    + [p.storage(), p.tensor(), p.several(b"N"), p.call("collections.OrderedDict"), b"h\x00"]
)


@pytest.mark.parametrize("container", [p.archive, p.stream], ids=["archive", "stream"])
def test_pickles_with_changed_bytes(tmp_path, container):
    path = tmp_path / "a.pth"

    @CHECKED
    @given(
        changes=some.lists(some.tuples(some.integers(0, len(PLAIN) - 1), some.binary(max_size=3)))
    )
    def check(changes):
        made = PLAIN
        for place, value in changes:
            made = made[:place] + value + made[place + 1 :]
        container(path, made)
        becomes(path)

    check()


def test_opcodes_in_any_order(tmp_path):
    path = tmp_path / "a.pth"

    @CHECKED
    @given(some.lists(OPCODES, max_size=12))
    @example([p.tensor()])
    @example([p.call("collections.OrderedDict")])
    def check(codes):
        p.archive(path, b"".join(codes))
        becomes(path)
        try:
            check_pickled(path)
        except Exception:  # noqa: BLE001 - `becomes` has said that it is one sentence
            return
        torch.load(path, weights_only=True)  # has nothing against what was walked to its end

    check()


@CHECKED
@given(data=some.binary(max_size=200))
def test_bytes_that_are_no_checkpoint(tmp_path_factory, data):
    for suffix in (".pth", ".ckpt"):
        for head in (b"", b"PK\x03\x04", p.MAGIC):
            path = tmp_path_factory.mktemp("bytes") / f"a{suffix}"
            path.write_bytes(head + data)
            becomes(path)


SHAPES = some.lists(some.sampled_from([0, 1, 2, 3, 64, 192, 1 << 20, 1 << 62]), max_size=6)


@pytest.mark.parametrize("name", FAMILIES)
def test_shapes_that_are_another_s_are_known_or_not(name):
    shapes, about = known(name)
    checkpoints = {row.generator.checkpoint.family: row.generator for row in SYSTEMS.values()}

    @CHECKED
    @given(some.dictionaries(some.sampled_from(keys_that_matter(shapes)), SHAPES, max_size=4))
    def check(changed):
        other = {**shapes, **{key: tuple(shape) for key, shape in changed.items()}}
        without = {key: shape for key, shape in shapes.items() if key not in changed}
        for given_shapes in (other, without, {**shapes, **dict.fromkeys(changed, ())}):
            try:
                detect_shapes(given_shapes)
                for part in checkpoints.values():
                    part.checkpoint.recognise(given_shapes, about)
            except FoleyError as error:
                assert str(error)

    check()
