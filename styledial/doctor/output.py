"""Rules about what the tuned model writes and what it has forgotten."""

from __future__ import annotations

import math
from collections.abc import Iterator

from styledial.doctor.change import Change, in_words
from styledial.doctor.finding import Found, Words, rule
from styledial.doctor.record import Record
from styledial.doctor.strength import lower_strength, turned_down
from styledial.language import typed
from styledial.run_folder.outcome import FORGOTTEN

# Passages that the base finds half as surprising again as the books themselves are no style. That
# they surprise it more than its own text is what style is: at a sound budget of 0.1 the tests'
# base found them 2.3 times its own perplexity, and half the books'.
_STRANGE = 1.5
# Of the n-grams that differ in the base's passages or the books', the part that may be lost.
_DISTINCT = 0.25
# Tokens of a passage, on average, in a loop of three or more turns: a short sentence said thrice.
_LOOP = 8.0


@rule("warning", "passages", moves="weaker")
def not_fluent(run: Record) -> Iterator[Found]:
    """What it writes loops, has few words, or is nothing that the base would call text."""
    seen = [*_few_words(run), *_strange(run), *_loops(run)]
    if not seen:
        return
    change = lower_strength(run)
    yield Found(
        (
            "What it writes is not fluent: "
            + "; ".join(each[0] for each in seen)
            + f". KL is {run.kl_now:.3f}.",
            "续写不流畅：" + "；".join(each[1] for each in seen) + f"。KL 为 {run.kl_now:.3f}。",
        ),
        _weaker(run, change),
        change,
    )


def _weaker(run: Record, change: Change) -> Words:
    """Advice to use a weaker strength, by training with `change`, and by the dial."""
    if not run.config.model.use_peft:  # only an adapter has a dial
        words = in_words(run, change)
        return f"Use a weaker strength: {words}.", f"减弱强度：{words}。"
    export = turned_down(run)
    if not change:
        return (
            f"Use a weaker strength, without training: {export}.",
            f"减弱强度，不必训练：{export}。",
        )
    words = in_words(run, change)
    return (
        f"Use a weaker strength: {words}. Try one first without training: {export}.",
        f"减弱强度：{words}。可先不训练，试试较弱的：{export}。",
    )


def _few_words(run: Record) -> Iterator[Words]:
    for name in ("distinct_2", "distinct_3"):
        if (found := run.metric(name)) and found.value < (1 - _DISTINCT) * found.lowest:
            yield (
                f"{name} {found.value:.2f}, the base's {found.base:.2f}",
                f"{name} 为 {found.value:.2f}，基座为 {found.base:.2f}",
            )


def _strange(run: Record) -> Iterator[Words]:
    found = run.metric("base_perplexity")
    if not found or found.value <= _STRANGE * found.highest:
        return
    times, own = found.value / found.highest, found.highest == found.base
    than = ("its own text", "基座自己的文字") if own else ("the books", "原著")
    yield (
        f"the base finds it {times:.1f} times as surprising as {than[0]} (base_perplexity)",
        f"在基座看来，其困惑度是{than[1]}的 {times:.1f} 倍（base_perplexity）",
    )


def _loops(run: Record) -> Iterator[Words]:
    if (found := run.metric("longest_loop")) and found.value - found.base > _LOOP:
        yield (
            f"loops of {found.value:.0f} tokens in a passage (base {found.base:.0f})",
            f"段落中循环重复 {found.value:.0f} token（基座 {found.base:.0f}）",
        )


@rule("warning", "summary", moves="weaker")
def forgetting(run: Record) -> Iterator[Found]:
    """General text has become less likely than it was under the base."""
    lost = run.summary["general_nll"] - run.summary["general_nll_base"]
    if lost < FORGOTTEN:
        return
    change, more = _remembers(run)
    words, at_once = in_words(run, change), _kept_by_the_dial(run)
    use = (f"Use {words}{more[0]}.", f"请用 {words}{more[1]}。") if words else _weaker(run, change)
    yield Found(
        (
            f"General text lost {lost:.3f} nats per token against the base (more than "
            f"{FORGOTTEN:g}) for {run.gain:.3f} gained on style; KL {run.kl_now:.3f}.",
            f"通用文本比基座变差 {lost:.3f} nats/token（超过 {FORGOTTEN:g}），"
            f"风格改善 {run.gain:.3f}；KL {run.kl_now:.3f}。",
        ),
        (use[0] + at_once[0], use[1] + at_once[1]),
        change,
    )


def _remembers(run: Record) -> tuple[Change, Words]:
    """Settings with which less is forgotten, and what else would help."""
    training, data = run.config.training, run.config.data
    if training.mode.has_target and data.anchor == "off":
        return {"data.anchor": "self"}, ("", "")
    change = dict(lower_strength(run))
    if data.anchor == "off":
        change["data.anchor"] = "self"
    if not training.mode.has_anchor or data.anchor_ratio > 0.25 or data.anchor == "off":
        return change, ("", "")
    if not change:
        return {"data.anchor_ratio": 2 * data.anchor_ratio}, ("", "")
    ratio = in_words(run, {"data.anchor_ratio": 2 * data.anchor_ratio})
    return change, (f", or at the same strength {ratio}", f"；想保持强度则用 {ratio}")


def _kept_by_the_dial(run: Record) -> Words:
    """The strongest measured point that forgets less than the limit, as advice."""
    kept = [
        point.kl
        for point in run.dial
        if point.general_nll - run.summary["general_nll_base"] < FORGOTTEN and point.kl < run.kl_now
    ]
    if not kept:
        return "", ""
    digits = 10 ** (1 - math.floor(math.log10(max(kept))))
    rounded = math.floor(max(kept) * digits) / digits  # down: a hair more is not measured
    export = f"`styledial dial {typed(run.folder)} --export {rounded:g}`"
    return (
        f" Without training: {export} loses less than that.",
        f"不必训练：{export} 的遗忘低于此值。",
    )
