"""Tables of captions and lists of videos: rows, or one sentence; no name leads out of them."""

from __future__ import annotations

import csv
from functools import partial

import pytest
from foleystage.core.errors import FoleyError
from foleystage.core.training.captions import read_captions
from foleystage.core.training.genex_clips import is_list, read_folder
from foleystage.core.training.video_folder import read_list

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as some  # noqa: E402
from properties import CHECKED  # noqa: E402

HEADS = ("file,caption\n", "file_name\tcaption\n", "youtube_id,start_time,caption\n", "")
LONG = "x" * (csv.field_size_limit() + 1)


def one_sentence(read, *arguments):
    try:
        return read(*arguments)
    except FoleyError as error:
        assert "\n" not in str(error)
        return None


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables") / "videos"
    folder.mkdir()
    (folder.parent / "outside.mp4").touch()
    return folder


@CHECKED
@given(head=some.sampled_from(HEADS), rest=some.text(max_size=60) | some.binary(max_size=60))
def test_tables_of_any_text(table, head, rest):
    for suffix in (".csv", ".tsv"):
        path = table.parent / f"table{suffix}"
        path.write_bytes(
            head.encode() + (rest if isinstance(rest, bytes) else rest.encode("utf-8"))
        )
        one_sentence(read_captions, path)
        one_sentence(read_list, path, table)
        assert is_list(path) in (True, False)


@pytest.mark.parametrize(
    "text",
    [f"a,0,{LONG},train\n", "a\0b,0,c,train\n", f"{LONG[:5000]},0,c,train\n", '"a,0,c,train\n'],
)
def test_lists_that_no_list_is(table, text):
    path = table.parent / "list.csv"
    path.write_text(text)
    assert one_sentence(read_list, path, table) is None
    path.write_text("file,caption\n" + text)
    one_sentence(read_captions, path)


@pytest.mark.parametrize("name", ["../outside", "../videos/../outside", "/etc/passwd"])
def test_no_name_leads_out_of_the_folder(table, name):
    path = table.parent / "list.csv"
    path.write_text(f"{name},0,c,train\n")
    with pytest.raises(FoleyError, match="None of the 1 videos"):
        read_list(path, table)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{}", "[]", '{"data": 3}', '{"data": [{"id": 1}]}']
)
def test_captions_as_json_that_are_none(table, text):
    (table / "captions.json").write_text(text)
    try:
        assert one_sentence(partial(read_folder, has_picture=True), table) is None
    finally:
        (table / "captions.json").unlink()
