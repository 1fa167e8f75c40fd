"""Files of records (.jsonl, .json): one JSON object at a time, in whatever way they are written.

{..}\\n{..}\\n      an object a line
[{..}, {..}]      an array; also of strings
{"data": [..]}    an array in a wrapper
{..indented..}    objects over several lines, one after the other
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.dialogues import is_dialogue
from styledial.data.reading.decode import Encoding, lines
from styledial.data.reading.markup import Page
from styledial.data.reading.shapes import chapters_of, only_text, settled, text_in
from styledial.errors import DataError

_LARGEST_JSON = 1 << 28  # bytes; an array has to be read whole, lines of objects haven't
_TEXT_KEYS = (
    "text", "content", "novel_content", "chapter_content", "chapter_text", "text_content", "body",
    "story", "passage", "paragraph", "paragraphs", "article", "document", "raw_content",
    "raw_text", "novel", "completion", "output", "doc", "page_content", "full_text", "chunk",
    "sentence", "markdown", "html", "raw", "lines", "正文", "内容", "文本", "章节内容", "小说",
    "全文",
)  # fmt: skip
_TITLE_KEYS = (
    "title", "chapter_title", "chapter_name", "chapter", "heading", "标题", "章节标题", "章节名称",
    "章节名", "回目", "章节",
)  # fmt: skip
_LIST_KEYS = (
    "chapters",
    "data",
    "records",
    "items",
    "rows",
    "examples",
    "train",
    "novels",
    "章节列表",
)
_A_PAGES_ROW = {"row_idx", "row", "truncated_cells"}  # of a page of a data set, as hubs give it
_ROLES = ("system", "user", "assistant", "tool")
_LOOKED_AT = 20  # lines
_PARSED = 200  # lines of a file of any name; later ones are judged by their braces
_OBJECTS = 0.9  # so many are objects where it is one of records: a novel may begin with some
_MARKUP = re.compile(r"<(?:p|br|div|h[1-6]|span)\b[^<>]*/?>", re.I)


def records(path: Path, encoding: Encoding, ledger: Ledger) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) for each record; what is no JSON object is counted as dropped.

    Raises DataError for a file that is no JSON, or too large to be read whole.
    """
    if _an_object_a_line(path, encoding):
        found = _lines_of_objects(path, encoding, ledger)
    else:
        found = enumerate(_unwrapped(_whole(path, encoding, ledger)), 1)
    for number, value in found:
        record = {"text": value} if isinstance(value, str) else value
        if isinstance(record, dict):
            yield number, settled(record)
        else:
            ledger.drop(Line(number, str(record)), "not a JSON object")


def text_of(record: dict[str, Any]) -> tuple[list[str], bool] | None:
    """(lines of a record's text, whether its first is a # heading); None for another shape."""
    if _is_turn(record):
        return None
    for key in (*_TEXT_KEYS, ""):
        value = text_in(record.get(key)) if key else only_text(record, _TEXT_KEYS)
        if value is not None:
            rows = Page(value).lines if _MARKUP.search(value) else value.splitlines()
            title = next((record[k] for k in _TITLE_KEYS if isinstance(record.get(k), str)), "")
            title = title.strip() if title.strip() != value.strip() else ""
            return ([f"# {title}", *rows], True) if title else (rows, False)
    return None


