"""Text into ids and back, for training, packing and generation alike.

What a user wrote is text: `<s>` or `<|endoftext|>` in a novel, a prompt or a message never becomes
the control token of that name. Some tokenizers have control tokens that aren't marked as special
(`<|user|>`, `<think>`); they are known by their brackets. SentencePiece puts a space before
whatever it is given; a text that goes on from another must not get one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ANCHOR = "\x01"  # takes the space that SentencePiece adds; merges with nothing that follows
_SPACE = "▁"
_BRACKETS = re.compile(r"<(?!0x[0-9A-Fa-f]{2}>)\S.*>|\[\S.*\]", re.S)
_QUOTED = "\ufdd0"  # around a message in a rendered template; a noncharacter, in nobody's text
_CHARACTER = 4  # bytes of the longest character, with an end token behind half of one


def opening_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The control tokens that open a text (Llama's BOS, ChatGLM's [gMASK] sop), no end token."""
    ids = list(tokenizer("")["input_ids"])
    if ids and ids[-1] == tokenizer.eos_token_id != tokenizer.bos_token_id:
        ids.pop()
    return ids


def control_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The ids of all control tokens, marked as special or known by their brackets."""
    return {*tokenizer.all_special_ids, *_controls(tokenizer).ids}


def text_ids(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, goes_on: bool = False
) -> list[int]:
    """Ids of consecutive parts of one text, without control tokens.

    goes_on: the first part continues an earlier text, as each later part does.
    """
    if not texts:
        return []
    prefixed = _adds_space(tokenizer)
    anchored = [
        _ANCHOR + text if prefixed and (i or goes_on) else text for i, text in enumerate(texts)
    ]
    drop = len(_plain(tokenizer, [_ANCHOR])[0]) if prefixed else 0
    ids: list[int] = []
    for i, part in enumerate(_plain(tokenizer, anchored)):
        ids.extend(part[drop:] if i or goes_on else part)
    return ids


def quoted(tokenizer: PreTrainedTokenizerBase, content: str) -> str:
    """A message as `rendered_ids` knows it for text: marked, where it writes out a control token.

    The marks stand inside the spaces around it, which templates strip.
    """
    content = content.replace(_QUOTED, "")
    names, core = _controls(tokenizer).names, content.strip()
    if not (names and names.search(core)):
        return content
    return content.replace(core, f"{_QUOTED}{core}{_QUOTED}")


def rendered_ids(tokenizer: PreTrainedTokenizerBase, rendered: str) -> list[int]:
    """Ids of a part of a rendered chat template, whose control tokens are meant as such, and of
    the `quoted` messages in it, which are text."""
    parts = rendered.split(_QUOTED)
    for number in range(1, len(parts), 2):  # a space belongs to the word behind it
        before = parts[number - 1].rstrip(" ")
        parts[number] = " " * (len(parts[number - 1]) - len(before)) + parts[number]
        parts[number - 1] = before
    ids: list[int] = []
    for number, part in enumerate(parts):
        if number % 2:
            ids += text_ids(tokenizer, [part], goes_on=True)
        elif part:
            ids += _template_ids(tokenizer, part, goes_on=number > 0)
    return ids


def _template_ids(tokenizer: PreTrainedTokenizerBase, part: str, *, goes_on: bool) -> list[int]:
    anchor = _ANCHOR if goes_on and _adds_space(tokenizer) else ""
    drop = len(_encoded(tokenizer, [anchor])[0]) if anchor else 0
    ids: list[int] = tokenizer(anchor + part, add_special_tokens=False)["input_ids"]
    return ids[drop:]


def continuation(
    tokenizer: PreTrainedTokenizerBase, before: Sequence[int], after: Sequence[int]
) -> str:
    """The text of `after` as it reads behind `before`: its first space is kept, and a character
    of which only some bytes were written is left out."""
    start = tokenizer.decode(list(before), skip_special_tokens=True)
    # Byte fallback turns a whole run of bytes into "\ufffd" for the half at its end.
    for dropped in range(min(_CHARACTER, len(after)) + 1):
        kept = list(after[: len(after) - dropped])
        whole = tokenizer.decode([*before, *kept], skip_special_tokens=True)
        if not whole.startswith(start):
            whole = start + tokenizer.decode(kept, skip_special_tokens=True)
        if not whole.endswith("\ufffd"):
            break
    return whole[len(start) :].rstrip("\ufffd")


class _Controls(NamedTuple):
    """Control tokens of a tokenizer of `size` tokens: ids of those in brackets, names of all."""

    size: int
    ids: frozenset[int]
    bracketed: re.Pattern[str] | None
    names: re.Pattern[str] | None


_found: WeakKeyDictionary[PreTrainedTokenizerBase, _Controls] = WeakKeyDictionary()


def _controls(tokenizer: PreTrainedTokenizerBase) -> _Controls:
    found = _found.get(tokenizer)
    if found is None or found.size != len(tokenizer):
        added = {str(token): number for number, token in tokenizer.added_tokens_decoder.items()}
        special = dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
        bracketed = {n: i for n, i in {**special, **added}.items() if _BRACKETS.fullmatch(n)}
        ids = frozenset(bracketed.values()) - {tokenizer.unk_token_id}
        found = _Controls(
            len(tokenizer), ids, _any_of(bracketed), _any_of({**special, **bracketed})
        )
        _found[tokenizer] = found
    return found


def _any_of(names: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _plain(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """Ids of each text, without any control token."""
    encoded = _encoded(tokenizer, texts)
    controls = _controls(tokenizer)
    return [
        ids if controls.ids.isdisjoint(ids) else _in_parts(tokenizer, text, controls)
        for text, ids in zip(texts, encoded, strict=True)
    ]


def _encoded(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)[
        "input_ids"
    ]


def _in_parts(tokenizer: PreTrainedTokenizerBase, text: str, controls: _Controls) -> list[int]:
    """A text in which the tokenizer sees control tokens all the same: cut inside each of them,
    else (where it normalises something into one) in the middle, until there is none."""
    assert controls.bracketed
    cuts = [match.start() + 1 for match in controls.bracketed.finditer(text)]
    if not cuts:
        if len(text) < 2:
            return [i for i in _encoded(tokenizer, [text])[0] if i not in controls.ids]
        cuts = [len(text) // 2]
    parts = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
    return text_ids(tokenizer, parts)


def _adds_space(tokenizer: PreTrainedTokenizerBase) -> bool:
    ids = _plain(tokenizer, ["\n"])[0]
    return bool(ids) and str(tokenizer.convert_ids_to_tokens(ids[0])).startswith(_SPACE)
