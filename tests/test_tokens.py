"""Text into ids and back: control tokens in the user's text, spaces and halves of characters."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from styledial.data.pack import documents
from styledial.data.passage import Passage
from styledial.data.tokens import continuation, opening_ids, text_ids


@pytest.fixture(scope="module")
def sentencepiece() -> PreTrainedTokenizerFast:
    """Llama 2's rules: a space in front, bytes where a piece is missing, `<s> ... </s>` around."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "▁"]
    pieces += list("abcdefghijklmnopqrstuvwxyz<>/|.。")
    backend = Tokenizer(
        BPE({p: i for i, p in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def test_a_control_token_written_out_is_text(sentencepiece: PreTrainedTokenizerFast) -> None:
    ids = text_ids(sentencepiece, ["he wrote <s> and </s>."])
    assert not {1, 2} & set(ids)
    assert sentencepiece.decode(ids) == "he wrote <s> and </s>."


def test_an_end_token_is_not_part_of_a_prompt(sentencepiece: PreTrainedTokenizerFast) -> None:
    assert opening_ids(sentencepiece) == [1]


def test_the_first_space_of_a_continuation_is_kept(sentencepiece: PreTrainedTokenizerFast) -> None:
    """It came out as "fell onrivers"."""
    before = [1, *text_ids(sentencepiece, ["fell on"])]
    after = text_ids(sentencepiece, [" rivers"], goes_on=True)
    assert continuation(sentencepiece, before, after) == " rivers"


def test_half_a_character_at_the_end_is_left_out(sentencepiece: PreTrainedTokenizerFast) -> None:
    before = text_ids(sentencepiece, ["a"])
    after = text_ids(sentencepiece, ["雪山"], goes_on=True)
    assert continuation(sentencepiece, before, after) == "雪山"
    assert continuation(sentencepiece, before, after[:-1]) == "雪"


def test_passages_meet_at_a_line_break_alone(sentencepiece: PreTrainedTokenizerFast) -> None:
    """Packing made "。 \\n" of each break."""
    passages = [
        Passage(book="b", split="train", text="one。", follows=False, ends_book=False),
        Passage(book="b", split="train", text="two。", follows=True, ends_book=True),
    ]
    (ids,) = documents(passages, sentencepiece)
    assert sentencepiece.decode(ids, skip_special_tokens=True) == "one。\ntwo。"
    assert (ids[0], ids[-1]) == (1, 2)
