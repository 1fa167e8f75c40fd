"""Text into ids and back, for training, packing and generation alike.

What a user wrote is text: `<s>` or `<|endoftext|>` in a novel or a prompt never becomes the control
token of that name. SentencePiece puts a space before whatever it is given; a text that goes on from
another must not get one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ANCHOR = "\x01"  # takes the space that SentencePiece adds; merges with nothing that follows
_SPACE = "▁"
_CHARACTER = 4  # bytes of the longest character, with an end token behind half of one


def opening_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The control tokens that open a text (Llama's BOS, ChatGLM's [gMASK] sop), no end token."""
    ids = list(tokenizer("")["input_ids"])
    if ids and ids[-1] == tokenizer.eos_token_id != tokenizer.bos_token_id:
        ids.pop()
    return ids


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


def _plain(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)[
        "input_ids"
    ]


def _adds_space(tokenizer: PreTrainedTokenizerBase) -> bool:
    ids = _plain(tokenizer, ["\n"])[0]
    return bool(ids) and str(tokenizer.convert_ids_to_tokens(ids[0])).startswith(_SPACE)
