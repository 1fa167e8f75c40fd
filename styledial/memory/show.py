"""A plan in words: the table, what fits, how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from styledial.config import BUNDLED
from styledial.config.allowed import as_yaml
from styledial.config.show import effective_batch
from styledial.files import expanded
from styledial.language import say
from styledial.memory.fit import BATCH, Fitted, changes_in_turn, fits
from styledial.memory.gpus import GIB, Card
from styledial.memory.part_names import part_name, phase_name
from styledial.memory.plan import UTILISATION, Plan
from styledial.memory.savings import Saving
from styledial.units import about, count, large, memory_size, operations

if TYPE_CHECKING:
    from styledial.config import Config

# Bytes of UTF-8 text to a token; Chinese and English novels are both near it.
_BYTES_PER_TOKEN = 4.4


def as_settings(changes: Mapping[str, Any]) -> str:
    """Changes as they are typed: "training.gradient_checkpointing=true ..."."""
    return " ".join(f"{name}={as_yaml(value)}" for name, value in changes.items())


def savings_table(whole: Plan, found: Iterable[Saving]) -> Iterator[str]:
    """What each change alone would save of the peak, one line each."""
    yield say("Memory saved by each change on its own:", "每项更改单独节省的显存：")
    for saving in found:
        total, more = saving.plan.total, saving.plan.total / whole.total - 1
        yield f"  {_gib(total)} GiB  {more:+7.1%}  {as_settings(saving.changes)}"


def _gib(size: float) -> str:
    """In eight columns; of something never 0.00."""
    return f"{size / GIB:8.2f}" if size >= 0.005 * GIB else f"{'< 0.01':>8}"


def table(plan: Plan) -> Iterator[str]:
    """The parts and their sum, one line each."""
    parts = [(part_name(kind), size) for kind, size in plan.breakdown.items()]
    parts += [(part_name(name), size) for name, size in plan.extras.items()]
    for name, size in parts:
        if size:
            yield f"  {_gib(size)} GiB  {name}"
    yield f"  {_gib(plan.total)} GiB  {say('peak', '峰值')}"
    phase = phase_name(plan.peak_phase)
    rows = count(plan.rows, "row", "rows", "行")
    yield say(
        f"Peak {phase} ({plan.peak_op}); {rows} per micro-batch, {plan.dtype}.",
        f"峰值出现在{phase}（{plan.peak_op}）；每个微批次 {plan.rows} 行，{plan.dtype}。",
    )


def plan_lines(plan: Plan, card: Card | None) -> list[str]:
    """The table, and whether it fits."""
    return [*table(plan), *([verdict(plan, card)] if card is not None else [])]


def verdict(plan: Plan, card: Card) -> str:
    """Whether it fits the card, with the margin."""
    limit = card.memory * (1 - card.margin)
    numbers = f"{memory_size(plan.total)} / {memory_size(card.memory)}"
    if fits(plan, card):
        return say(
            f"Fits {card.name}: {numbers}, {memory_size(limit - plan.total)} left after a margin "
            f"of {card.margin:.0%}.",
            f"{card.name} 放得下：{numbers}，"
            f"除 {card.margin:.0%} 余量外还剩 {memory_size(limit - plan.total)}。",
        )
    return say(
        f"Does not fit {card.name}: {numbers}, {memory_size(plan.total - limit)} too much with a "
        f"margin of {card.margin:.0%}.",
        f"{card.name} 放不下：{numbers}，"
        f"按 {card.margin:.0%} 余量超出 {memory_size(plan.total - limit)}。",
    )


# What the chosen rung of gradient_checkpointing means.
_RUNGS = {
    False: ("no activations recomputed", "不重算激活"),
    "every_second": ("activations of every second layer recomputed", "每两层重算一层"),
    True: ("activations of all layers recomputed", "每一层都重算"),
}


def chosen_words(found: Fitted, card: Card) -> tuple[str, str]:
    """What the plan chose where the configuration says auto, and why."""
    settings, needs = as_settings(found.changes), memory_size(found.plan.total)
    free = memory_size(card.memory * (1 - card.margin))
    rows = effective_batch(found.config, 1)
    recomputed = _RUNGS[found.config.training.gradient_checkpointing]
    return (
        f"auto: {settings}: {recomputed[0]}, the fastest that fits ({needs} of {free}); an update "
        f"has {rows} rows on each {'GPU' if card.is_gpu else 'process'}.",
        f"auto：{settings}：{recomputed[1]}，是放得下的最快配置（{needs}，可用 {free}）；"
        f"每{'张 GPU ' if card.is_gpu else '个进程'}每次更新 {rows} 行。",
    )


def nearest_words(config: Config, found: Fitted | None) -> tuple[str, str]:
    """The closest configuration that fits, as settings to type; or that there is none."""
    if found is None:
        *_, last = changes_in_turn(config)
        tried = as_settings({BATCH: 1} | last)
        adapter = "" if config.model.use_peft else " or an adapter (model.use_peft=true)"
        adapter_zh = "" if config.model.use_peft else "，或训练适配器（model.use_peft=true）"
        return (
            f"It does not fit even with {tried}: use a smaller model{adapter}.",
            f"即使 {tried} 也放不下：请换更小的模型{adapter_zh}。",
        )
    settings, then = as_settings(found.changes), memory_size(found.plan.total)
    return (
        f"The closest configuration that fits ({then}): {settings}.",
        f"放得下的最接近的配置（{then}）：{settings}。",
    )


def pace(config: Config, plan: Plan, card: Card | None) -> Iterator[str]:
    """Tokens and time, as far as they are known."""
    seconds = plan.seconds_per_update(card) if card else None
    work = operations(plan.flops)
    line = say(
        f"One update: {plan.tokens_per_update:,} tokens of style text, {work}",
        f"每次更新：{plan.tokens_per_update:,} 个风格 token，{work}",
    )
    if card and seconds:
        line += say(
            f"; about {about(seconds)} if {card.name} reaches {UTILISATION:.0%} of its "
            f"{card.tflops:g} TFLOPS (assumed, not measured)",
            f"；若 {card.name} 达到 {card.tflops:g} TFLOPS 的 {UTILISATION:.0%}"
            f"（假设，未实测），约 {about(seconds)}",
        )
    yield line + say(".", "。")
    tokens = text_tokens(config)
    if not tokens:
        return
    training = config.training
    updates = training.max_steps
    if updates < 0:
        tokens *= 1 - config.data.validation_split
        updates = max(1, round(tokens * training.num_train_epochs / plan.tokens_per_update))
    line = say(
        f"data.data_dir has about {large(tokens)} tokens (file sizes over "
        f"{_BYTES_PER_TOKEN}): {updates:,} updates",
        f"data.data_dir 约有 {large(tokens)} token（文件大小除以 {_BYTES_PER_TOKEN}）："
        f"{updates:,} 次更新",
    )
    if seconds:
        line += say(
            f", about {about(updates * seconds)}",
            f"，约 {about(updates * seconds)}",
        )
    yield line + say(".", "。")


def text_tokens(config: Config) -> float:
    """About how many tokens the novels have, by the sizes of their files; 0 without any."""
    folder = expanded(config.data.data_dir)
    if config.data.data_dir == BUNDLED:
        from styledial.data.texts import style_folder  # imports the readers of novels: a second

        folder = style_folder(BUNDLED)
    if not folder.is_dir():
        return 0.0
    kinds = {".txt", ".md", ".jsonl"}
    sizes = (p.stat().st_size for p in folder.rglob("*") if p.suffix in kinds and p.is_file())
    return sum(sizes) / _BYTES_PER_TOKEN
