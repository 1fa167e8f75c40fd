"""What the user decides against the rules of cleaning, by line and by file."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NoReturn

from styledial.errors import DataError


@dataclass(frozen=True)
class Overrides:
    """`keep` and `drop`: regular expressions, searched for in each line; a line of both is kept.
    `encoding`: FILE=NAME, the file by its path inside the folder, * and ? allowed.

    Raises DataError for what is no pattern, no FILE=NAME or no encoding.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    encoding: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for setting, patterns in (("keep", self.keep), ("drop", self.drop)):
            for pattern in patterns:
                _check_pattern(setting, pattern)
        for rule in self.encoding:
            _check_encoding(rule)

    def keeps(self, text: str) -> bool:
        """Whether no rule may take this line."""
        return bool(self.keep) and _any_of(self.keep).search(text) is not None

    def drops(self, text: str) -> bool:
        """Whether the line goes, whatever the rules say."""
        found = bool(self.drop) and _any_of(self.drop).search(text) is not None
        return found and not self.keeps(text)

    def encoding_of(self, file: str) -> str:
        """The encoding that the user names for a file; empty where it is to be found."""
        for rule in self.encoding:
            pattern, _, name = rule.rpartition("=")
            if fnmatchcase(file, pattern.strip()):
                return name.strip()
        return ""


NONE = Overrides()


@lru_cache(maxsize=8)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


def _check_pattern(setting: str, pattern: str) -> None:
    try:
        empty = re.compile(pattern).search("") is not None
    except re.error as error:
        _refuse(
            setting, pattern, f"is no regular expression ({error})", f"不是正则表达式（{error}）"
        )
    if empty:
        _refuse(setting, pattern, "fits every line", "与任何一行都匹配")


def _check_encoding(rule: str) -> None:
    file, _, name = rule.rpartition("=")
    if not file.strip():
        _refuse("encoding", rule, "is not FILE=NAME", "不是「文件=编码」的形式")
    try:
        text = codecs.lookup(name.strip())._is_text_encoding
    except LookupError:
        text = False
    if not text:
        _refuse("encoding", rule, f"names no encoding ({name})", f"中的编码未知（{name}）")


def _refuse(setting: str, value: str, en: str, zh: str) -> NoReturn:
    shown = "old.txt=gb18030" if setting == "encoding" else "^作者有话说"
    raise DataError(
        f"data.{setting}: {value!r} {en}. Write it as in {shown!r}.",
        f"data.{setting}：{value!r} {zh}。写法如 {shown!r}。",
    ) from None
