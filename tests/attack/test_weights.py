"""Hostile weights files: each is refused in one sentence, runs nothing, and takes no more memory
than 4 times its size."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pickled as p
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.weights.load import read_shapes, read_weights

PLAIN = p.dictionary(a=p.tensor())
RUNS = "holds more than weights and could run code: it was refused"
GROWS = "would take far more memory than its size: it was refused"
CLAIMS = "claims weights larger than itself: it was refused"
PACKED = "may unpack without bound: it was refused"
OTHER = "sparse, quantized or other weights"
DAMAGED = "cut off or damaged"
LOADS = ""


def beside(value: bytes) -> bytes:
    """A checkpoint of one weight and a value that is none."""
    return p.dictionary(a=p.tensor(), other=value)


def encoded(value: bytes, codec: str) -> bytes:
    return p.call("_codecs.encode", value, p.text(codec))


def hex_bomb() -> bytes:
    value = p.text("a")
    for _ in range(34):
        value = encoded(value, "hex")
    return value


def memoised_many(value: bytes, times: int) -> bytes:
    """A list of one value again and again."""
    return b"](" + value + b"q\x00" + b"h\x00" * (times - 1) + b"e"


def collisions() -> bytes:
    """Keys of one hash: a dict of n of them takes n^2 comparisons."""
    modulus = (1 << 61) - 1
    pairs = b"".join(p.number(n * modulus) + b"N" for n in range(1, 60_000))
    return b"}(" + pairs + b"u"


def nested_keys() -> bytes:
    """A tuple of a tuple twice, and so on: hashed as a key it takes 2^60 steps."""
    return b"}" + b"N" + b"q\x00h\x00\x86" * 60 + b"Ns"


# What a pickle holds, and what becomes of its file: the end of a sentence, "" where it loads.
PICKLES = {
    "plain": (PLAIN, LOADS),
    "order": (p.call("collections.OrderedDict") + PLAIN[1:], LOADS),
    "parameter": (
        p.dictionary(
            a=p.call(
                "torch._utils._rebuild_parameter",
                p.tensor(),
                b"\x88",
                p.call("collections.OrderedDict"),
            )
        ),
        LOADS,
    ),
    "metadata of a state dict": (
        p.call("collections.OrderedDict")
        + PLAIN[1:]
        + p.dictionary(_metadata=p.dictionary(version=p.number(1)))
        + b"b",
        LOADS,
    ),
    "no axes": (p.dictionary(a=p.tensor((), ())), LOADS),
    "nothing along an axis": (p.dictionary(a=p.tensor((0, 1 << 40), (1, 1))), LOADS),
    "bytes": (beside(encoded(p.text("abc"), "latin1")), LOADS),
    "byte array": (beside(p.call("builtins.bytearray", p.text("abc"), p.text("latin-1"))), LOADS),
    "set": (beside(p.call("builtins.set", b"](K\x01K\x02e")), LOADS),
    "milestones": (beside(p.call("collections.Counter", b"}K\x01K\x02s")), LOADS),
    "size": (beside(p.call("torch.Size", p.several(b"K\x01", b"K\x02"))), LOADS),
    "type of numbers": (beside(p.name("torch.float16")), LOADS),
    "device": (beside(p.call("torch.device", p.text("cpu"))), LOADS),
    "weights on levels that hold themselves": (
        b"}q\x00(" + p.text("model") + b"h\x00" + p.text("a") + p.tensor() + b"u",
        "holds no weights",
    ),
    "levels without end": (b"}q\x00(" + p.text("model") + b"h\x00u", "holds no weights"),
    "system": (beside(p.call("os.system", p.text("touch hacked"))), RUNS),
    "eval": (beside(p.call("builtins.eval", p.text("1"))), RUNS),
    "old name of eval": (beside(p.call("__builtin__.eval", p.text("1"))), RUNS),
    "a module's function": (beside(p.call("torch.hub.load", p.text("a"), p.text("b"))), RUNS),
    "a global alone": (beside(p.name("subprocess.Popen")), RUNS),
    "an object": (beside(p.name("torch.nn.modules.linear.Linear") + b")\x81"), RUNS),
    "a new allowed object": (beside(p.name("collections.OrderedDict") + b")\x81"), RUNS),
    "a tensor that is called": (beside(p.tensor() + b")R"), RUNS),
    "text that is called": (beside(p.text("os.system") + b")R"), RUNS),
    "attributes": (
        p.call("collections.OrderedDict")
        + PLAIN[1:]
        + p.dictionary(items=p.name("torch.Size"))
        + b"b",
        RUNS,
    ),
    "attributes of a tensor": (beside(p.tensor() + p.dictionary(a=b"N") + b"b"), RUNS),
    "a name by text": (beside(p.text("os") + p.text("system") + b"\x93"), RUNS),
    "an extension": (beside(b"\x82\x01"), RUNS),
    "protocol 4": (b"\x80\x04" + PLAIN, RUNS),
    "a class as key": (b"}" + p.name("torch.Size") + b"Ns", "holds no weights"),
    "a tuple as key": (nested_keys(), RUNS),
    "a set of tuples": (beside(p.call("builtins.set", b"]NN\x86a")), DAMAGED),
    "hooks": (
        p.dictionary(
            a=p.call(
                "torch._utils._rebuild_tensor_v2",
                p.storage(),
                b"K\x00",
                p.several(b"K\x01"),
                p.several(b"K\x01"),
                b"\x88",
                b"}K\x00" + p.name("torch.Size") + b"s",
            )
        ),
        DAMAGED,
    ),
    "34 times hex": (beside(hex_bomb()), GROWS),
    "punycode": (beside(encoded(p.text("a-" + "b" * 1_000_000), "punycode")), GROWS),
    "escapes": (beside(encoded(p.text("\\" * 1000), "unicode_escape")), GROWS),
    "many bytes of one text": (
        beside(b"](" + encoded(p.text("a" * 1_000_000), "latin1") + b"e"),
        GROWS,
    ),
    "an array of 6 GB": (beside(p.call("builtins.bytearray", p.number(6 * 10**9))), DAMAGED),
    "an array of an array": (
        beside(p.call("builtins.bytearray", p.call("builtins.bytearray", p.number(6 * 10**9)))),
        DAMAGED,
    ),
    "an array of another encoding": (
        beside(p.call("builtins.bytearray", p.text("a" * 100), p.text("utf-32"))),
        GROWS,
    ),
    "a million dicts": (beside(b"](" + b"}" * 1_000_000 + b"e"), GROWS),
    "millions of nothings": (beside(b"](" + b"N" * 4_000_000 + b"e"), GROWS),
    "protocols without end": (b"\x80\x02" * 3_100_000 + PLAIN, GROWS),
    "marks without end": (b"(" * 100_000 + PLAIN, GROWS),
    "a million copies": (
        beside(
            b"]("
            + p.call("collections.Counter", b"}(" + b"K\x01N" * 20_000 + b"uq\x05")
            + (p.name("collections.Counter") + b"h\x05\x85R") * 3_000
            + b"e"
        ),
        GROWS,
    ),
    "tensors of a tensor": (
        beside(
            p.tensor()[:-1]
            + b"q\x01R"
            + b"]("
            + (p.name("torch._utils._rebuild_tensor_v2") + b"h\x01R") * 100_000
            + b"e\x86"
        ),
        GROWS,
    ),
    "a longer text than any": (beside(p.text("a" * 2_000_000)), GROWS),
    "text with one wide letter": (beside(p.text("\U0001f600" + "a" * 1_000_000)), LOADS),
    "an integer of 255 bytes": (beside(b"\x8a\xff" + b"\x7f" * 255), GROWS),
    "keys of one hash": (collisions(), RUNS),
    "a memo of millions": (
        beside(b"](N" + b"".join(b"r" + struct.pack("<I", n) for n in range(800_000)) + b"e"),
        GROWS,
    ),
    "a weight past its storage": (p.dictionary(a=p.tensor((1 << 30,), (1,))), CLAIMS),
    "a weight of long steps": (p.dictionary(a=p.tensor((2,), (1 << 30,))), CLAIMS),
    "a weight from far on": (p.dictionary(a=p.tensor(offset=1 << 30)), CLAIMS),
    "steps back": (p.dictionary(a=p.tensor((2,), (-1,))), DAMAGED),
    "a storage of 6 GB": (
        p.dictionary(a=p.tensor(stored=p.storage(count=1_500_000_000))),
        CLAIMS,
    ),
    "a storage of less than nothing": (
        p.dictionary(a=p.tensor(stored=p.storage(count=-1))),
        DAMAGED,
    ),
    "a storage of another kind": (
        p.dictionary(a=p.tensor(stored=p.storage(kind="torch.QInt8Storage"))),
        OTHER,
    ),
    "something else that is kept": (
        p.dictionary(a=p.several(p.text("module"), p.name("torch.Size")) + b"Q"),
        DAMAGED,
    ),
    "kept by a number": (p.dictionary(a=b"K\x01Q"), DAMAGED),
    "sparse": (beside(p.name("torch._utils._rebuild_sparse_tensor")), OTHER),
    "quantized": (beside(p.name("torch._utils._rebuild_qtensor")), OTHER),
    "a subclass": (beside(p.name("torch._tensor._rebuild_from_type_v2")), OTHER),
    "an object of numpy": (
        beside(p.call("numpy.dtype", p.text("O8"), b"\x89", b"\x88")),
        DAMAGED,
    ),
    "a type of numpy with fields": (
        beside(
            p.call("numpy.dtype", p.text("f8"), b"\x89", b"\x88")
            + p.several(b"K\x03", p.text("<"), b"N", b"N", b"}", b"K\x01", b"K\x01", b"K\x00")
            + b"b"
        ),
        RUNS,
    ),
    "nothing": (b"", DAMAGED),
    "no value": (b"0", RUNS),
    "a mark that is missing": (b"t", DAMAGED),
    "a memo that is missing": (b"h\x07", DAMAGED),
    "text that is cut off": (b"X\xff\xff\xff\xff", GROWS),
    "text that is none": (beside(b"X\x02\x00\x00\x00\xff\xff"), DAMAGED),
    "a name without an end": (beside(b"c" + b"o" * 10_000), DAMAGED),
    "a list": (b"]", "holds no weights"),
    "a number": (b"K\x01", "holds no weights"),
}


def becomes(path, sentence, bounded):
    """Asserts what becomes of a file: that it loads, or is refused in one sentence."""
    with bounded(path.stat().st_size):
        for read in (read_weights, read_shapes):
            if sentence == LOADS:
                assert list(read(path)) == ["a"]
                continue
            with pytest.raises(FoleyError, match=sentence) as caught:
                read(path)
            said = str(caught.value)
            assert said.startswith(path.name) and "\n" not in said and said.endswith(".")


@pytest.mark.parametrize("container", [p.archive, p.stream], ids=["archive", "stream"])
@pytest.mark.parametrize("case", PICKLES)
def test_a_pickle_is_walked_before_it_is_built(
    tmp_path, monkeypatch, recwarn, bounded, case, container
):
    made, sentence = PICKLES[case]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file.pth"
    container(path, made)
    becomes(path, sentence, bounded)
    assert os.listdir(tmp_path) == ["file.pth"] and not recwarn.list


def packed(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("archive/data.pkl", p.PROTO + PLAIN + p.STOP)
        out.writestr("archive/data/0", bytes(50_000_000))


def twice(path):
    """Readers differ in which of two records of a name they take."""
    p.archive(path, PLAIN)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as out:
        out.writestr("archive/data.pkl", p.PROTO + beside(hex_bomb()) + p.STOP)


def with_a_comment(path):
    p.archive(path, PLAIN)
    with zipfile.ZipFile(path, "a") as out:
        out.comment = b"another"


def with_another_end(path):
    """Two ends, of which readers may take either."""
    p.archive(path, PLAIN)
    with zipfile.ZipFile(path, "a") as out:
        out.comment = b"PK\x05\x06" + bytes(18)


def overlapping(path):
    """Records that are all in one place."""
    p.archive(path, PLAIN, data=100_000)
    with zipfile.ZipFile(path, "a") as out:
        whole = next(record for record in out.infolist() if record.filename.endswith("data/0"))
        for number in range(1, 50):
            again = zipfile.ZipInfo(f"archive/data/{number}")
            for field in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(again, field, getattr(whole, field))
            out.filelist.append(again)
            out.NameToInfo[again.filename] = again
        out._didModify = True


def program(path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)


def old_and_new(path):
    """A stream for torch, an archive for whoever looks at a file's end."""
    p.stream(path, beside(hex_bomb()))
    inner = io.BytesIO()
    p.archive(inner, PLAIN)
    path.write_bytes(path.read_bytes() + inner.getvalue())


