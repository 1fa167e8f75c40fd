"""The run in one sentence, five lights, and what to do next."""

from __future__ import annotations

from typing import Any

from styledial.language import say
from styledial.report import advice
from styledial.report.lights import general_ability, lights, strength, style
from styledial.report.parts import Verdict
from styledial.report.quality import cautions
from styledial.run_folder.reader import Run


def verdict(run: Run) -> Verdict:
    """The head of the report. A run that has not finished has no lights."""
    findings = advice.findings_of(run)
    steps = advice.steps(run, findings)
    if run.summary is None:
        step = run.metrics[-1]["step"]
        unfinished = say(
            f"This run has not finished: {step} updates are logged, and nothing has been "
            "measured on held-out text.",
            f"训练尚未完成：已记录 {step} 步，还没有在留出文本上测量。",
        )
        return Verdict(run.name, unfinished, (), steps)
    seen = lights(run, findings or ())
    clear = say("No problems found.", "没有发现问题。") if findings == [] else ""
    return Verdict(run.name, sentence(run.summary), seen, steps, clear, cautions(run))


def sentence(summary: dict[str, Any]) -> str:
    """How strong the style is, whether it is closer to the books, what became of other text."""
    found = strength(summary)
    named = found.word
    if found.state == "watch" and summary.get("kl_beta"):
        named += _against_target(summary)
    others = [
        each for each in (style(summary), general_ability(summary)) if each.state != "unknown"
    ]
    en = [f"Style strength: {named}."]
    zh = [f"风格强度：{named}。"]
    if others:
        words = [each.word for each in others]
        if len(words) == 2:
            words[1] = say(f"general ability {words[1]}", f"通用能力{words[1]}")
        joined = say("; ", "，").join(words)
        en.append(f"{joined[:1].upper()}{joined[1:]}.")
        zh.append(f"{joined}。")
    return say(" ".join(en), "".join(zh))


def _against_target(summary: dict[str, Any]) -> str:
    kl, asked = summary["kl_final"], summary["kl_beta"]
    if kl < asked:
        return say(", short of what was asked", "，没学到目标强度")
    return say(", more than was asked", "，超过目标强度")
