"""What each metric is called, and which way it is better; docs/evaluation.md explains them."""

from __future__ import annotations

from styledial.evaluation.distance import BITS
from styledial.evaluation.result import Result
from styledial.language import say
from styledial.units import fixed, percent

# name -> English, Chinese, and which way is better: lower "-", higher "+", near the books "b", or
# neither "".
GROUPS: dict[tuple[str, str], dict[str, tuple[str, str, str]]] = {
    ("Style", "风格"): {
        "kl": ("KL to the base", "与基座的 KL", ""),
        "style_nll": ("loss on your novels", "小说损失", "-"),
        "style_nll_gain": ("fall of the loss on your novels", "小说损失的下降", "+"),
        "style_bits_per_character": ("bits per character, novels", "小说每字比特数", "-"),
        "style_score": ("style score (how like your novels)", "风格得分（像原著的程度）", "+"),
        "function_word_distance": ("distance of function words", "虚词使用的距离", "b"),
        "sentence_rhythm_distance": ("distance of sentence rhythm", "句子节奏的距离", "b"),
    },
    ("Fluency", "流畅"): {
        "distinct_2": ("different pairs of tokens", "不同二元组的比例", ""),
        "distinct_3": ("different triples of tokens", "不同三元组的比例", ""),
        "longest_loop": ("longest loop", "最长的循环重复", "-"),
        "base_perplexity": ("perplexity to the base", "基座困惑度", ""),
        "truncated": ("passages cut at the limit", "写到长度上限的段落", ""),
    },
    ("General ability", "通用能力"): {
        "general_nll": ("loss on general text", "通用文本损失", "-"),
        "general_kl": ("KL on general text", "通用文本上的 KL", "-"),
        "chat_kl": ("KL on chat answers", "对话回答上的 KL", "-"),
    },
    ("Memorisation", "照抄"): {
        "name_leakage": ("passages with the books' names", "出现书中人名地名的段落", "-"),
        "longest_copy": ("longest passage copied", "最长的照抄", ""),
        "long_copy_rate": ("passages with a long copy", "含长段照抄的段落", "-"),
        "extraction_rate_16": ("extracted, 16 tokens given", "给出 16 token 时的可提取率", "-"),
        "extraction_rate_32": ("extracted, 32 tokens given", "给出 32 token 时的可提取率", "-"),
        "extraction_rate_64": ("extracted, 64 tokens given", "给出 64 token 时的可提取率", "-"),
        "probe_extraction_rate_16": ("other books, 16 tokens given", "其他书，给出 16 token", "-"),
        "probe_extraction_rate_32": ("other books, 32 tokens given", "其他书，给出 32 token", "-"),
        "probe_extraction_rate_64": ("other books, 64 tokens given", "其他书，给出 64 token", "-"),
    },
}  # fmt: skip


def metric_words(name: str) -> tuple[str, str]:
    """(name in the user's language, which way is better); a metric of a task of one's own is called
    by its own name, and more is better."""
    for group in GROUPS.values():
        if name in group:
            en, zh, better = group[name]
            return say(en, zh), better
    return name, "+"


_SHARES = ("share of passages", "share of places", "share of n-grams", "accuracy")


def figure(value: float | None, unit: str) -> str:
    """A metric's value without its unit, but for shares: 3%, 0.094, 1,204; empty for None."""
    if value is None:
        return ""
    if unit in _SHARES:
        return percent(value)
    if value == int(value):
        return f"{value:,.0f}"
    return fixed(value, 0 if abs(value) >= 100 else 1 if abs(value) >= 20 else 3)


def with_unit(value: float, unit: str) -> str:
    """The same with a short unit where it isn't plain what the figure counts."""
    short = {
        "nats per token": "nats",
        "tokens": say("tokens", "token"),
        "bits": say("bits", "比特"),
        BITS: say("bits", "比特"),
    }.get(unit, "")
    return f"{figure(value, unit)} {short}".rstrip()


def arrow(result: Result, better: str) -> str:
    """Up: surely better than the base; down: surely worse; = neither; empty where no way is better.

    "Near the books" is measured by how far the two lie from the books' own value.
    """
    if result.base is None or not better:
        return ""
    low, high = result.ci
    if low <= result.base <= high:
        return "="
    if better == "b":
        goal = result.books or 0.0
        nearer = abs(result.value - goal) < abs(result.base - goal)
    else:
        nearer = (result.value > result.base) == (better == "+")
    return "↑" if nearer else "↓"
