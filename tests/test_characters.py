"""Characters that targets hold: every one once, whatever the tokenizer cuts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from styledial.data.characters import characters_of
from styledial.data.pack import PackedRows, pack
from styledial.data.passage import Passage
from styledial.evaluation.distance import StyleText, bits_per_character
from styledial.models.load import load_tokenizer

TEXT = "江湖夜雨十年灯。\nHe said, it rained.  "


@pytest.fixture(scope="module")
def by_bytes() -> PreTrainedTokenizerFast:
    return bytes_tokenizer()


def bytes_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer without merges: a Chinese character is three tokens."""
    alphabet = {byte: i for i, byte in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab={**alphabet, "<end>": 256}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def rows_of(tokenizer, text: str, length: int) -> PackedRows:
    return pack([Passage(text, "a", ends_book=True)], tokenizer, length)


def test_every_character_but_the_first_is_counted_once(tiny_base) -> None:
    tokenizer = load_tokenizer(str(tiny_base))
    text = "江湖夜雨十年灯\n" * 9
    for length in (7, 16, 200):
        assert characters_of(rows_of(tokenizer, text, length), tokenizer).sum() == len(text) - 1


def test_bytes_of_a_character_are_no_characters(by_bytes) -> None:
    # In one row: all but the first byte, which takes no whole character away.
    assert characters_of(rows_of(by_bytes, TEXT, 99), by_bytes).tolist() == [len(TEXT)]
    # Cut behind the first byte of a character: it counts where it ends. Behind the second: lost.
    assert characters_of(rows_of(by_bytes, "a江湖", 4), by_bytes).tolist() == [1, 1]
    assert characters_of(rows_of(by_bytes, "江湖", 4), by_bytes).tolist() == [1, 0]


def test_what_is_read_but_not_learnt_is_not_counted(tiny_base) -> None:
    tokenizer = load_tokenizer(str(tiny_base))
    rows = rows_of(tokenizer, "江湖夜雨十年灯", 16)
    masked = rows.tokens.copy()
    masked[0, 2:4] = ~masked[0, 2:4]
    assert characters_of(PackedRows(masked, rows.pieces), tokenizer).tolist() == [4]


def test_bits_per_character_are_of_the_same_tokens_as_nll() -> None:
    nats = np.array([[8.0, 12.0, 0.1, 4.0], [4.0, 4.0, 0.1, 2.0]]) * math.log(2)
    found = {r.name: r for r in StyleText(lambda: nats, lambda: np.array([6, 2])).run()}
    bits = found["style_bits_per_character"]
    assert (bits.value, bits.base) == (pytest.approx(1.5), pytest.approx(2.0))
    assert bits.ci[0] <= 1.5 <= bits.ci[1]
    assert bits_per_character(1.0, 0) is None
