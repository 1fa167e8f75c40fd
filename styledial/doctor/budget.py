"""Rules about the budget: it binds, it wasn't reached, or the style ends before it."""

from __future__ import annotations

from collections.abc import Iterator

from styledial.doctor.curve import END, MEDIUM, STRONG, gain_at, still_rising, strongest, times_more
from styledial.doctor.finding import Words, rule
from styledial.doctor.length import FEW_UPDATES, longer
from styledial.doctor.record import Record
from styledial.language import typed

# Landing comes within 0.5 % of the budget and never scales up; below this a run fell short of it,
# and says so itself when it ends.
REACHED = 0.95
# What more epochs are for. Further off, the learning rate is what is too small.
FEW_TIMES = 2.5
# Where the second half of the way brought less than a tenth of the gain, there is little to come.
FLAT = 0.1


@rule("info", "summary")
def budget_binding(run: Record) -> Iterator[tuple[Words, Words]]:
    """KL is at a budget below the guide's recommended band: the budget is what keeps style weak.

    From 0.1 on a run at its budget is as it should be.
    """
    budget = run.budget
    if budget is None or budget >= MEDIUM or run.kl < REACHED * budget:
        return
    more, zh = _stronger(run, MEDIUM)
    yield (
        (
            f"KL {run.kl_now:.3f} is all of the budget {budget:g}, which is below the recommended "
            f"{MEDIUM:g} to {STRONG:g}; style gained {run.gain:.3f} nats per token.",
            f"KL {run.kl_now:.3f} 已用完预算 {budget:g}，而预算低于推荐的 {MEDIUM:g} 到 "
            f"{STRONG:g}；风格改善 {run.gain:.3f} nats/token。",
        ),
        (
            f"If the style is too weak, {more} {STRONG:g} to {END:g} is stronger still.",
            f"若觉得风格太弱，{zh}{STRONG:g} 到 {END:g} 更强。",
        ),
    )


def what_limits(run: Record) -> Words | None:
    """What sets the strength of the style where that is as it should be: the budget, reached.

    None where the run fell short of it, had none, or isn't finished, and where budget_binding
    says it: then findings say more.
    """
    if not run.summary or run.budget is None or run.budget < MEDIUM or _short(run):
        return None
    wanted = next((band for band in (STRONG, END) if band > 1.05 * run.budget), None)
    reached = (
        f"The budget sets the strength: KL {run.kl_now:.3f} of {run.budget:g}. ",
        f"强度由预算决定：KL {run.kl_now:.3f}，预算 {run.budget:g}。",
    )
    if wanted is None:
        return (
            reached[0] + "It is at the end of the guide's bands; more is less fluent.",
            reached[1] + "已到指南分档的上限，再大会更不流畅。",
        )
    more, zh = _stronger(run, wanted)
    return f"{reached[0]}For more style, {more}", f"{reached[1]}想要更强的风格，{zh}"


def _stronger(run: Record, wanted: float) -> Words:
    gain, measured = gain_at(run, wanted)
    known = ("from the dial", "来自 dial") if measured else ("estimated", "估计")
    how = (f"train with kl_beta {wanted:g}", f"用 kl_beta {wanted:g} 训练")
    if wanted <= strongest(run):
        command = f"`styledial dial {typed(run.folder)} --export {wanted:g}`"
        how = (f"no training needed: {command}", f"不必重新训练：{command}")
    return (
        f"raise kl_beta to {wanted:g}: the gain is {run.gain:.3f} now and would be about "
        f"{gain:.3f} ({known[0]}); {how[0]}.",
        f"把 kl_beta 提高到 {wanted:g}：现在改善 {run.gain:.3f}，届时约 {gain:.3f}（{known[1]}）；"
        f"{how[1]}。",
    )


@rule("advice", "summary", "readings", "updates")
def budget_not_reached(run: Record) -> Iterator[tuple[Words, Words]]:
    """The run ended below its budget while held-out text was still getting better: more epochs."""
    if not _short(run) or still_rising(run) < FLAT:
        return
    times = times_more(run.kl, run.budget or 0)
    if times > FEW_TIMES and run.steps >= FEW_UPDATES:
        return  # learning_rate_too_low
    more, zh = longer(run, times)
    swung = ("", "")
    if max(line["val/kl"] for line in run.readings) > (run.budget or 0):
        swung = (
            " KL had been past the budget: there were too few updates for the controller to "
            "settle.",
            " 途中 KL 曾超过预算：步数太少，控制器来不及稳定。",
        )
    yield (
        (
            f"KL {run.kl:.4f} of the budget {run.budget:g} after {run.steps} updates "
            f"({run.epochs:.1f} epochs), and the second half of the way brought "
            f"{still_rising(run):.0%} of the gain: it was still learning." + swung[0],
            f"{run.steps} 步（{run.epochs:.1f} 轮）后 KL 为 {run.kl:.4f}，预算 {run.budget:g}；"
            f"后半程带来了 {still_rising(run):.0%} 的改善，模型仍在学习。" + swung[1],
        ),
        (f"Train longer: {more}.", f"延长训练：{zh}。"),
    )


@rule("advice", "summary", "readings", "updates")
def style_saturated(run: Record) -> Iterator[tuple[Words, Words]]:
    """Below the budget, and nothing more is learnt: this text or this adapter gives no more."""
    if not _short(run) or still_rising(run) >= FLAT or run.steps < FEW_UPDATES:
        return
    rank = run.config.model.lora_r
    larger = (f"a larger lora_r ({rank} -> {2 * rank})", f"更大的 lora_r（{rank} -> {2 * rank}）")
    yield (
        (
            f"KL {run.kl:.3f} of the budget {run.budget:g}, and the second half of the way brought "
            f"{max(still_rising(run), 0):.0%} of the gain: the model has learnt what it can.",
            f"KL {run.kl:.3f}，预算 {run.budget:g}；后半程只带来 {max(still_rising(run), 0):.0%} "
            "的改善：模型已学到它能学的。",
        ),
        (
            "A larger kl_beta or more epochs change nothing. More can come from more text"
            + (f" or {larger[0]}." if run.config.model.use_peft else "."),
            "提高 kl_beta 或增加轮数都没有用。可以增加文本"
            + (f"，或用{larger[1]}。" if run.config.model.use_peft else "。"),
        ),
    )


def _short(run: Record) -> bool:
    return run.budget is not None and run.kl < REACHED * run.budget
