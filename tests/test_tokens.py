"""Text into ids and back: control tokens in the user's text, spaces and halves of characters."""

from __future__ import annotations

import copy
import unicodedata

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
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


@pytest.fixture(scope="module")
def loose() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer whose control tokens aren't marked as special, as some have them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(BPE({c: i for i, c in enumerate(alphabet)}, []))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")
    marks = ("<|user|>", "<think>", "[INST]", "<\uff5cbegin\u2581of\u2581sentence\uff5c>")
    made.add_tokens([AddedToken(m, special=False, normalized=True) for m in marks])
    made.add_tokens([AddedToken("\n\n", special=False), AddedToken("江湖", special=False)])
    return made


@pytest.mark.parametrize(
    "text",
    [
        "he said <|user|> and <think>hm</think> [INST]",
        "<|user|><|user|>",
        "\uff1c|user|\uff1e",  # becomes one only when it is normalised
        "<think>",
        "a<|end|>b",
    ],
)
def test_control_tokens_that_are_not_marked_as_special(
    text: str, loose: PreTrainedTokenizerFast
) -> None:
    controls = {loose.eos_token_id, *loose.convert_tokens_to_ids(["<|user|>", "<think>", "[INST]"])}
    ids = text_ids(loose, [text, text])
    assert not controls & set(ids)
    plain = unicodedata.normalize("NFKC", text)
    assert loose.decode(ids) == plain * 2
    assert text_ids(loose, [text], goes_on=True) == text_ids(loose, [text])


def test_added_words_stay_words(loose: PreTrainedTokenizerFast) -> None:
    """Gemma has "\\n\\n" as an added token: the text it was trained on is written with it."""
    words = loose.convert_tokens_to_ids(["\n\n", "江湖"])
    assert text_ids(loose, ["\n\n江湖"]) == words


def test_control_tokens_in_sentencepiece_text(sentencepiece: PreTrainedTokenizerFast) -> None:
    """Cut inside the token, a part goes on without SentencePiece's space."""
    made = copy.deepcopy(sentencepiece)
    made.add_tokens([AddedToken("<|user|>", special=False)])
    ids = text_ids(made, ["he <|user|> us", " a <|user|>"])
    assert made.convert_tokens_to_ids("<|user|>") not in ids
    assert made.decode(ids) == "he <|user|> us a <|user|>"
