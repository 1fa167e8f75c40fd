"""Descriptions of a field for users: allowed values, its sentence, values written as YAML."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import annotated_types as limits
import yaml
from pydantic.fields import FieldInfo

from styledial.language import language

_TYPES = {
    bool: ("true or false", "true 或 false"),
    int: ("a whole number", "整数"),
    float: ("a number", "数字"),
    str: ("text", "文字"),
    NoneType: ("null", "null"),
}
_LIMITS = {limits.Ge: ("ge", ">="), limits.Gt: ("gt", ">"), limits.Le: ("le", "<="),
           limits.Lt: ("lt", "<")}  # fmt: skip


def allowed(field: FieldInfo) -> tuple[str, str]:
    """What a field takes, in English and Chinese: "a whole number, >= 1, <= 1024"."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "allowed" in extra:
        en, zh = map(str, cast("list[str]", extra["allowed"]))
        return en, zh
    return _bounded(_type_words(field.annotation), field.metadata)


def _bounded(words: tuple[str, str], metadata: Iterable[Any]) -> tuple[str, str]:
    bounds = [
        f"{sign} {getattr(limit, name):.10g}"
        for limit in metadata
        for kind, (name, sign) in _LIMITS.items()
        if isinstance(limit, kind)
    ]
    return ", ".join([words[0], *bounds]), "，".join([words[1], *bounds])


def _type_words(annotation: Any) -> tuple[str, str]:
    origin = get_origin(annotation)
    if origin is Annotated:
        kind, *about = get_args(annotation)
        limits_of = [limit for each in about for limit in getattr(each, "metadata", [each])]
        return _bounded(_type_words(kind), limits_of)
    if origin is Literal:
        choices = ", ".join(str(choice) for choice in get_args(annotation))
        if len(get_args(annotation)) == 1:
            return choices, choices
        return f"one of {choices}", f"{choices} 之一"
    if origin in (Union, UnionType):
        parts = [_type_words(part) for part in get_args(annotation)]
        return " or ".join(en for en, _ in parts), " 或 ".join(zh for _, zh in parts)
    if origin is list:
        return "a list of names", "名称列表"
    return _TYPES[annotation]


def takes(field: FieldInfo, kind: type) -> bool:
    """Whether the field's type is `kind` or a union that has it."""
    parts = [field.annotation, *get_args(field.annotation)]
    return kind in [get_args(p)[0] if get_origin(p) is Annotated else p for p in parts]


def describe(field: FieldInfo) -> str:
    """The field's one sentence, in the user's language."""
    en, zh = both(field)
    return zh if language() == "zh" else en


def both(field: FieldInfo) -> tuple[str, str]:
    """The field's sentence in English and in Chinese."""
    extra = field.json_schema_extra
    assert isinstance(extra, dict)  # schema.setting is the only maker of fields
    return str(field.description), str(extra["zh"])


def shown_default(field: FieldInfo) -> Any:
    """What the YAML template writes for the field."""
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    return extra.get("shown", field.default)


def in_words(value: Any) -> str:
    """A value within a sentence: text as it is, everything else as YAML has it (null, true)."""
    return value if isinstance(value, str) else as_yaml(value)


def as_yaml(value: Any) -> str:
    """One value as YAML writes it on one line, in a form that reads back the same."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, float):
        # PyYAML reads 1e-05 as text; a plain decimal is safe everywhere.
        plain = f"{value:.12f}".rstrip("0")
        return (
            (plain + "0" if plain.endswith(".") else plain)
            if float(plain) == value
            else repr(value).replace("e", ".0e" if "." not in repr(value) else "e")
        )
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6).split(
        "\n"
    )[0]
