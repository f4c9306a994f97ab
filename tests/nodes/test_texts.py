"""Locales and help pages say what the schemas say."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("texts", Path(__file__).parent / "texts.py")
texts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(texts)

WRITE = bool(os.environ.get("FOLEYSTAGE_WRITE_TEXTS"))
HOW = "run make node-texts"
TRANSLATIONS = sorted(p.name for p in texts.LOCALES.iterdir() if p.is_dir() and p.name != "en")
# The frontend reads these as commands of its message format.
COMMANDS = re.compile(r"[@{}|]")


@pytest.fixture(scope="module")
def source(nodes):
    """The English texts; the files are written first where that is asked for."""
    made = texts.english(nodes)
    if WRITE:
        texts.write_definitions("en", made)
        texts.write_node_list(nodes)
        for locale in TRANSLATIONS:
            joined = texts.with_english_lists(texts.definitions(locale), made)
            texts.write_definitions(locale, joined)
        for locale in ("en", *TRANSLATIONS):
            write_pages(nodes, locale)
    return made


def write_pages(nodes, locale):
    for name, entry in texts.definitions(locale).items():
        path = texts.page_of(name, locale)
        path.parent.mkdir(exist_ok=True)
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        if name in nodes:
            page = texts.help_page(nodes[name], entry, old, locale)
            path.write_text(page, encoding="utf-8")


def test_the_english_locale_is_what_the_schemas_say(source):
    said, written = texts.leaves(source), texts.leaves(texts.definitions("en"))
    differing = sorted(key for key in said | written if said.get(key) != written.get(key))
    assert not differing, f"{HOW}: {differing}"


@pytest.mark.parametrize("locale", TRANSLATIONS)
def test_a_translation_says_everything(source, locale):
    own = texts.definitions(locale)
    missing = sorted(texts.leaves(source).keys() - texts.leaves(own).keys())
    assert not missing, f"locales/{locale}/nodeDefs.json lacks {missing}"
    unknown = sorted(texts.leaves(own).keys() - texts.leaves(source).keys())
    assert not unknown, f"locales/{locale}/nodeDefs.json has {unknown}, which no node has"
    assert own == texts.with_english_lists(own, source), f"lists of weights are old: {HOW}"
    untranslated = [k for k, v in texts.leaves(own).items() if k[-7:] == "tooltip" and v.isascii()]
    assert not untranslated, f"locales/{locale}/nodeDefs.json is English at {untranslated}"


@pytest.mark.parametrize("locale", ["en", *TRANSLATIONS])
def test_no_text_is_a_command_of_the_frontend(locale):
    for path in (texts.LOCALES / locale).glob("*.json"):
        for key, text in texts.leaves(json.loads(path.read_text(encoding="utf-8"))).items():
            assert text.strip() and not COMMANDS.search(text), f"{locale}/{path.name}: {key}"


@pytest.mark.parametrize("locale", TRANSLATIONS)
def test_categories_and_types_are_translated(nodes, locale):
    own = json.loads((texts.LOCALES / locale / "main.json").read_text(encoding="utf-8"))
    folders = {part for n in nodes.values() for part in n.GET_SCHEMA().category.split("/")}
    assert folders == set(own["nodeCategories"])
    types = {
        value.get_io_type()
        for node in nodes.values()
        for value in (*node.GET_SCHEMA().inputs, *node.GET_SCHEMA().outputs)
        if value.get_io_type().startswith("FOLEY_")
    }
    assert types == set(own["dataTypes"])


@pytest.mark.parametrize("locale", ["en", *TRANSLATIONS])
def test_help_pages_say_what_the_schemas_say(nodes, source, locale):
    for name, entry in texts.definitions(locale).items():
        path = texts.page_of(name, locale)
        assert path.is_file(), f"{path} is missing: {HOW}"
        page = path.read_text(encoding="utf-8")
        assert page == texts.help_page(nodes[name], entry, page, locale), f"{path} is old: {HOW}"
        assert texts.own_words(page), f"{path} says nothing of its own above the picture"


def test_the_manager_s_list_names_every_node(nodes):
    assert json.loads(texts.NODE_LIST.read_text(encoding="utf-8")) == texts.node_list(nodes), HOW


def test_the_read_me_names_every_node(nodes):
    said = " ".join((texts.ROOT / "README.md").read_text(encoding="utf-8").split())
    for node in nodes.values():
        assert node.GET_SCHEMA().display_name in said, "name it in README.md, section ComfyUI"


def test_every_help_page_has_its_picture(nodes):
    for name in nodes:
        picture = texts.PAGES / "images" / f"{name}.webp"
        assert picture.is_file(), f"{picture.name} is missing: run make node-pictures"
        assert picture.stat().st_size < 40_000, picture.name
