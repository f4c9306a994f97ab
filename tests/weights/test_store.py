"""What is found where, and what the registry says."""

from __future__ import annotations

import re

import pytest
from foleystage.core.errors import FoleyError
from foleystage.core.listing import describe_systems
from foleystage.core.weights import store
from foleystage.core.weights.entries import Bundled
from foleystage.core.weights.registry import ENTRIES, entry


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv(store.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


def test_names_are_unique_and_rows_complete():
    assert len({row.name for row in ENTRIES}) == len(ENTRIES)
    for row in ENTRIES:
        assert row.licence.name and row.part and row.sources and row.file_names, row.name
        for source in row.sources:
            assert re.fullmatch(r"([0-9a-f]{64})?", source.sha256), row.name
            assert re.fullmatch(r"([0-9a-f]{32})?", source.md5), row.name


def test_each_licence_is_defined_once():
    """Rows of one licence share it, and no two licences have one name."""
    licences = {id(row.licence): row.licence for row in ENTRIES}
    assert len({licence.name for licence in licences.values()}) == len(licences)


def test_an_spdx_identifier_is_given_where_the_licence_has_one():
    found = {row.licence.name: row.licence.spdx for row in ENTRIES if row.licence.spdx}
    plain = ("Apache-2.0", "MIT", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC0-1.0")
    assert found == {**{name: name for name in plain}, "MIT (code Apache-2.0)": "MIT"}


SENTENCES = {
    "mdsgen_mini": "The weights are under Apache-2.0: commercial use allowed.",
    "ac_foley": "The weights are under CC-BY-NC-4.0: not for commercial use.",
    "dfn5b_clip": "The weights are under their own licence, apple-amlr (earlier "
    "apple-sample-code-license): not for commercial use.",
    "stable_audio_open": "The weights are under their own licence, Stability AI Community License: "
    "conditions for commercial use (free up to 1 million US dollars of yearly revenue).",
    "synchformer": "No licence is stated for the weights (their code is MIT): ask their authors "
    "before commercial use.",
    "mdsgen_b": "No licence is stated for the weights: ask their authors before commercial use.",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_licence_is_one_sentence(name):
    assert entry(name).licence.sentence == SENTENCES[name]


def test_terms_say_name_and_commercial_use():
    assert entry("ac_foley").licence.terms == "CC-BY-NC-4.0, not for commercial use"
    assert entry("mdsgen_b").licence.terms == "none stated, commercial use unclear"


def test_bundled_rows_name_files_of_the_package():
    bundled = {row.name for row in ENTRIES if isinstance(row.source, Bundled)}
    assert bundled >= {"ac_foley_mini", "mini_video_encoder", "foley_mini_codec"}
    for name in bundled:
        assert store.find(name).name == f"{name}.safetensors"


def test_own_folders_come_before_those_of_others(tmp_path, monkeypatch):
    others = put(tmp_path / "comfy" / "mmaudio" / "mmaudio_synchformer_fp16.safetensors")
    folders = {"": [tmp_path / "comfy"]}
    assert store.find("synchformer", folders) == others
    named = put(tmp_path / "comfy" / "foleystage" / "synchformer_state_dict.pth")
    assert store.find("synchformer", folders) == named
    monkeypatch.setenv(store.VARIABLE, str(tmp_path / "mine"))
    mine = put(tmp_path / "mine" / "synchformer_state_dict.pth")
    assert store.find("synchformer", folders) == mine


def test_safetensors_come_before_pickles(tmp_path):
    put(tmp_path / "ac_foley.pth")
    converted = put(tmp_path / "ac_foley.safetensors")
    assert store.find("ac_foley", {"foleystage": [tmp_path]}) == converted


def test_comfyui_folders_may_lie_anywhere(tmp_path):
    file = put(tmp_path / "elsewhere" / "mmaudio_large_44k_v2_fp16.safetensors")
    assert store.find("mmaudio_large_44k_v2", {"mmaudio": [tmp_path / "elsewhere"]}) == file


def test_files_of_a_general_name_have_a_folder_of_their_own(tmp_path):
    put(tmp_path / "model.safetensors")
    folders = {"foleystage": [tmp_path]}
    assert store.find("clap", folders) is None
    file = put(tmp_path / "clap" / "model.safetensors")
    assert store.find("clap", folders) == file


def test_what_is_missing_names_file_source_licence_and_folder(tmp_path):
    with pytest.raises(FoleyError) as caught:
        store.locate("ac_foley", {"foleystage": [tmp_path]})
    for part in ("weights/ac_foley.pth", "FF2416/AC-Foley", "CC-BY-NC-4.0", str(tmp_path)):
        assert part in str(caught.value)


def test_an_unknown_name_suggests_near_ones():
    with pytest.raises(FoleyError, match="choose one of mmaudio_large_44k"):
        entry("mmaudio_large_44")


def test_listing_shows_every_row_with_its_file(tmp_path):
    file = put(tmp_path / "v1-16.pth")
    weights = describe_systems({"foleystage": [tmp_path]})["weights"]
    listed = {row["name"]: (row["found"], row["bytes"]) for row in weights}
    assert list(listed) == [row.name for row in ENTRIES]
    assert listed["mmaudio_vae_16k"] == (str(file), 7)
    assert listed["ac_foley"] == (None, None)
