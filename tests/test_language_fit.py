"""A novel in a language that the base doesn't know is warned of, and no other."""

from __future__ import annotations

from styledial.build.language_fit import language_warning
from styledial.data.pack import pack
from styledial.data.passage import Passage
from styledial.models.load import load_tokenizer

ENGLISH = "The light was fading, and the people on the road began to hurry home. " * 20
CHINESE = "天色渐渐暗了，路上的行人加快了脚步，没有人说话，只有风吹过树梢的声音。" * 20


def test_an_english_novel_on_a_chinese_base_and_not_a_chinese_one() -> None:
    """It was trained without a word, for hours, to no use."""
    tokenizer = load_tokenizer("bundled")
    rows = pack([Passage(ENGLISH, "en.txt")], tokenizer, 64)
    said = language_warning(rows, tokenizer, "bundled")
    assert said is not None
    assert "bundled spells it out, 5" in said[0]
    assert "几乎不懂" in said[1]
    rows = pack([Passage(CHINESE, "zh.txt")], tokenizer, 64)
    assert language_warning(rows, tokenizer, "bundled") is None


def test_a_chinese_novel_on_a_base_that_writes_it_in_bytes() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain)
    rows = pack([Passage(CHINESE, "zh.txt")], tokenizer, 64)
    said = language_warning(rows, tokenizer, "bytes")
    assert said is not None
    assert "3.4 tokens a character" in said[0]
