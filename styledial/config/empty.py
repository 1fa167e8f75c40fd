"""Settings without a value: `anchor:` in a file, `data.anchor=` where a shell variable is unset."""

from __future__ import annotations

from types import NoneType
from typing import Any

from pydantic.fields import FieldInfo

from styledial.config.allowed import allowed, in_words, takes
from styledial.config.source import COMMAND_LINE, Value
from styledial.errors import Problem
from styledial.keyboard import plain


def is_blank(value: Any) -> bool:
    """Whether a value, or a name in a list of them, is nothing but blanks."""
    parts = value if isinstance(value, list) else [value]
    return any(isinstance(part, str) and not plain(part) for part in parts)


def without_value(name: str, value: Value, field: FieldInfo) -> list[Problem]:
    """The problem of a setting that `is_blank`; none where a file has nothing after the colon and
    null is allowed, which YAML reads it as."""
    null = takes(field, NoneType) and isinstance(value.value, str)
    if null and value.where != COMMAND_LINE:
        return []
    (en, zh), usual = allowed(field), in_words(field.default)
    return [
        Problem(
            value.where,
            f"{name} has no value, or an empty one; allowed: {en} (default {usual}). "
            "Write one, or leave the setting out",
            f"{name} 没有写值，或写了空值；允许：{zh}（默认 {usual}）。请写上，或去掉这一项",
        )
    ]
