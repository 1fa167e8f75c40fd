"""Records as people write them -> the plain shapes that are read.

Text           {"content": {"text"}}, {"paragraphs": [{"text"}]}, {"第一章": "…", "第二章": "…"}
{"prompt": [..], "completion": [..]}, {"messages": "[..]"}        -> {"messages": [..]}
{"question", "answer": {"text"} or "answers": [..]}                 -> {"question", "answer"}
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from styledial.data.dialogues import TURNS

_ANSWERS = ("answer", "output", "response", "completion", "target", "chosen")
_ASKED = {
    "prompt", "question", "query", "instruction", "input", "system", "user", "human", "assistant",
    "messages", "conversations", "conversation", "dialogue", "dialog", "tools", "role", "from",
    "url", "answer", "response", "chosen", "rejected", "summary", "description",
}  # fmt: skip
_TEXT = 200  # characters
_TIMES = 5  # a text is so many times longer than what else its record says
_CHAPTER = 100  # characters, mean: shorter values under unknown keys are no chapters


def settled(record: dict[str, Any]) -> dict[str, Any]:
    """The record with keys in small letters and its turns and answers unwrapped."""
    small = {str(key).strip().lower(): value for key, value in record.items()}
    small = {**small, **{key: record[key] for key in small if key in record}}
    for key in TURNS:
        if isinstance(small.get(key), str):
            small[key] = _parsed_list(small[key])
    asked = _turns_in(small.get("prompt"))
    if answered := _turns_in(small.get("completion", small.get("chosen"))):
        return {"messages": [*asked, *(turn for turn in answered if turn not in asked)]}
    if "answers" in small:
        small.setdefault("answer", small.pop("answers"))
    for key in _ANSWERS:
        if key in small:
            small[key] = _answer(small[key])
    return small


def text_in(value: Any) -> str | None:
    """The text of a value: a string, strings or {"text"} in a list, {"text"}; else None."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return next((v for k in ("text", "content") if isinstance(v := value.get(k), str)), None)
    if not isinstance(value, list) or not value:
        return None
    parts = [text_in(part) for part in value if not isinstance(part, list)]
    found = [part for part in parts if part is not None]
    return "\n".join(found) if len(found) == len(value) else None


def chapters_of(value: Any) -> list[dict[str, Any]] | None:
    """Records of {title: text}; None where a value is no text, or too short for a chapter."""
    if not isinstance(value, dict) or len(value) < 2:
        return None
    texts = [text_in(text) for text in value.values()]
    found = [text for text in texts if text is not None]
    if len(found) < len(texts) or sum(map(len, found)) < _CHAPTER * len(found):
        return None
    return [{"title": str(key), "text": text} for key, text in zip(value, found, strict=True)]


def only_text(record: dict[str, Any], keys: Collection[str]) -> str | None:
    """The one long value of a record, at any depth under one of `keys`; None where there are
    several, or where it stands under the key of a question."""
    found: dict[str, list[str]] = {}
    _leaves(record, "", found)
    sizes = sorted(((sum(map(len, texts)), key) for key, texts in found.items()), reverse=True)
    path = set(sizes[0][1].split(".")) if sizes else set()
    if path & _ASKED or not path & set(keys) or sizes[0][0] < _TEXT:
        return None
    alone = len(sizes) == 1 or sizes[0][0] >= _TIMES * sizes[1][0]
    return "\n".join(found[sizes[0][1]]) if alone else None


def _leaves(value: Any, key: str, found: dict[str, list[str]]) -> None:
    if isinstance(value, str):
        found.setdefault(key, []).append(value)
    elif isinstance(value, list):
        for part in value:
            _leaves(part, key, found)
    elif isinstance(value, dict):
        for name, part in value.items():
            _leaves(part, f"{key}.{str(name).lower()}", found)


def _parsed_list(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, list) else text


def _turns_in(value: Any) -> list[Any]:
    """The turns of TRL's conversational records, of which some repeat the question; else none."""
    turns = isinstance(value, list) and all(isinstance(turn, dict) for turn in value)
    return value if turns else []


def _answer(value: Any) -> Any:
    """The first of several answers; the text of one that says more than its text."""
    if isinstance(value, list) and value and isinstance(value[0], str | dict):
        value = value[0]
    return text_in(value) if isinstance(value, dict) else value
