"""The run in one sentence, and the figures that it rests on."""

from __future__ import annotations

from typing import Any

from styledial.config import KLMode
from styledial.language import say
from styledial.report.numbers import duration, memory_size, number, signed, whole
from styledial.report.parts import Verdict
from styledial.run_folder.reader import Run, is_number
from styledial.strength import band_of

# Less than this in nats per token is called no change.
_NOTHING = 0.0005


def verdict(run: Run) -> Verdict:
    if run.summary is None:
        step = run.metrics[-1]["step"]
        return Verdict(
            run.name,
            say(
                f"This run has not finished: {step} updates are logged, and nothing has been "
                "measured on held-out text.",
                f"训练尚未完成：已记录 {step} 步，还没有在留出文本上度量。",
            ),
        )
    return Verdict(run.name, sentence(run.summary), _facts(run.summary))


def sentence(summary: dict[str, Any]) -> str:
    """How far the model moved against what was asked, what it gained and what it forgot."""
    parts = [_distance(summary), _style(summary), _general(summary)]
    en = "; ".join(filter(None, (en for en, _ in parts)))
    zh = "；".join(filter(None, (zh for _, zh in parts)))
    return say(en + ".", zh + "。")


def _distance(summary: dict[str, Any]) -> tuple[str, str]:
    kl, asked = summary.get("kl_final"), summary.get("kl_beta")
    if not is_number(kl):
        return "The distance from the base was not measured", "与基座的距离未度量"
    band = band_of(kl)
    named_en, named_zh = (f" ({band})", f"（{band}）") if band else ("", "")
    if not KLMode.of_summary(summary).has_target or not is_number(asked):
        return (
            f"The model moved {kl:.3f} nats per token from its base{named_en}, without a budget",
            f"模型离开基座 {kl:.3f} nats/token{named_zh}，未设预算",
        )
    if kl < 0.9 * asked:
        return (
            f"The model moved {kl:.3f} nats per token from its base{named_en}, less than the "
            f"{asked:g} that were asked for",
            f"模型离开基座 {kl:.3f} nats/token{named_zh}，未达到要求的 {asked:g}",
        )
    if kl > 1.1 * asked:
        return (
            f"The model moved {kl:.3f} nats per token from its base{named_en}, more than the "
            f"{asked:g} that were asked for",
            f"模型离开基座 {kl:.3f} nats/token{named_zh}，超过要求的 {asked:g}",
        )
    return (
        f"The model moved {kl:.3f} nats per token from its base, as asked ({asked:g}"
        f"{', ' + band if band else ''})",
        f"模型离开基座 {kl:.3f} nats/token，符合要求（{asked:g}{'，' + band if band else ''}）",
    )


def _style(summary: dict[str, Any]) -> tuple[str, str]:
    gain = _change(summary, "style_nll")
    if gain is None:
        return "", ""
    if gain > _NOTHING:
        return (
            f"it predicts held-out text of your novels worse by {gain:.3f}",
            f"对小说留出文本的预测变差 {gain:.3f}",
        )
    if gain > -_NOTHING:
        return (
            "it predicts held-out text of your novels no better than the base",
            "对小说留出文本的预测没有改善",
        )
    return (
        f"it predicts held-out text of your novels better by {-gain:.3f}",
        f"对小说留出文本的预测改善 {-gain:.3f}",
    )


def _general(summary: dict[str, Any]) -> tuple[str, str]:
    lost = _change(summary, "general_nll")
    if lost is None:
        return "", ""
    if lost > _NOTHING:
        return f"general text worse by {lost:.3f}", f"对通用文本的预测变差 {lost:.3f}"
    if lost < -_NOTHING:
        return f"general text better by {-lost:.3f}", f"对通用文本的预测改善 {-lost:.3f}"
    return "general text as well as before", "对通用文本的预测不变"


def _change(summary: dict[str, Any], name: str) -> float | None:
    now, base = summary.get(name), summary.get(f"{name}_base")
    return now - base if is_number(now) and is_number(base) else None


def _facts(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (
            say("KL to the base", "与基座的 KL"),
            number(summary.get("kl_final"), 4),
            _strength(summary),
        ),
        _before_after(say("NLL change, novels", "小说 NLL 变化"), summary, "style_nll"),
        _before_after(say("NLL change, general", "通用文本 NLL 变化"), summary, "general_nll"),
        (
            say("updates", "更新步数"),
            whole(summary.get("steps")),
            say(f"{whole(summary.get('tokens'))} tokens", f"{whole(summary.get('tokens'))} token"),
        ),
        (
            say("time", "用时"),
            duration(summary.get("wall_seconds")),
            f"{whole(summary.get('tokens_per_second'))} " + say("tokens/s", "token/s"),
        ),
        (
            say("peak memory", "内存峰值"),
            memory_size(summary.get("peak_memory_bytes")),
            "",
        ),
    ]


def _strength(summary: dict[str, Any]) -> str:
    """The budget, and by how much the adapter was scaled at the end to meet it."""
    asked, scale = summary.get("kl_beta"), summary.get("adapter_scale")
    budget = KLMode.of_summary(summary).has_target and is_number(asked)
    said = say(f"budget {asked:g}", f"预算 {asked:g}") if budget else say("no budget", "无预算")
    if not is_number(scale) or scale == 1:
        return said
    return said + say(f", adapter ×\u00a0{number(scale)}", f"，适配器 ×\u00a0{number(scale)}")


def _before_after(title: str, summary: dict[str, Any], name: str) -> tuple[str, str, str]:
    base = number(summary.get(f"{name}_base"))
    change = signed(_change(summary, name))
    return title, change, f"{base} → {number(summary.get(name))}"