def _is_turn(value: Any) -> bool:
    """Whether an object is one turn of a dialogue, and no text of its own."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("content"), str)
        and (value.get("role") in _ROLES and not value.keys() & set(_TITLE_KEYS))
    )


def _are_turns(value: Any) -> bool:
    """Whether an array is a dialogue on a line."""
    return isinstance(value, list) and len(value) > 1 and all(map(_is_turn, value))


def holds_records(path: Path, encoding: Encoding) -> bool:
    """Whether nearly all lines of a file of any name are objects, by number and by length."""
    filled = (text for text in lines(path, encoding) if text.strip())
    first = list(itertools.islice(filled, 3))
    if not first or not all(map(_is_object, first)):
        return False
    count = held = objects = size = 0
    for text in itertools.chain(first, filled):
        good = _is_object(text) if count < _PARSED else text.strip().endswith(("}", "},"))
        count, held = count + 1, held + len(text)
        if good and text.lstrip("\ufeff ").startswith("{"):
            objects, size = objects + 1, size + len(text)
    return objects >= _OBJECTS * count and size >= _OBJECTS * held


def _is_object(text: str) -> bool:
    row = text.strip("\ufeff ")
    return row.startswith("{") and isinstance(_parsed(row), dict)


def is_empty(record: dict[str, Any]) -> bool:
    """A record with a key for text that holds none."""
    return any(key in record and not record[key] for key in _TEXT_KEYS)


def unknown_shape(path: Path, keys: list[str]) -> DataError:
    """The error for a file whose records have none of the known `keys`."""
    listed = ", ".join(keys[:12])
    return DataError(
        f"{path}: its records have an unknown shape, with the keys {listed}. Text is read from "
        "text or content; dialogues from messages, conversations, instruction and output, prompt "
        "and completion, question and answer. Rename the keys.",
        f"{path}：记录的结构无法识别，字段为 {listed}。正文请放在 text 或 content；"
        "对话请用 messages、conversations、instruction 与 output、prompt 与 completion、"
        "question 与 answer。请改字段名。",
    )


def _an_object_a_line(path: Path, encoding: Encoding) -> bool:
    """Whether any of the first lines is an object of its own; where none is JSON, by the name."""
    by_line = path.suffix.lower() != ".json"
    filled = (text for text in lines(path, encoding, longest=None) if text.strip())
    begins = ""
    for text in itertools.islice(filled, _LOOKED_AT):
        row = text.removeprefix("\ufeff").rstrip().rstrip(",")
        begins = begins or row.lstrip()[:1]
        if begins == "[" and not by_line:
            return False
        value = _parsed(row)
        if isinstance(value, dict) and row[0] == "{":
            return by_line or not _wraps(value)
    return by_line and begins not in ("[", "{")


def _wraps(value: dict[str, Any]) -> bool:
    return _inside(value) is not None


def _inside(value: dict[str, Any]) -> list[Any] | None:
    """The records in a wrapper, or the chapters of a book by their titles."""
    for key in _LIST_KEYS:
        if isinstance(value.get(key), list):
            return list(value[key])
        if chapters := chapters_of(value.get(key)):
            return chapters
    known = any(str(key).lower() in (*_TEXT_KEYS, *_TITLE_KEYS) for key in value)
    return None if known or is_dialogue(settled(value)) else chapters_of(value)


def _lines_of_objects(path: Path, encoding: Encoding, ledger: Ledger) -> Iterator[tuple[int, Any]]:
    """(number, value) of each line; also of an array with an element a line."""
    for number, text in enumerate(lines(path, encoding, longest=None), 1):
        ledger.chars_in += len(text) + 1
        row = text.strip().removeprefix("\ufeff").rstrip(",")
        if row and row not in ("[", "]"):
            value = _parsed(row)
            if value is None:
                ledger.drop(Line(number, text), "not a JSON object")
            else:
                yield number, value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _whole(path: Path, encoding: Encoding, ledger: Ledger) -> list[Any]:
    """The values of a file that has to be read whole."""
    if path.stat().st_size > _LARGEST_JSON:
        raise DataError(
            f"{path}: is larger than {_LARGEST_JSON >> 20} MB, and a .json array is read into "
            "memory whole. Save it as .jsonl, one object a line.",
            f"{path}：大于 {_LARGEST_JSON >> 20} MB，而 .json 数组必须整体读入。"
            "请另存为 .jsonl，每行一个对象。",
        )
    text = "\n".join(lines(path, encoding, longest=None)).strip("\ufeff \n")
    ledger.chars_in += len(text)
    try:
        return _values(text)
    except (ValueError, RecursionError) as error:
        fixed = _leniently(text)
        if fixed is not None:
            return fixed
        place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "depth"
        raise DataError(
            f"{path}: is not JSON ({place}). Correct it, or remove it from the folder.",
            f"{path}：不是合法的 JSON（{place}）。请修正，或移出文件夹。",
        ) from None


def _values(text: str) -> list[Any]:
    """One value, or several one after the other."""
    decoder = json.JSONDecoder()
    found, at = [], 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        at = re.compile(r"[\s,]*").match(text, at).end()  # type: ignore[union-attr]
    return found


def _leniently(text: str) -> list[Any] | None:
    """JSON with a comma too many, or what Python prints for a list."""
    try:
        return _values(re.sub(r",(\s*[\]}])", r"\1", text))
    except (ValueError, RecursionError):
        pass
    if not re.match(r"[\[{]\s*['{\[]", text):
        return None
    try:
        return [ast.literal_eval(text)]
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _unwrapped(values: list[Any]) -> Iterator[Any]:
    """The records inside arrays and wrappers; a record of a known shape is one itself."""
    for value in values:
        if _are_turns(value):
            yield {"messages": value}
        elif isinstance(value, list):
            yield from _unwrapped(value)
        elif isinstance(value, dict) and not is_dialogue(value) and (inner := _inside(value)):
            yield from _unwrapped(inner)
        elif isinstance(value, dict) and isinstance(row := value.get("row"), dict):
            yield row if value.keys() <= _A_PAGES_ROW else value
        else:
            yield value
