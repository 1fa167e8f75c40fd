"""Style, fluency, general ability, memorisation against the base: evaluation.json, or the summary."""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from styledial.evaluation.distance import BITS, NATS
from styledial.evaluation.names import GROUPS
from styledial.language import say, typed
from styledial.report.numbers import NONE, general
from styledial.report.parts import Section, Strong, Table
from styledial.run_folder.metrics import is_number
from styledial.run_folder.reader import Run, mapping, mappings


def section(run: Run) -> Section:
    """Every metric of evaluation.json, or four figures of the summary without intervals."""
    name, title = "quality", say("Evaluation", "效果评估")
    metrics = mapping((run.evaluation or {}).get("metrics"))
    if metrics:
        return Section(name, title, [_measured()], tables=_tables(metrics))
    command = f"`styledial evaluate {typed(run.folder)}`"
    lines = [
        say(
            f"Without intervals, from the end of the run. {command} measures style, fluency, "
            "general ability and memorisation with intervals.",
            f"训练结束时的读数，没有置信区间。{command} 会评估风格、流畅、通用能力和照抄，"
            "并给出区间。",
        )
    ]
    return Section(name, title, lines, tables=_tables(_from_summary(run.summary or {})))


def cautions(run: Run) -> list[str]:
    """What the evaluation says is to be known before the adapter is passed on."""
    evaluation = run.evaluation or {}
    said = [(each.get("en"), each.get("zh")) for each in mappings(evaluation.get("warnings"))]
    return [say(en, zh) for en, zh in said if isinstance(en, str) and isinstance(zh, str)]


def _measured() -> str:
    return say(
        "Measured on held-out text and on text that both models wrote. Bold: the base lies outside "
        "the 95% interval, which covers the choice of the text, not another training seed.",
        "在留出文本和两个模型写出的文本上测量。粗体：基座值在 95% 区间之外；"
        "区间反映文本的选取，不反映另一个训练种子。",
    )


def _from_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    keys = {"kl": "kl_final", "style_nll": "style_nll",
            "style_bits_per_character": "style_bits_per_character",
            "general_nll": "general_nll", "general_kl": "general_kl"}  # fmt: skip
    # The base's KL to itself is 0.
    return {
        name: {
            "value": summary[key],
            "base": 0.0 if name.endswith("kl") else summary.get(f"{key}_base"),
            "unit": BITS if name.startswith("style_bits") else NATS,
        }
        for name, key in keys.items()
        if is_number(summary.get(key))
    }


def _tables(metrics: Mapping[str, Any]) -> list[Table]:
    known = {name for group in GROUPS.values() for name in group}
    others = {name: (name, name, "") for name in metrics if name not in known}
    tables = []
    for (en, zh), group in {**GROUPS, ("Other", "其他"): others}.items():
        found = [(words, mapping(metrics.get(name))) for name, words in group.items()]
        found = [(words, metric) for words, metric in found if metric]
        if found:
            tables.append(_table(say(en, zh), found))
    return tables


def _table(title: str, found: list[tuple[tuple[str, str, str], dict[str, Any]]]) -> Table:
    """`found`: (words, entry of evaluation.json). The books' own value where one has it."""
    books = any("books" in metric for _, metric in found)
    head = [say("measure", "指标"), say("base", "基座"), say("tuned", "微调后"),
            say("95% interval", "95% 区间"), *([say("books", "原著")] if books else []),
            say("unit", "单位"), say("better", "更好")]  # fmt: skip
    rows = [_row(words, metric, books=books) for words, metric in found]
    return Table(head, rows, frozenset(range(1, 5 if books else 4)), title)


def _row(words: tuple[str, str, str], metric: Mapping[str, Any], *, books: bool) -> list[str]:
    en, zh, better = words
    value, base = metric.get("value"), metric.get("base")
    low, high = _interval(metric.get("ci"))
    sure = is_number(base) and low is not None and high is not None and not low <= base <= high
    shown = general(value)
    ways = {
        "-": say("lower", "低"),
        "+": say("higher", "高"),
        "b": say("near the books", "接近原著"),
    }
    return [
        say(en, zh),
        general(base),
        Strong(shown) if sure else shown,
        NONE if low is None else f"{general(low)} … {general(high)}",
        *([general(metric.get("books"))] if books else []),
        _unit(metric.get("unit")),
        ways.get(better, ""),
    ]


def _interval(ci: Any) -> tuple[float | None, float | None]:
    if isinstance(ci, list | tuple) and len(ci) == 2 and all(map(is_number, ci)):
        return float(ci[0]), float(ci[1])
    return None, None


def _unit(unit: Any) -> str:
    known = {
        "nats per token": say("nats per token", "nats/token"), "tokens": say("tokens", "token"),
        "0 base - 1 books": say("0 base, 1 books", "0 基座，1 原著"),
        "share of passages": say("share of passages", "占段落"),
        "share of places": say("share of places", "占位置"),
        "share of n-grams": say("share of n-grams", "占 n 元组"),
        "perplexity per token": say("per token", "每 token"), "bits": say("bits", "比特"),
        "bits per character": say("bits per character", "比特/字"),
    }  # fmt: skip
    return known.get(unit, unit) if isinstance(unit, str) else ""
