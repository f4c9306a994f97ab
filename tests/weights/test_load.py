"""Weights from every kind of file; what is malicious, damaged or of another model is refused."""

from __future__ import annotations

import io
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError, stoppable
from foleystage.core.weights.load import read_shapes, read_weights
from safetensors.torch import save_file

TENSORS = {
    "a.weight": torch.arange(6.0).reshape(2, 3),
    "a.bias": torch.ones(2),
    "n": torch.tensor(3),
}


def written(path, tensors=TENSORS, **levels):
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(levels or tensors, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".ckpt", ".bin"])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float64])
def test_every_format_gives_the_same_tensors(tmp_path, suffix, dtype):
    read = read_weights(written(tmp_path / f"w{suffix}"), dtype=dtype)
    assert read.keys() == TENSORS.keys()
    for key, tensor in TENSORS.items():
        whole = not tensor.is_floating_point()
        assert read[key].dtype == (tensor.dtype if dtype is None or whole else dtype)
        assert torch.equal(read[key].to(tensor), tensor)


@pytest.mark.parametrize("level", ["state_dict", "generator", "weights", "model"])
def test_weights_are_found_on_the_level_where_they_are_kept(tmp_path, level):
    path = written(tmp_path / "w.ckpt", **{level: TENSORS, "epoch": 3, "lr": torch.tensor(0.1)})
    assert read_weights(path).keys() == TENSORS.keys()
    assert read_shapes(path)["a.weight"] == (2, 3)


def test_old_files_that_are_no_archives_are_read(tmp_path):
    torch.save(TENSORS, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_weights(tmp_path / "old.pth")["a.bias"], TENSORS["a.bias"])


def test_only_what_is_wanted_is_kept(tmp_path):
    for suffix in (".safetensors", ".pth"):
        path = written(tmp_path / f"w{suffix}")
        assert list(read_weights(path, keep=lambda key: key.endswith("bias"))) == ["a.bias"]


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_files_of_few_bits_become_float32(tmp_path, stored):
    path = written(tmp_path / "w.safetensors", {"a": torch.tensor([0.5, -2.0]).to(stored)})
    assert read_weights(path)["a"].dtype == stored
    assert read_weights(path, dtype=torch.float32)["a"].tolist() == [0.5, -2.0]


def test_scaled_8_bit_weights_are_unscaled(tmp_path):
    tensors = {
        "scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn),
        "a.weight": torch.tensor([0.5, -2.0]).to(torch.float8_e4m3fn),
        "a.scale_weight": torch.tensor(4.0),
        "a.scale_input": torch.tensor(1.0),
        "a.bias": torch.ones(1),
    }
    path = written(tmp_path / "w.safetensors", tensors)
    read = read_weights(path, dtype=torch.float32)
    assert read.keys() == {"a.weight", "a.bias"} and read["a.weight"].tolist() == [2.0, -8.0]


class _Runs:
    def __reduce__(self):
        return os.mkdir, ("hacked",)


def malicious_archive(path):
    torch.save({"a": _Runs()}, path)


def malicious_old(path):
    path.write_bytes(pickle.dumps({"a": _Runs()}))


def whole_object(path):
    torch.save(torch.nn.Linear(2, 2), path)


def zip_bomb(path):
    plain = io.BytesIO()
    torch.save(TENSORS, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for record in source.infolist():
            out.writestr(record.filename, source.read(record))
        out.writestr("archive/data/9", b"\0" * 50_000_000)


def swollen_tensor(path):
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, path)


def many_swollen_tensors(path):
    torch.save({str(i): torch.zeros(1).expand(1000) for i in range(1000)}, path)


def truncated(path):
    torch.save({"a": torch.zeros(50_000)}, path)
    path.write_bytes(path.read_bytes()[:120_000])


def truncated_safetensors(path):
    save_file({"a": torch.zeros(50_000)}, path)
    path.write_bytes(path.read_bytes()[:120_000])


def text(path):
    path.write_text("just some words, no weights at all")


def page(path):
    path.write_text("<!doctype html><title>Not found</title>")


