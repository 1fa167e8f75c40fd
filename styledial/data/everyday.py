"""Everyday words that texts begin with, in the language of the user's own text.

Anchor text that begins with them has nothing of the book in it, so that a run on another book of
the same language can use it too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from styledial.data.pack import PackedRows
from styledial.data.prompts import is_chinese
from styledial.data.tokens import control_ids, opening_ids, text_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WORDS: dict[str, tuple[str, ...]] = {
    "en": (
        "The", "I", "It", "In", "He", "She", "We", "You", "They", "This", "That", "There", "When",
        "If", "A", "At", "On", "For", "From", "After", "Before", "As", "My", "His", "Her", "Our",
        "Your", "Their", "What", "How", "Why", "Where", "Who", "Some", "Many", "Most", "One", "Two",
        "First", "Once", "Now", "Then", "Here", "Today", "People", "Every", "All", "No", "Yes",
        "But", "And", "So", "Because", "While", "Although", "Since", "To", "Is", "Do", "Can",
        "Let", "By", "With", "Any",
    ),
    "zh": (
        "我", "你", "他", "她", "它", "这", "那", "在", "有", "一", "两", "三", "今", "昨", "明",
        "人", "大", "小", "上", "下", "中", "如", "因", "所", "但", "虽", "当", "从", "对", "为",
        "什", "怎", "谁", "哪", "每", "很", "最", "不", "没", "也", "就", "都", "还", "再", "又",
        "先", "后", "前", "新", "老", "好", "天", "水", "手", "家", "要", "请", "把", "和", "同",
        "只", "全", "许", "早",
    ),
}  # fmt: skip
# Of running English at least 35 words in a hundred are among these; of German, French, Spanish or
# Italian, which share a few of the forms, at most 10.
_ENGLISH = {
    "the", "of", "and", "to", "a", "in", "that", "it", "was", "he", "is", "for", "his", "with",
    "as", "had", "you", "not", "be", "her", "on", "at", "by", "which", "have", "or", "from",
    "this", "him", "but", "all", "she", "they", "were", "my", "are", "so", "me", "there", "what",
    "their", "said", "if", "will", "would",
}  # fmt: skip
_ENGLISH_SHARE = 0.22
_LOOKED_AT = 2048  # tokens


def language_of(rows: PackedRows, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The language of the rows' text, a key of WORDS; None where it is another one."""
    chosen = rows.tokens[rows.spread(_LOOKED_AT)]
    ids = np.where(chosen < 0, ~chosen, chosen)
    text = "\n".join(tokenizer.decode(row.tolist(), skip_special_tokens=True) for row in ids)
    if is_chinese(text):
        return "zh"
    words = re.findall(r"[^\W\d_]+", text.lower())
    known = sum(word in _ENGLISH for word in words)
    return "en" if known > _ENGLISH_SHARE * max(len(words), 20) else None


def everyday_openings(
    tokenizer: PreTrainedTokenizerBase, language: str, rows: int, seed: int
) -> np.ndarray | None:
    """int64 [rows, n]: what opens a text for this tokenizer and a word's first token, each word
    as often as the others. None where the tokenizer has no tokens for the words."""
    unusable = {*control_ids(tokenizer), tokenizer.unk_token_id}
    firsts = [text_ids(tokenizer, [word])[:1] for word in WORDS[language]]
    # A tokenizer of another language spells a character out in bytes: half of one opens nothing.
    usable = sorted(
        {
            first[0]
            for first in firsts
            if first and first[0] not in unusable and "\ufffd" not in tokenizer.decode(first)
        }
    )
    if len(usable) < len(firsts) // 4:
        return None
    drawn = np.random.default_rng(seed).choice(usable, size=(rows, 1))
    opening = np.tile(np.array(opening_ids(tokenizer), dtype=np.int64), (rows, 1))
    return np.concatenate([opening, drawn], axis=1).astype(np.int64)
