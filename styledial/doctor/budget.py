"""Rules about the budget: it binds, it wasn't reached, it was passed, or the style ends before."""

from __future__ import annotations

from collections.abc import Iterator

from styledial.doctor.change import Change, in_words
from styledial.doctor.curve import END, MEDIUM, STRONG, gain_at, still_rising, strongest, times_more
from styledial.doctor.finding import Found, Words, rule
from styledial.doctor.length import FEW_UPDATES, longer
from styledial.doctor.record import Record
from styledial.doctor.strength import AS_ADAPTER, is_scaled, passed
from styledial.doctor.text import is_crowded
from styledial.language import typed
from styledial.run_folder.outcome import REACHED
from styledial.units import epochs, strength

# What more epochs are for. Further off, the learning rate is what is too small.
FEW_TIMES = 2.5
# Where the second half of training brought less than a tenth of the gain, there is little to come.
FLAT = 0.1


@rule("warning", "summary", moves="weaker")
def budget_exceeded(run: Record) -> Iterator[Found]:
    """The finished model is stronger than its budget, whatever kind of run made it."""
    times = passed(run)
    if times is None:
        return
    evidence = (
        f"KL ended at {strength(run.kl_now)}, {times:.1f} times the budget {run.budget:g}.",
        f"KL 最终为 {strength(run.kl_now)}，是预算 {run.budget:g} 的 {times:.1f} 倍。",
    )
    if run.config.model.use_peft:
        export = f"`styledial dial {typed(run.folder)} --export {run.budget:g}`"
        yield Found(
            evidence,
            (
                f"Without training: {export} writes an adapter of that strength.",
                f"不必训练：{export} 会导出这一强度的适配器。",
            ),
        )
        return
    words = in_words(run, AS_ADAPTER)
    yield Found(
        evidence,
        (
            f"Train an adapter: {words}. It is scaled to its budget at the end, which a model "
            "whose weights were all tuned can't be.",
            f"请训练适配器：{words}。适配器最后会缩放到预算，全量微调的模型则无法缩放。",
        ),
        AS_ADAPTER,
    )


@rule("info", "summary", moves="stronger")
def budget_binding(run: Record) -> Iterator[Found]:
    """KL is at a budget below the guide's recommended band: the budget is what keeps style weak.

    From 0.1 on a run at its budget is as it should be.
    """
    budget = run.budget
    if budget is None or budget >= MEDIUM or run.kl < REACHED * budget:
        return
    (more, zh), change = _stronger(run, MEDIUM)
    yield Found(
        (
            f"KL {strength(run.kl_now)} uses up the budget of {budget:g}, which is below the "
            f"recommended {MEDIUM:g} to {STRONG:g}; style gained {run.gain:.3f} nats per token.",
            f"KL {strength(run.kl_now)} 已用完预算 {budget:g}，而预算低于推荐的 {MEDIUM:g} 到 "
            f"{STRONG:g}；风格改善 {run.gain:.3f} nats/token。",
        ),
        (
            f"If the style is too weak, {more} {STRONG:g} to {END:g} is stronger still.",
            f"若觉得风格太弱，{zh}{STRONG:g} 到 {END:g} 更强。",
        ),
        change,
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
        f"The budget sets the strength: KL {strength(run.kl_now)} of {run.budget:g}. ",
        f"强度由预算决定：KL {strength(run.kl_now)}，预算 {run.budget:g}。",
    )
    if wanted is None:
        return (
            reached[0]
            + "That is the end of the recommended range; beyond it text becomes less fluent.",
            reached[1] + "已到推荐范围的上限，再大就会不流畅。",
        )
    (more, zh), _ = _stronger(run, wanted)
    return f"{reached[0]}For more style, {more}", f"{reached[1]}想要更强的风格，{zh}"


