"""Files of records (.jsonl, .json): one JSON object at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.reading.decode import Encoding, lines
from styledial.errors import DataError

_LARGEST_JSON = 1 << 28  # bytes; an array has to be read whole, .jsonl hasn't


def records(path: Path, encoding: Encoding, ledger: Ledger) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) for each record; what is no JSON object is counted as dropped.

    Raises DataError for a .json file that is no JSON, or too large to be read whole.
    """
    if path.suffix.lower() == ".json":
        yield from _array(path, encoding, ledger)
        return
    for number, text in enumerate(_whole_lines(path, encoding), 1):
        ledger.chars_in += len(text) + 1
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            yield number, value
        else:
            ledger.drop(Line(number, text), "not a JSON object")


def _whole_lines(path: Path, encoding: Encoding) -> Iterator[str]:
    """Lines as JSON needs them: never broken for length, unlike those of prose."""
    return lines(path, encoding, longest=None)


def _array(path: Path, encoding: Encoding, ledger: Ledger) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.stat().st_size > _LARGEST_JSON:
        raise DataError(
            f"{path}: is larger than {_LARGEST_JSON >> 20} MB, and a .json array has to be read "
            "whole. Save it as .jsonl, one object a line.",
            f"{path}：大于 {_LARGEST_JSON >> 20} MB，而 .json 数组必须整体读入。"
            "请另存为 .jsonl，每行一个对象。",
        )
    text = "\n".join(lines(path, encoding, longest=None))
    ledger.chars_in += len(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "depth"
        raise DataError(
            f"{path}: is not JSON ({place}). Mend it, or remove it from the folder.",
            f"{path}：不是合法的 JSON（{place}）。请修正，或移出文件夹。",
        ) from None
    for number, record in enumerate(value if isinstance(value, list) else [value], 1):
        if isinstance(record, dict):
            yield number, record
        else:
            ledger.drop(Line(number, str(record)), "not a JSON object")
