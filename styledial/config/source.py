"""Reading a YAML configuration so that every value knows its line.

PyYAML's plain loader forgets lines and keeps the last of two equal keys; here the node tree
is walked instead. Slips of a Chinese keyboard (full-width colons, digits) are corrected and noted.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from styledial.errors import ConfigError, Problem, UserError
from styledial.language import say, typed

_FULL_WIDTH_COLON = re.compile(r"^(\s*[\"']?[A-Za-zＡ-Ｚａ-ｚ_][\w＿－-]*[\"']?)\s*：\s*(.*)$")
# Ignored on purpose: https:// and windows C:\ need the space that YAML wants after a colon.
_LEADING_ZERO = re.compile(r"[-+]?0\d+")
_SEXAGESIMAL = re.compile(r"[-+]?\d+(:\d+)+(\.\d*)?")
# YAML takes spaces alone after a key and before a comment. What stands further on in a line is the
# value's own: `drop: 书名:　.*` is a pattern, and so is `广告　#.*`.
_BLANK = "\t\u00a0\u3000"
_BLANKS = {ord("\t"): "  ", ord("\u3000"): "  ", ord("\u00a0"): " "}
_AFTER_KEY = re.compile(rf"^(\s*[A-Za-z_][\w-]*:) *[{_BLANK}][ {_BLANK}]*(?=\S)")
_BEFORE_COMMENT = re.compile(
    rf"^(\s*[A-Za-z_][\w-]*: *[\w./+-]*) *[{_BLANK}][ {_BLANK}]*(?=#)", re.ASCII
)
_TAB_BEFORE_COMMENT = re.compile(r"[ \t]*\t[ \t]*(?=#)")  # a tab is no part of a plain value
# A value, without quotes, that begins with a sign of YAML's own: `lora_target_modules: *`.
_SIGN = re.compile(r"^(?P<key>\s*(- |[\w.-]+:))\s+(?P<value>[*&%@`!|>][^'\"]*)$")
_NO_SPACE = re.compile(r"^(\s*[A-Za-z_]\w*):([^\s/\\].*)$")


COMMAND_LINE = "command line"  # the place of a value that no file holds


@dataclass(frozen=True)
class Value:
    """A value and where the user wrote it ("file:line", "command line", "preset NAME").

    `commented`: the value with the YAML comment behind it, where there is one; in a path, `#`
    may have been meant. `typed`: the text of a value without quotes.
    """

    value: Any
    where: str
    commented: str | None = None
    typed: str | None = None

    @property
    def as_text(self) -> Any:
        """The value where text is wanted: a folder 2026 or a revision 1.0 as it was typed."""
        numeral = isinstance(self.value, int | float | date) and not isinstance(self.value, bool)
        return self.typed if numeral and self.typed else self.value


@dataclass
class Source:
    """One layer of configuration: "section.key" -> value, and what was odd about it."""

    values: dict[str, Value] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_yaml(path: Path, where: str | None = None) -> Source:
    """Read one file; `where` replaces "file:line" for files that the user didn't write.

    Raises UserError if the file can't be read, ConfigError if it isn't YAML.
    """
    source = Source()
    text = _mend(_read_text(path), path, source)
    try:
        root = tree_of(text)
    except (yaml.YAMLError, RecursionError) as error:  # brackets a thousand deep
        raise ConfigError([_syntax_problem(path, text, error)]) from None
    if root is None:
        return source
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(
            [
                Problem(
                    f"{path}:1",
                    "the file should have sections such as `model:` and `training:`",
                    "文件应由 model:、training: 等小节组成",
                )
            ]
        )
    lines = text.split("\n")
    for name, node, place in _items(root, path, source):
        if isinstance(node, yaml.MappingNode):
            for key, leaf, leaf_place in _items(node, path, source):
                source.values[f"{name}.{key}"] = Value(
                    _construct(leaf), where or leaf_place, _commented(leaf, lines), _plain(leaf)
                )
        elif not _is_null(node):
            # A key outside a section: kept under its bare name, the resolver explains it.
            source.values[name] = Value(_construct(node), where or place)
    return source


@functools.lru_cache(maxsize=4)  # a run reads its settings again for its report and the doctor
def tree_of(text: str) -> yaml.Node | None:
    """The nodes of a YAML file, each with its place; to be read, not changed."""
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such configuration file. Check the path, or write a fresh one with "
            f"`styledial config init {typed(path)}`.",
            f"{path}：没有这个配置文件。请检查路径，"
            f"或用 `styledial config init {typed(path)}` 新建。",
        ) from None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}). A configuration is a text file.",
            f"{path}：无法读取（{error.strerror}）。配置应是一个文本文件。",
        ) from None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UserError(
        f"{path}: is not text in UTF-8 or GB18030. Save it as UTF-8.",
        f"{path}：不是 UTF-8 或 GB18030 文本。请另存为 UTF-8。",
    )


def _mend(text: str, path: Path, source: Source) -> str:
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        corrected = _FULL_WIDTH_COLON.sub(r"\1: \2", line)
        corrected = _NO_SPACE.sub(r"\1: \2", corrected)
        indent = corrected[: len(corrected) - len(corrected.lstrip())]
        corrected = indent.translate(_BLANKS) + corrected.lstrip()
        if not corrected.lstrip().startswith("#") and not set("\"'") & set(corrected):
            corrected = _AFTER_KEY.sub(r"\1 ", corrected)
            corrected = _BEFORE_COMMENT.sub(r"\1 ", corrected)
            corrected = _TAB_BEFORE_COMMENT.sub(" ", corrected)
        if corrected != line:
            source.notes.append(
                say(
                    f"{path}:{number}: read as `{corrected.strip()}`",
                    f"{path}:{number}：按 `{corrected.strip()}` 读取",
                )
            )
        lines.append(corrected)
    return "\n".join(lines)


def _syntax_problem(path: Path, text: str, error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    line = text.split("\n")[mark.line] if mark and mark.line <= text.count("\n") else ""
    if sign := _SIGN.match(line):
        key, value = sign["key"].strip(), sign["value"].strip()
        return Problem(
            where,
            f"{value[0]} begins something else in YAML; write the value in quotes: {key} '{value}'",
            f"值以 {value[0]} 开头，在 YAML 中另有含义；请加引号：{key} '{value}'",
        )
    reason = getattr(error, "problem", None) or "not YAML"
    return Problem(
        where,
        f"cannot be read as YAML ({reason}); write `key: value`, two spaces in front inside a "
        "section, quotes closed",
        f"不是合法的 YAML（{reason}）；请写成 `键: 值`，小节内缩进两个空格，引号成对",
    )


def _items(node: yaml.MappingNode, path: Path, source: Source) -> list[tuple[str, yaml.Node, str]]:
    """(key, value node, "file:line") in order; a repeated key is a problem."""
    seen: dict[str, int] = {}
    items = []
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else _as_yaml(key_node)
        line = key_node.start_mark.line + 1
        if key in seen:
            source.problems.append(
                Problem(
                    f"{path}:{line}",
                    f"`{key}` is already set at line {seen[key]}; keep one of the two",
                    f"`{key}` 在第 {seen[key]} 行已经写过；请只保留一处",
                )
            )
        seen[key] = line
        items.append((key, value_node, f"{path}:{line}"))
    return items


def _commented(node: yaml.Node, lines: list[str]) -> str | None:
    """An unquoted value with the comment behind it, as they stand in the line."""
    if not isinstance(node, yaml.ScalarNode) or node.style is not None:
        return None
    line = lines[node.end_mark.line] if node.end_mark.line < len(lines) else ""
    rest = line[node.end_mark.column :]
    return (node.value + rest).rstrip() if re.match(r"\s+#", rest) else None


def _construct(node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode) and node.style is None:
        if not node.value:
            return ""  # `anchor:`, and not `anchor: null`
        # YAML 1.1 reads 0100 as the octal 64 and 1:30 as 90 seconds; people don't.
        if _LEADING_ZERO.fullmatch(node.value):
            return int(node.value)
        if _SEXAGESIMAL.fullmatch(node.value):
            return node.value
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError):
        return node.value if isinstance(node, yaml.ScalarNode) else _as_yaml(node)
    finally:
        loader.dispose()


def _plain(node: yaml.Node) -> str | None:
    return node.value if isinstance(node, yaml.ScalarNode) and node.style is None else None


def _as_yaml(node: yaml.Node) -> str:
    return str(yaml.serialize(node)).strip().removesuffix("\n...")


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def parse_assignment(text: str) -> tuple[str, Any]:
    """`section.key=value` from the command line; the value is read as YAML reads it.

    Raises UserError where there is no `=`.
    """
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise UserError(
            f"{text}: not understood. Settings are given as section.key=value, "
            "for example training.max_steps=100.",
            f"{text}：无法理解。设置写成 section.key=value，例如 training.max_steps=100。",
        )
    if not raw.strip():
        return key.strip().lstrip("-"), ""  # and not YAML's null: nothing was said
    try:
        node = yaml.compose(raw, Loader=yaml.SafeLoader)
        if isinstance(node, yaml.ScalarNode):
            # A comment in a file; here a part of the value, as in `my novels #2`. Nor is a line
            # break a space, as YAML has it.
            own = node.style is None and (" #" in raw or "\n" in raw.strip())
            value = raw.strip() if own else _construct(node)
        else:
            value = yaml.safe_load(raw)
    except (yaml.YAMLError, RecursionError):
        value = raw
    return key.strip().lstrip("-"), value