def tar(path):
    """torch's first format, with a stream's first bytes as the name of its first file."""
    with tarfile.open(path, "w") as out:
        out.addfile(tarfile.TarInfo("\x80"), None)
    raw = bytearray(path.read_bytes())
    raw[: len(p.MAGIC)] = p.MAGIC
    raw[148:156] = b" " * 8
    raw[148:156] = f"{sum(raw[:512]):06o}\0 ".encode()
    path.write_bytes(raw)
    assert tarfile.is_tarfile(path)


def object_of_python(path):
    path.write_bytes(pickle.dumps({"a": io.BytesIO()}))


def storage_cut_off(path):
    p.stream(path, PLAIN, data=b"")


def storage_of_another_size(path):
    p.stream(path, PLAIN, data=struct.pack("<q", 1 << 40))


def order_of_bytes(path):
    p.archive(path, PLAIN, byteorder=b"middle")


def end_cut_off(path):
    p.archive(path, PLAIN)
    path.write_bytes(path.read_bytes()[:-30])


FILES = {
    packed: PACKED,
    twice: PACKED,
    with_a_comment: PACKED,
    with_another_end: DAMAGED,
    overlapping: PACKED,
    program: RUNS,
    old_and_new: GROWS,
    tar: RUNS,
    object_of_python: RUNS,
    storage_cut_off: DAMAGED,
    storage_of_another_size: DAMAGED,
    order_of_bytes: DAMAGED,
    end_cut_off: DAMAGED,
}


