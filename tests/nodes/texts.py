"""What the schemas say, as ComfyUI's English locale and as the tables of the help pages.

`make node-texts` writes both anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from comfy_api.latest import io

ROOT = Path(__file__).resolve().parents[2]
LOCALES, PAGES = ROOT / "locales", ROOT / "web" / "docs"
# ComfyUI Manager finds the pack of a missing node here: its scanner cannot run our schemas.
NODE_LIST = ROOT / "node_list.json"
# The frontend's own name for its audio player: nothing that an artist sets.
PLAYER = "audioUI"
NUMBERS = (io.Int.Input, io.Float.Input)
# What the tables of a help page say besides the texts of a locale.
WORDS = {
    "zh": {
        "Inputs": "输入",
        "Outputs": "输出",
        "name": "名称",
        "takes": "接受",
        "default": "默认",
        "meaning": "含义",
        "type": "类型",
        "on or off": "开或关",
        "text": "文本",
        "choice": "选项",
        "on": "开",
        "off": "关",
        " (optional)": "（可选）",
        " and up": " 起",
        " to ": " 到 ",
        " or ": " 或 ",
    },
}
WORDS["en"] = {word: word for word in WORDS["zh"]}


def definitions(locale: str) -> dict[str, Any]:
    """nodeDefs.json of a locale; empty where there is none."""
    path = LOCALES / locale / "nodeDefs.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write_definitions(locale: str, texts: dict[str, Any]) -> None:
    path = LOCALES / locale / "nodeDefs.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def node_list(nodes: dict[str, Any]) -> dict[str, str]:
    """Ids and what they are."""
    return {name: node.GET_SCHEMA().display_name for name, node in sorted(nodes.items())}


def write_node_list(nodes: dict[str, Any]) -> None:
    NODE_LIST.write_text(json.dumps(node_list(nodes), indent=2) + "\n", encoding="utf-8")


def english(nodes: dict[str, Any]) -> dict[str, Any]:
    """nodeDefs.json as the schemas say it."""
    texts = {}
    for name, node in nodes.items():
        schema = node.GET_SCHEMA()
        inputs = {
            value.id: {"name": value.display_name or value.id, "tooltip": value.tooltip}
            for value in schema.inputs
            if value.id != PLAYER
        }
        outputs = {
            str(index): {"name": value.display_name, "tooltip": value.tooltip}
            for index, value in enumerate(schema.outputs)
        }
        texts[name] = {
            "display_name": schema.display_name,
            "description": schema.description,
            "inputs": inputs,
            "outputs": outputs,
        }
    return texts


def with_english_lists(texts: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    """A translation whose tooltips end in the lists that the English ones end in.

    Names and licences of weights follow the first line of a tooltip; they are not translated.
    """
    joined = json.loads(json.dumps(texts))
    for name, entry in source.items():
        for key, value in entry["inputs"].items():
            _, newline, rest = value["tooltip"].partition("\n")
            own = joined.get(name, {}).get("inputs", {}).get(key)
            if newline and own:
                own["tooltip"] = own["tooltip"].partition("\n")[0] + newline + rest
    return joined


def leaves(texts: dict[str, Any], path: str = "") -> dict[str, str]:
    """Every text of a definition by its dotted place."""
    if isinstance(texts, str):
        return {path: texts}
    found: dict[str, str] = {}
    for key, value in texts.items():
        found |= leaves(value, f"{path}.{key}" if path else key)
    return found


def page_of(name: str, locale: str) -> Path:
    """Where the frontend looks for a help page."""
    return PAGES / f"{name}.md" if locale == "en" else PAGES / name / f"{locale}.md"


def help_page(node: Any, entry: dict[str, Any], old: str, locale: str = "en") -> str:
    """A page whose title, first line, picture and tables are the schema's, in words of `entry`.

    What stands between them was written by hand, and stays.
    """
    schema, words = node.GET_SCHEMA(), WORDS[locale]
    parts = [
        f"# {entry['display_name']}",
        entry["description"],
        own_words(old),
        f"![{entry['display_name']}](images/{schema.node_id}.webp)",
        f"## {words['Inputs']}\n\n{_inputs(schema, entry, words)}" if schema.inputs else "",
        f"## {words['Outputs']}\n\n{_outputs(schema, entry, words)}" if schema.outputs else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def own_words(page: str) -> str:
    """Between the first line and the picture, or the tables of a page that has none."""
    body = page.partition("\n## ")[0].partition("\n![")[0]
    return "\n\n".join(body.strip().split("\n\n")[2:])


def _inputs(schema: io.Schema, entry: dict[str, Any], words: dict[str, str]) -> str:
    rows = [_row(*(words[key] for key in ("name", "takes", "default", "meaning"))), _row(*4 * "-")]
    for value in schema.inputs:
        if value.id != PLAYER:
            text = entry["inputs"][value.id]
            name = text["name"] + (words[" (optional)"] if value.optional else "")
            rows.append(_row(name, _takes(value, words), _default(value, words), text["tooltip"]))
    return "\n".join(rows)


def _outputs(schema: io.Schema, entry: dict[str, Any], words: dict[str, str]) -> str:
    rows = [_row(*(words[key] for key in ("name", "type", "meaning"))), _row(*3 * "-")]
    for value, text in zip(schema.outputs, entry["outputs"].values(), strict=True):
        rows.append(_row(text["name"], value.get_io_type(), text["tooltip"]))
    return "\n".join(rows)


def _row(*cells: str) -> str:
    if set(cells) == {"-"}:
        return "|" + "---|" * len(cells)
    return "| " + " | ".join(cell.partition("\n")[0] for cell in cells) + " |"


def _takes(value: io.Input, words: dict[str, str]) -> str:
    if isinstance(value, NUMBERS):
        most = words[" and up"] if value.max > 1e9 else f"{words[' to ']}{value.max:g}"
        return f"{value.min:g}{most}"
    kinds = {io.Boolean.Input: "on or off", io.String.Input: "text", io.Combo.Input: "choice"}
    kind = next((words[word] for known, word in kinds.items() if isinstance(value, known)), None)
    return kind or value.get_io_type().replace(",", words[" or "])


def _default(value: io.Input, words: dict[str, str]) -> str:
    default = getattr(value, "default", None)
    if isinstance(default, bool):
        return words["on" if default else "off"]
    return f"{default:g}" if isinstance(value, NUMBERS) else str(default or "")