def pointer(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")


def empty(path):
    path.write_bytes(b"")


def endless_header(path):
    path.write_bytes((2**62).to_bytes(8, "little") + b"{" * 100)


def numbers_only(path):
    torch.save({"epoch": 3, "names": ["a"]}, path)


@pytest.mark.parametrize(
    ("make", "suffix", "message"),
    [
        (malicious_archive, ".pth", "could run code: it was refused"),
        (malicious_old, ".ckpt", "could run code: it was refused"),
        (whole_object, ".pt", "could run code: it was refused"),
        (zip_bomb, ".pth", "may unpack without bound: it was refused"),
        (swollen_tensor, ".pth", "larger than itself: it was refused"),
        (many_swollen_tensors, ".pth", "larger than itself: it was refused"),
        (truncated, ".pth", "cut off or damaged"),
        (truncated_safetensors, ".safetensors", "cut off or damaged"),
        (text, ".safetensors", "cut off or damaged, or is no weights file"),
        (text, ".pth", "cut off or damaged, or is no weights file"),
        (page, ".safetensors", "is a text file"),
        (pointer, ".pth", "is a text file"),
        (empty, ".bin", "is empty"),
        (endless_header, ".safetensors", "cut off or damaged"),
        (numbers_only, ".pth", "holds no weights"),
        (text, ".onnx", "is not a weights file"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path, monkeypatch, make, suffix, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"file{suffix}"
    make(path)
    for read in (read_weights, read_shapes):
        with pytest.raises(FoleyError, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(path.name) and "\n" not in str(caught.value)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
def test_numbers_of_numpy_beside_the_weights_are_no_danger(tmp_path, module):
    path = tmp_path / "w.pt"
    saved = {"epoch": np.int64(3), "loss": np.float64(0.5), "state_dict": {"a": torch.ones(2)}}
    torch.save(saved, path, _use_new_zipfile_serialization=False)
    names = re.compile(rb"cnumpy\._?core\.")
    assert names.search(path.read_bytes())
    path.write_bytes(names.sub(f"c{module}.".encode(), path.read_bytes()))
    assert torch.equal(read_weights(path)["a"], torch.ones(2))


def test_a_folder_and_a_missing_file_have_sentences_of_their_own(tmp_path):
    with pytest.raises(FoleyError, match="is a folder"):
        read_weights(tmp_path)
    with pytest.raises(FoleyError, match="There is no weights file"):
        read_weights(tmp_path / "none.safetensors")


PEAK = """
import sys
sys.path.insert(0, {tests!r})
import conftest, torch
from foleystage.core.weights.fill import fill
from foleystage.core.weights.load import read_weights

def memory(kind):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(kind)) * 1024

layers = {layers}
layer = lambda: torch.nn.Linear(2048, 2048, bias=False, device="meta")
net = torch.nn.Sequential(*(layer() for _ in range(layers)))
read_weights({small!r}, dtype={dtype})  # the memory of the libraries themselves is not counted
before = memory("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
fill(net, read_weights({path!r}, dtype={dtype}), "w")
for p in net.parameters():
    p.flatten()[::1024].tolist()  # each page is used, without a copy of the whole
size = sum(p.numel() * p.element_size() for p in net.parameters())
print((memory("VmHWM") - before) / size)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux")
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("dtype", ["None", "torch.float32", "torch.bfloat16"])
def test_loading_needs_hardly_more_memory_than_the_weights(tmp_path, suffix, dtype):
    layers = int(os.environ.get("FOLEYSTAGE_TEST_LAYERS", "40"))
    tensors = {f"{i}.weight": torch.zeros(2048, 2048, dtype=torch.float16) for i in range(layers)}
    path = str(written(tmp_path / f"w{suffix}", tensors))
    small = str(written(tmp_path / f"small{suffix}", {"0.weight": torch.zeros(1, 1).half()}))
    del tensors
    tests = str(Path(__file__).parents[1])
    code = PEAK.format(tests=tests, path=path, small=small, dtype=dtype, layers=layers)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # 1.2 times at the 1 GB of a real checkpoint; buffers of fixed size weigh more in a small file.
    size = layers * 2048 * 2048 * {"None": 2, "torch.float32": 4, "torch.bfloat16": 2}[dtype]
    assert (float(done.stdout) - 1) * size < max(0.2 * size, 0.2e9 * 0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says is mapped")
def test_small_weights_do_not_keep_the_file_of_large_ones_mapped(tmp_path):
    path = tmp_path / "whole.safetensors"
    save_file({"bias": torch.ones(8), "weight": torch.ones(1 << 19)}, path)
    tensors = read_weights(path)
    mapped = lambda: path.name in Path("/proc/self/maps").read_text()  # noqa: E731
    assert mapped(), "large weights are views of the file"
    del tensors["weight"]
    assert not mapped() and tensors["bias"].sum() == 8


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("dtype", [None, torch.float64])
def test_loading_stops_when_told(tmp_path, suffix, dtype):
    path = written(tmp_path / f"w{suffix}")
    with pytest.raises(Cancelled), stoppable(lambda: True):
        read_weights(path, dtype=dtype)
    assert read_weights(path, dtype=dtype).keys() == TENSORS.keys()
