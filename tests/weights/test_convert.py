"""Any file becomes safetensors that say what they are."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import case as golden
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.weights import convert as module
from foleystage.core.weights.families import Family
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.load import read_weights
from foleystage.core.weights.registry import ENTRIES, entry


def ac_foley_only(shapes):
    return Family("ac_foley", "large") if "audio_feature_proj.0.weight" in shapes else None


def convert(*given, **options):
    return module.convert(*given, family_of=ac_foley_only, **options)


@pytest.fixture
def checkpoint(tmp_path):
    tensors = golden.load("ac_foley_net").state_dict()
    torch.save({"weights": tensors, "step": 5}, tmp_path / "ac_foley.pth")
    return tmp_path / "ac_foley.pth", tensors


def test_tensors_and_origin_are_kept(checkpoint):
    path, tensors = checkpoint
    out = convert(path)
    assert out == path.with_suffix(".safetensors")
    read = read_weights(out)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[key], tensors[key]) for key in tensors)
    about = read_metadata(out)
    assert (about["family"], about["variant"]) == ("ac_foley", "large")
    assert about["licence"] == "CC-BY-NC-4.0"
    assert about["source"] == "huggingface.co/FF2416/AC-Foley weights/ac_foley.pth"
    assert about["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_published_hash_names_the_source_whatever_the_file_is_called(checkpoint, monkeypatch):
    path, _ = checkpoint
    row = entry("mmaudio_large_44k")
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    changed = replace(row, sources=(replace(row.source, md5=md5),))
    monkeypatch.setattr(module, "ENTRIES", (*ENTRIES, changed))
    out = convert(path.rename(path.with_name("mine.pth")))
    assert read_metadata(out)["source"].endswith("weights/mmaudio_large_44k.pth")


def test_nothing_is_invented_for_an_unknown_file(tmp_path):
    torch.save({"foo": torch.zeros(2)}, tmp_path / "some.pt")
    about = read_metadata(convert(tmp_path / "some.pt"))
    assert (about["family"], about["source"], about["licence"]) == ("unknown",) * 3


def test_the_type_can_be_changed(checkpoint):
    path, _ = checkpoint
    out = convert(path, path.with_name("half.safetensors"), dtype=torch.float16)
    assert {v.dtype for v in read_weights(out).values()} == {torch.float16}


def test_tensors_that_share_memory_are_written(tmp_path):
    table = torch.randn(4, 3)
    torch.save({"a": table, "b": table, "c": table[1:], "d": table.T}, tmp_path / "shared.pt")
    read = read_weights(convert(tmp_path / "shared.pt"))
    assert torch.equal(read["b"], table) and torch.equal(read["c"], table[1:])
    assert torch.equal(read["d"], table.T)


def test_nothing_is_written_over_or_beside(checkpoint, monkeypatch):
    path, _ = checkpoint
    convert(path)
    with pytest.raises(FoleyError, match="exists already"):
        convert(path)
    with pytest.raises(FoleyError, match="must end in .safetensors"):
        convert(path, path.with_name("x.pth"))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(FoleyError, match="cannot be written"):
        convert(path, path.with_name("other.safetensors"))
    assert {p.name for p in path.parent.iterdir()} == {"ac_foley.pth", "ac_foley.safetensors"}
