"""Which words of a text training favours: log p_tuned - log p_base of each, in nats.

[("俺", 1.83), ("去", 0.02), ...]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from styledial.data.tokens import text_ids
from styledial.models.policy import Policy
from styledial.training.measure import log_ratios

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Words = list[tuple[str, float]]


def favoured_words(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    before: list[int],
    text: str,
    *,
    goes_on: bool = True,
) -> Words:
    """`text` behind the ids `before` in words that together are it again, each with its log ratio:
    the sum of its tokens'. `goes_on`: it goes on from a text, in the middle of a line perhaps.

    Costs a forward pass of each model over the text.
    """
    ids = text_ids(tokenizer, [text], goes_on=goes_on)
    if not ids:
        return [(text, 0.0)] if text else []
    ratios = log_ratios(policy, [*before, *ids])
    # The first token of a text is never a target.
    of_text = ratios[len(before) - 1 :] if before else [0.0, *ratios]
    return _joined(_pieces(tokenizer, before, ids, of_text, text))


def _pieces(
    tokenizer: PreTrainedTokenizerBase,
    before: list[int],
    ids: list[int],
    ratios: Sequence[float],
    text: str,
) -> Words:
    """The text of each token; tokens that are parts of one character are taken together."""
    start = len(tokenizer.decode(before, skip_special_tokens=True))
    found: Words = []
    done, ratio = 0, 0.0
    for i, of_token in enumerate(ratios):
        ratio += of_token
        whole = tokenizer.decode([*before, *ids[: i + 1]], skip_special_tokens=True)[start:]
        if len(whole) > done and text.startswith(whole):
            found.append((text[done : len(whole)], ratio))
            done, ratio = len(whole), 0.0
    return [*found, (text[done:], 0.0)] if done < len(text) else found


def _joined(pieces: Words) -> Words:
    """Pieces of one word of an alphabet put together; Chinese stays as its tokens have it."""
    found: Words = []
    for piece, ratio in pieces:
        if found and _in_word(found[-1][0][-1]) and _in_word(piece[0]):
            found[-1] = (found[-1][0] + piece, found[-1][1] + ratio)
        else:
            found.append((piece, ratio))
    return [(word, round(ratio, 3)) for word, ratio in found]


def _in_word(character: str) -> bool:
    return (character.isalnum() and character < "\u2e80") or character in "'’"
