"""The verdict in plain words: strength, style, general ability, memorisation, data.

Each is a word and a sentence from the run's own figures; a finding of the doctor about the same
thing makes it worse, never better.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from styledial.doctor import Finding
from styledial.evaluation.alarms import FROM_TRAINING, PROBE, raised
from styledial.evaluation.result import Result, from_json
from styledial.language import say, typed
from styledial.report.numbers import general, signed, whole
from styledial.report.parts import Light
from styledial.run_folder.metrics import is_number
from styledial.run_folder.outcome import (
    State,
    change_of,
    fell_short,
    general_judged,
    passed_target,
    style_judged,
    target_of,
)
from styledial.run_folder.reader import Run, mapping, mappings
from styledial.strength import band_near, name_of
from styledial.units import percent
from styledial.units import strength as figure

# A finding of the doctor -> the light it belongs to, and the word for it.
_FINDINGS: dict[str, tuple[str, tuple[str, str]]] = {
    "budget_not_reached": ("strength", ("weaker than asked", "未达到目标")),
    "learning_rate_too_low": ("strength", ("hardly trained", "几乎没学到")),
    "learning_rate_too_high": ("strength", ("training was unstable", "训练不稳定")),
    "style_saturated": ("style", ("no more to learn here", "已学到头")),
    "not_fluent": ("style", ("not fluent", "不流畅")),
    "forgetting": ("general", ("clearly worse", "明显下降")),
    "memorising": ("memorisation", ("copies the books", "会照抄原文")),
    "overfitting": ("data", ("learnt too long", "学过头了")),
    "too_little_data": ("data", ("too little text", "文本偏少")),
}
_ORDER: tuple[State, ...] = ("unknown", "good", "watch", "bad")


def lights(run: Run, findings: Sequence[Finding]) -> list[Light]:
    """Five lights of a finished run, always in the same order."""
    summary = run.summary or {}
    found = {
        "strength": strength(summary),
        "style": style(summary, run.evaluation),
        "general": general_ability(summary),
        "memorisation": _memorisation(run),
        "data": _data(run),
    }
    for finding in findings:
        state: State | None = {"warning": "bad", "advice": "watch"}.get(finding.severity)  # type: ignore[assignment]
        about, words = _FINDINGS.get(finding.rule, ("", ("", "")))
        if state and about and _ORDER.index(state) > _ORDER.index(found[about].state):
            found[about] = replace(found[about], state=state, word=say(*words))
    return list(found.values())


def strength(summary: dict[str, Any]) -> Light:
    """How far the model moved against what was asked."""
    name = say("Style strength", "风格强度")
    kl, asked = summary.get("kl_final"), target_of(summary)
    if not is_number(kl):
        return Light(name, "unknown", say("not measured", "未测量"))
    word = name_of(kl)
    if asked is None:
        said = say(f"No target was set; reached {figure(kl)}.", f"未设目标，实测 {figure(kl)}。")
        return Light(name, "watch" if band_near(kl) is None else "good", word, said)
    figures = say(f"Target {asked:g}, reached {figure(kl)}", f"目标 {asked:g}，实测 {figure(kl)}")
    if fell_short(summary):
        short = say(
            ": it did not learn as much as was asked; saved as it is.",
            "：没学到目标强度，已按实际结果保存。",
        )
        return Light(name, "watch", word, figures + short)
    if passed_target(summary):
        more = say(": stronger than asked.", "：比要求的更强。")
        return Light(name, "watch", word, figures + more)
    return Light(name, "good", word, figures + say(".", "。"))


def style(summary: dict[str, Any], evaluation: dict[str, Any] | None = None) -> Light:
    """Whether unseen pages of the books are predicted better than by the base."""
    change = change_of(summary, "style_nll")
    said = "" if change is None else _author_words(change) + _score(evaluation)
    return Light(say("Style", "风格"), *style_judged(change), said)


def _author_words(change: float) -> str:
    """A change of loss as a change of probability per token: exp(-change)."""
    times = math.exp(-max(min(change, 5.0), -5.0))
    share = percent(abs(times - 1))
    more, zh = ("more", "高") if times >= 1 else ("less", "低")
    return say(
        f"On pages it has never seen, it gives the author's own words {share} {more} probability "
        "than before.",
        f"在没见过的原著段落上，预测作者用词的概率比训练前{zh} {share}。",
    )


def _score(evaluation: dict[str, Any] | None) -> str:
    metric = mapping(mapping((evaluation or {}).get("metrics")).get("style_score"))
    score, ends = metric.get("value"), metric.get("ci")
    if not is_number(score):
        return ""
    within = ("", "")
    if isinstance(ends, list) and len(ends) == 2 and all(map(is_number, ends)):
        low, high = (f"{100 * end:.0f}" for end in ends)
        within = (f" ({low} to {high})", f"{low} 到 {high} 之间；")
    return say(
        f" A classifier puts its writing at {100 * score:.0f}{within[0]}, from 0 (the base) to 100 "
        "(the books).",
        f"分类器给它的文字打 {100 * score:.0f} 分（{within[1]}0 分像基座，100 分像原著）。",
    )


def general_ability(summary: dict[str, Any]) -> Light:
    """What became of ordinary text."""
    change = change_of(summary, "general_nll")
    said = say(
        f"Loss on general text {signed(change)} (lower is better).",
        f"通用文本损失 {signed(change)}（越低越好）。",
    )
    judged = general_judged(change)
    return Light(say("General ability", "通用能力"), *judged, said if change is not None else "")


def _memorisation(run: Run) -> Light:
    name = say("Memorisation", "照抄")
    evaluation = run.evaluation or {}
    metrics = mapping(evaluation.get("metrics"))
    recited, longest = (
        mapping(metrics.get(key)).get("value") for key in ("extraction_rate_32", "longest_copy")
    )
    if not is_number(recited) and not is_number(longest):
        command = f"`styledial evaluate {typed(run.folder)}`"
        said = say(f"{command} measures it.", f"可用 {command} 测量。")
        return Light(name, "unknown", say("not measured", "未测量"), said)
    said = _copied(recited, longest)
    rates = _measured(metrics)
    if raised(rates, *FROM_TRAINING):
        return Light(name, "bad", say("copies the books", "会照抄原文"), said)
    if raised(rates, PROBE):
        return Light(name, "bad", say("recites other books", "会复述其他书"), said)
    return Light(name, "good", say("no copying found", "没有发现照抄"), said)


def _measured(metrics: dict[str, Any]) -> list[Result]:
    """The metrics of evaluation.json that are whole."""
    found = []
    for name, each in metrics.items():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            found.append(from_json(name, each))
    return found


def _copied(recited: Any, longest: Any) -> str:
    """In a sentence or two; each figure may be missing."""
    said = ""
    if is_number(recited):
        said = say(
            f"Given true openings from the books, it continues {percent(recited)} word for word.",
            f"给出原文开头，逐字续出的占 {percent(recited)}。",
        )
    if is_number(longest) and longest >= 1:
        gap = say(" ", "") if said else ""
        said += gap + say(
            f"The longest passage shared with them has {general(longest)} tokens.",
            f"与原文相同的最长片段为 {general(longest)} 个 token。",
        )
    return said


def _data(run: Run) -> Light:
    name = say("Data", "数据")
    manifest = run.manifest or {}
    tokens, books = mapping(manifest.get("tokens")), mappings(manifest.get("books"))
    train = tokens.get("train")
    if not is_number(train):
        return Light(name, "unknown", say("not recorded", "没有记录"))
    said = say(
        f"{whole(train)} tokens to learn from{_files(books)}; {whole(tokens.get('heldout'))} "
        "kept for measuring.",
        f"训练文本 {whole(train)} 个 token{_files(books)}；另留 "
        f"{whole(tokens.get('heldout'))} 个用于测量。",
    )
    return Light(name, "good", say("enough text", "文本足够"), said)


def _files(books: Sequence[dict[str, Any]]) -> str:
    """How many of the files were used."""
    kept, of = sum(bool(book.get("kept")) for book in books), len(books)
    if not books:
        return ""
    if kept == of:
        return say(f", in {of} {'file' if of == 1 else 'files'}", f"，来自 {of} 个文件")
    return say(f", in {kept} of {of} files", f"，来自 {kept} 个文件（共 {of} 个）")