@pytest.mark.parametrize("make", FILES, ids=lambda make: make.__name__)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_container_holds_what_it_claims(tmp_path, bounded, make):
    path = tmp_path / "file.ckpt"
    make(path)
    with bounded(path.stat().st_size), pytest.raises(FoleyError, match=FILES[make]):
        read_weights(path)


def test_what_trainings_save_loads(tmp_path, recwarn):
    """A checkpoint of Lightning's, with all that is beside the weights, in both containers."""
    layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    saved = {
        "epoch": np.int64(3),
        "global_step": 1 << 40,
        "pytorch-lightning_version": "1.9.0",
        "state_dict": layer.state_dict(),
        "loops": {"fit": {"done": True, "at": None, "ratio": 0.5}},
        "callbacks": {"Checkpoint{'monitor': None}": {"best": np.float32(0.5), "all": {"a": 1.5}}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"milestones": Counter([1, 2]), "base_lrs": [0.1]}],
        "hyper_parameters": OrderedDict(size=torch.Size([2, 3]), dtype=torch.float16, raw=b"\xff"),
        "rng": torch.get_rng_state(),
        "parameters": list(layer.parameters()),
    }
    for new in (True, False):
        path = tmp_path / f"{new}.ckpt"
        torch.save(saved, path, _use_new_zipfile_serialization=new)
        read = read_weights(path)
        assert read.keys() == layer.state_dict().keys()
        assert torch.equal(read["0.weight"], layer[0].weight)
    assert not recwarn.list


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.uint16, torch.complex64, torch.bool])
def test_every_type_of_numbers_loads(tmp_path, dtype):
    path = tmp_path / "file.pt"
    torch.save({"a": torch.ones(3).to(dtype), "b": torch.ones(6)[::2]}, path)
    assert read_weights(path)["a"].dtype == dtype
