"""The fixed prompts that show a run's effect, in the language of its novels."""

from __future__ import annotations

from collections.abc import Sequence

_CHINESE = (
    "他推开门，看见",
    "天色渐渐暗了，路上的行人",
    "“你要到哪里去？”老人问道。",
)
_OTHER = (
    "He opened the door and saw",
    "The light was fading, and the people on the road",
    '"Where are you going?" the old man asked.',
)


_REQUESTS = ("请续写这个故事：", "Continue this story: ")


def go_on_from(prompts: Sequence[str]) -> str:
    """What a model that answers is asked, before the text, in the language of the `prompts`."""
    return _REQUESTS[0 if is_chinese("".join(prompts)) else 1]


def sample_prompts(text: str) -> tuple[str, ...]:
    """Chinese prompts where more than a fifth of `text` is Chinese, else English ones."""
    return _CHINESE if is_chinese(text) else _OTHER


def is_chinese(text: str) -> bool:
    """Whether more than a fifth of the characters are Chinese."""
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in text)
    return chinese > 0.2 * max(len(text), 1)
