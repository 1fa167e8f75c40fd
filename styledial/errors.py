"""Exceptions with a message for the user, and their exit codes.

StyleDialError          exit code 1: the program failed
└── UserError           exit code 2: bad input, one clear sentence, no traceback
    ├── ConfigError     every problem of a configuration at once
    ├── DataError       a folder or a file that cannot be used as text
    ├── ModelError      a base model that is not available or cannot be read
    └── AdapterError    an adapter folder that cannot be used
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from styledial.language import say


class StyleDialError(Exception):
    """A failure with a message for the user; `en` and `zh` are the same sentence."""

    exit_code = 1

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en, zh)
        self.en, self.zh = en, zh

    def __str__(self) -> str:
        return say(self.en, self.zh)


class UserError(StyleDialError):
    """Bad input: says what, where, what is allowed and what to do next."""

    exit_code = 2


class DataError(UserError):
    """A folder or a file that cannot be used as text."""


class ModelError(UserError):
    """A base model that is not available or cannot be read."""

    def of(self, option: str) -> ModelError:
        """The same of a base that an option or argument named, and no setting."""
        name = "model.model_name_or_path"
        return ModelError(
            self.en.replace(f"{name}: ", f"{option}: " if option else ""),
            self.zh.replace(f"{name}：", f"{option}：" if option else ""),
        )


class AdapterError(UserError):
    """An adapter folder that cannot be used."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration.

    `where` is "file:line", "--option" or "preset NAME"; the sentences need no full stop.
    """

    where: str
    en: str
    zh: str

    def __str__(self) -> str:
        return f"{self.where}: {say(self.en, self.zh)}"


class ConfigError(UserError):
    """All problems of a configuration, so that they are fixed in one go."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        super().__init__(
            "\n".join(
                [f"The configuration has {count} problem{'s' if count > 1 else ''}:"]
                + [f"  {p.where}: {p.en}" for p in self.problems]
            ),
            "\n".join(
                [f"配置有 {count} 处问题："] + [f"  {p.where}：{p.zh}" for p in self.problems]
            ),
        )


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` is most likely a typing error of, or None.

    Case, hyphens and the separators that other tools use are not differences.
    """
    plain = {choice.lower().replace("-", "_"): choice for choice in choices}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None
