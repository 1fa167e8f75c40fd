"""Rules about what the tuned model writes and what it has forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from styledial.doctor.curve import END, MEDIUM
from styledial.doctor.finding import Words, rule
from styledial.doctor.record import Record
from styledial.language import typed

# General text 5 % less likely per token (perplexity) than under the base. At budgets up to 0.15
# with an anchor nothing was lost on real novels; plain fine-tuning lost 0.14.
_FORGOTTEN = 0.05
# Passages that the base finds half as surprising again as the books themselves are no style. That
# they surprise it more than its own text is what style is: at a sound budget of 0.1 the tests'
# base found them 2.3 times its own perplexity, and half the books'.
_STRANGE = 1.5
# Of the n-grams that differ in the base's passages or the books', the part that may be lost.
_DISTINCT = 0.25
# Tokens of a passage, on average, in a loop of three or more turns: a short sentence said thrice.
_LOOP = 8.0


@rule("warning", "passages")
def not_fluent(run: Record) -> Iterator[tuple[Words, Words]]:
    """What it writes loops, has few words, or is nothing that the base would call text."""
    seen: list[Words] = []
    for name in ("distinct_2", "distinct_3"):
        if (found := run.metric(name)) and found.value < (1 - _DISTINCT) * found.lowest:
            seen.append(
                (
                    f"{name} {found.value:.2f}, the base's {found.base:.2f}",
                    f"{name} 为 {found.value:.2f}，基座为 {found.base:.2f}",
                )
            )
    if (found := run.metric("base_perplexity")) and found.value > _STRANGE * found.highest:
        times = found.value / found.highest
        seen.append(
            (
                f"the base finds it {times:.1f} times as surprising as the books (base_perplexity)",
                f"基座认为它比原书还意外 {times:.1f} 倍（base_perplexity）",
            )
        )
    if (found := run.metric("longest_loop")) and found.value - found.base > _LOOP:
        seen.append(
            (
                f"loops of {found.value:.0f} tokens in a passage (base {found.base:.0f})",
                f"段落中循环重复 {found.value:.0f} token（基座 {found.base:.0f}）",
            )
        )
    if not seen:
        return
    training, lower = run.config.training, weaker(run.kl_now)
    if training.mode.has_target:
        how = (f"Lower kl_beta to {lower:g}.", f"把 kl_beta 减小到 {lower:g}。")
    else:
        how = ("Use kl_mode: budget with kl_beta 0.1.", "请用 kl_mode: budget、kl_beta 0.1。")
    if run.config.model.use_peft:  # only an adapter has a dial
        generate = f"`styledial generate {typed(run.folder)} --prompt ... --kl_beta {lower:g}`"
        commands = (f"`styledial dial {typed(run.folder)}`", generate)
        steps = f"{commands[0]}, {commands[1]}"
        how = (
            f"{how[0]} Try {lower:g} first without training: {steps}.",
            f"{how[1]}可先不训练，试试 {lower:g}：{steps}。",
        )
    yield (
        (
            "What it writes is not fluent: "
            + "; ".join(each[0] for each in seen)
            + f". KL is {run.kl_now:.3f}.",
            "续写不流畅：" + "；".join(each[1] for each in seen) + f"。KL 为 {run.kl_now:.3f}。",
        ),
        how,
    )


@rule("warning", "summary")
def forgetting(run: Record) -> Iterator[tuple[Words, Words]]:
    """General text has become less likely than it was under the base."""
    lost = run.summary["general_nll"] - run.summary["general_nll_base"]
    if lost < _FORGOTTEN:
        return
    training, data = run.config.training, run.config.data
    if not training.mode.has_target:
        how = (
            "kl_mode: budget with kl_beta 0.1 (and an anchor, which then is on)",
            "改用 kl_mode: budget、kl_beta 0.1（锚定文本随之启用）",
        )
    elif data.anchor == "off":
        how = ("data.anchor: self", "data.anchor: self")
    else:
        ratio = min(2 * data.anchor_ratio, 0.5)
        lower = weaker(run.kl_now)
        how = (
            f"data.anchor_ratio {ratio:g}, or kl_beta {lower:g}",
            f"data.anchor_ratio {ratio:g}，或 kl_beta {lower:g}",
        )
    kept = [p.kl for p in run.dial if p.general_nll - run.summary["general_nll_base"] < _FORGOTTEN]
    at_once = ("", "")
    if kept:
        export = f"`styledial dial {typed(run.folder)} --export {max(kept):.2g}`"
        at_once = (
            f" Without training: {export} loses less than that.",
            f" 不必训练：{export} 的遗忘低于此值。",
        )
    yield (
        (
            f"General text lost {lost:.3f} nats per token against the base (more than "
            f"{_FORGOTTEN:g}) for {run.gain:.3f} gained on style; KL {run.kl_now:.3f}.",
            f"通用文本比基座变差 {lost:.3f} nats/token（超过 {_FORGOTTEN:g}），"
            f"风格改善 {run.gain:.3f}；KL {run.kl_now:.3f}。",
        ),
        (f"Use {how[0]}." + at_once[0], f"请用 {how[1]}。" + at_once[1]),
    )


def weaker(kl: float) -> float:
    """The next lower strength of the guide: 0.15 -> 0.1 or 0.08; far above them, their end."""
    return next((step for step in (END, 0.15, MEDIUM, 0.08, 0.05) if step < 0.9 * kl), kl / 2)
