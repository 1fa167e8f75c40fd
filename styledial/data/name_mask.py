"""Tokens of names, marked as read but not learnt (StyleTunedLM, arXiv 2409.04574).

Works on ids alone, so that any tokenizer will do and the ids stay what they are without it:

    ids       那  宋  江  听  罢        decoded one by one, bytes of a character together
    names         宋江                  found in the text that they make up
    marked    那 ~宋 ~江  听  罢        every token that holds some of a name
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING

from styledial.data.names import matcher

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BYTES = 8  # tokens that a character has at most


class NameMask:
    """Called with the ids of running text, it gives them with ~t for the tokens of names."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, names: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        self._pattern = matcher(names)
        self._known: dict[tuple[int, ...], str] = {}
        self._anchor = tokenizer("\n", add_special_tokens=False)["input_ids"]
        self._before = tokenizer.decode(self._anchor)

    def __call__(self, ids: list[int]) -> list[int]:
        """[T] ids -> [T], ~t where a token is a name's or a part of one."""
        if self._pattern is None:
            return ids
        groups = self._groups(ids)
        texts = [self._text(group) for group in groups]
        ends = list(accumulate(map(len, texts)))
        spans = [match.span() for match in self._pattern.finditer("".join(texts))]
        marked: list[int] = []
        at = start = 0
        for group, end in zip(groups, ends, strict=True):
            while at < len(spans) and spans[at][1] <= start:
                at += 1
            of_name = end > start and at < len(spans) and spans[at][0] < end
            marked += [~token if of_name else token for token in group]
            start = end
        return marked

    def _groups(self, ids: list[int]) -> list[tuple[int, ...]]:
        """Single tokens, and bytes that make up a character together."""
        groups: list[tuple[int, ...]] = []
        at = 0
        while at < len(ids):
            size = next(
                (
                    n
                    for n in range(1, _BYTES)
                    if "\ufffd" not in self._text(tuple(ids[at : at + n]))
                ),
                1,
            )
            groups.append(tuple(ids[at : at + size]))
            at += size
        return groups

    def _text(self, group: tuple[int, ...]) -> str:
        """The text of some tokens as it reads behind others: with its first space."""
        if group not in self._known:
            whole = self._tokenizer.decode(
                [*self._anchor, *group],
                skip_special_tokens=True,
                clean_up_tokenization_spaces=False,
            )
            self._known[group] = whole[len(self._before) :]
        return self._known[group]
