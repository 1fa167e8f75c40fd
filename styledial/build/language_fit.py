"""Whether the base knows the language of the novels, by how many tokens its words take.

    novel           a tokenizer made for it      one that isn't
    English         1.3 tokens a word            5 (the bundled base: single letters)
    Chinese         0.7 to 1.2 a character       2 to 3 (a tokenizer of English web pages: bytes)

A base whose tokenizer spells a language out has hardly seen it, so there is little that a style
could build on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from styledial.data.pack import PackedRows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TOKENS = 4096  # looked at
_PER_CHARACTER, _PER_WORD = 1.9, 3.2
_UNKNOWN = 0.05
_HAN = re.compile("[\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\d_]+")


def language_warning(
    rows: PackedRows, tokenizer: PreTrainedTokenizerBase, base: str
) -> tuple[str, str] | None:
    """What to say, in both languages, where the base seems not to know the novels' language."""
    ids = rows.tokens[:, :-1].flatten()[:_TOKENS]
    ids = ids[ids >= 0]
    text = tokenizer.decode(ids.tolist(), skip_special_tokens=True)
    unknown = tokenizer.unk_token_id
    lost = float((ids == unknown).mean()) if unknown is not None and len(ids) else 0.0
    han = len(_HAN.findall(text))
    words = len(_WORD.findall(_HAN.sub(" ", text)))
    chinese = han > words
    units, most = (han, _PER_CHARACTER) if chinese else (words, _PER_WORD)
    if lost <= _UNKNOWN and (units < 50 or len(ids) / units <= most):
        return None
    if lost > _UNKNOWN:
        why_en = f"the tokenizer of {base} has no token for {lost:.0%} of it"
        why_zh = f"{base} 的分词器有 {lost:.0%} 的内容无法表示"
    else:
        unit_en, unit_zh = ("character", "每个汉字") if chinese else ("word", "每个词")
        why_en = f"{base} spells it out, {len(ids) / units:.1f} tokens a {unit_en}"
        why_zh = f"{base} {unit_zh}要用 {len(ids) / units:.1f} 个 token"
    return (
        f"Warning: the base hardly knows the language of these novels: {why_en}. The style will be "
        "poor; take a base of that language, such as Qwen/Qwen2.5-1.5B.",
        f"警告：基座几乎不懂这些小说的语言：{why_zh}。学不好文风；"
        "请换用懂这种语言的基座，例如 Qwen/Qwen2.5-1.5B。",
    )
