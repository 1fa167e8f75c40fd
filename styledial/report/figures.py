"""The figures that the verdict rests on, and what their units mean."""

from __future__ import annotations

from typing import Any

from styledial.config import KLMode
from styledial.language import say
from styledial.report.numbers import duration, memory_size, number, signed, whole
from styledial.report.parts import Section, Table
from styledial.run_folder.metrics import is_number
from styledial.run_folder.outcome import change_of
from styledial.run_folder.reader import Run


def section(run: Run) -> Section:
    """KL, losses, updates, time, memory of a finished run."""
    name, title = "figures", say("Key figures", "主要数字")
    if run.summary is None:
        return Section(name, title, [say("The run has not finished.", "训练尚未完成。")])
    head = [say("figure", "项目"), say("value", "数值"), say("remark", "说明")]
    table = Table(head, _rows(run.summary), frozenset({1}), title)
    return Section(name, title, [_units()], tables=[table])


def _units() -> str:
    return say(
        "Loss (NLL) says how badly a text is predicted, lower is better; KL says how far the model "
        "has moved from its base. Both are in nats per token, means over text that it was not "
        "trained on.",
        "损失（NLL）表示对文本的预测有多差，越低越好；KL 表示模型离基座有多远。单位都是 "
        "nats/token，是未参与训练的文本上的平均值。",
    )


def _rows(summary: dict[str, Any]) -> list[list[str]]:
    speed = f"{whole(summary.get('tokens_per_second'))} token/s"
    return [
        [
            say("KL to the base", "与基座的 KL"),
            number(summary.get("kl_final")),
            _target(summary),
        ],
        _loss(say("loss on the novels", "小说的损失"), summary, "style_nll"),
        *_bits(summary),
        _loss(say("loss on general text", "通用文本的损失"), summary, "general_nll"),
        [
            say("updates", "更新步数"),
            whole(summary.get("steps")),
            say(f"{whole(summary.get('tokens'))} tokens", f"{whole(summary.get('tokens'))} token"),
        ],
        [say("time", "用时"), duration(summary.get("wall_seconds")), speed],
        [say("peak memory", "内存峰值"), memory_size(summary.get("peak_memory_bytes")), ""],
    ]


def _target(summary: dict[str, Any]) -> str:
    """The budget, and by how much the adapter was scaled at the end to meet it."""
    asked, scale = summary.get("kl_beta"), summary.get("adapter_scale")
    budget = KLMode.of_summary(summary).has_target and is_number(asked)
    said = say(f"target {asked:g}", f"目标 {asked:g}") if budget else say("no target", "未设目标")
    if not is_number(scale) or scale == 1:
        return said
    return said + say(
        f"; adapter scaled by {number(scale)} to meet it",
        f"；为此将适配器乘以 {number(scale)}",
    )


def _bits(summary: dict[str, Any]) -> list[list[str]]:
    """The novels' loss per character; no row for a run that was made before there was one."""
    name = "style_bits_per_character"
    if not is_number(summary.get(name)):
        return []
    return [_loss(say("the same, bits per character", "同上，比特/字"), summary, name)]


def _loss(title: str, summary: dict[str, Any], name: str) -> list[str]:
    base, now = number(summary.get(f"{name}_base")), number(summary.get(name))
    return [title, signed(change_of(summary, name)), f"{base} → {now}"]