def _stronger(run: Record, wanted: float) -> tuple[Words, Change]:
    """Advice and settings for a KL of `wanted`; without training where the dial reaches it."""
    gain = gain_at(run, wanted)
    known = ("", "")
    if gain is not None:
        known = (
            f" (style gained {run.gain:.3f} now, {gain:.3f} there, measured by `styledial dial`)",
            f"（现在风格改善 {run.gain:.3f}，届时 {gain:.3f}，由 `styledial dial` 测得）",
        )
    if wanted <= strongest(run):
        command = f"`styledial dial {typed(run.folder)} --export {wanted:g}`"
        return (
            f"go up to {wanted:g}{known[0]}; no training needed: {command}.",
            f"把强度提高到 {wanted:g}{known[1]}；不必重新训练：{command}。",
        ), {}
    change: Change = {"training.kl_beta": wanted}
    if is_scaled(run):  # by itself it would only scale the same adapter less, and that is used up
        change = {**longer(run, times_more(run.kl, wanted)), **change}
    words = in_words(run, change)
    return (f"train with {words}.", f"用 {words} 重新训练。"), change


@rule("advice", "summary", "readings", "updates", moves="stronger")
def budget_not_reached(run: Record) -> Iterator[Found]:
    """The run ended below its budget and nothing shows that it had learnt all it can: more
    updates."""
    rising = still_rising(run)
    if not _short(run) or (rising is not None and rising < FLAT):
        return
    times = times_more(run.kl, run.budget or 0)
    if times > FEW_TIMES and run.steps >= FEW_UPDATES:
        return  # learning_rate_too_low
    change, passes, kl = longer(run, times), epochs(run.epochs), strength(run.kl_now)
    en = f"KL {kl} of the budget {run.budget:g} after {run.steps} updates ({passes[0]})"
    zh = f"{run.steps} 步（{passes[1]}）后 KL 为 {kl}，预算 {run.budget:g}"
    if rising is not None:
        en += f"; the second half of training brought {rising:.0%} of the gain: still learning"
        zh += f"；后半程带来了 {rising:.0%} 的改善，模型仍在学习"
    en, zh = en + ".", zh + "。"
    controlled = run.config.training.mode.has_controller
    if controlled and max(line["val/kl"] for line in run.readings) > (run.budget or 0):
        en += " KL had been past the budget: too few updates for the controller to settle."
        zh += "途中 KL 曾超过预算：步数太少，控制器来不及稳定。"
    words = in_words(run, change)
    yield Found((en, zh), (f"Train longer: {words}.", f"延长训练：{words}。"), change)


@rule("advice", "summary", "readings", "updates", moves="stronger")
def style_saturated(run: Record) -> Iterator[Found]:
    """Below the budget, and nothing more is learnt: this text or this adapter gives no more."""
    rising = still_rising(run)
    if not _short(run) or rising is None or rising >= FLAT or run.steps < FEW_UPDATES:
        return
    # An adapter that could store the text many times over doesn't lack weights.
    larger = run.config.model.use_peft and not is_crowded(run)
    change = {"model.lora_r": 2 * run.config.model.lora_r} if larger else {}
    words = in_words(run, change)
    yield Found(
        (
            f"KL {strength(run.kl_now)} of the budget {run.budget:g}, and the second half of "
            f"training brought {max(rising, 0):.0%} of the gain: the model has learnt what it can.",
            f"KL {strength(run.kl_now)}，预算 {run.budget:g}；后半程只带来 {max(rising, 0):.0%} "
            "的改善：模型已学到它能学的。",
        ),
        (
            "A larger kl_beta or more epochs change nothing. More can come from more text"
            + (f" or a larger adapter: {words}." if change else "."),
            "提高 kl_beta 或增加轮数都没有用。可以增加文本"
            + (f"，或用更大的适配器：{words}。" if change else "。"),
        ),
        change,
    )


def _short(run: Record) -> bool:
    return run.budget is not None and run.kl < REACHED * run.budget
