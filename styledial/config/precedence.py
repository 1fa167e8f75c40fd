"""Settings of which one stands in place of another, and settings that are without effect."""

from __future__ import annotations

from styledial.config.source import Value
from styledial.config.whole import Config
from styledial.language import say

COMMAND_LINE = "command line"
# (by proportion, in updates, what says "not given"): the second wins where both are set, as in
# transformers; but the first on the command line wins over the second in a file.
_PAIRS = (
    ("training.num_train_epochs", "training.max_steps", ("-1",)),
    ("training.warmup_ratio", "training.warmup_steps", ("None", "none", "null")),
)


def settled(merged: dict[str, Value]) -> list[str]:
    """Take out of `merged` what the command line replaces by another setting; what to say."""
    notes = []
    for asked, other, unset in _PAIRS:
        typed, held = merged.get(asked), merged.get(other)
        if not typed or not held or typed.where != COMMAND_LINE or held.where == COMMAND_LINE:
            continue
        if str(held.value) in unset:
            continue
        del merged[other]
        notes.append(
            say(
                f"{held.where} sets {other} to {held.value}; it is left out, because the command "
                f"line sets {asked}",
                f"{held.where} 将 {other} 设为 {held.value}；命令行已设置 {asked}，该设置不再生效",
            )
        )
    return notes


def without_effect(config: Config) -> list[str]:
    """One sentence for each setting that isn't at its default and that another one makes void."""
    training, own = config.training, type(config.training).model_fields
    kind = training.lr_scheduler_type
    no_warmup = ("lr_scheduler_type is constant", "lr_scheduler_type 为 constant")
    by_steps = ("warmup_steps is set", "已设置 warmup_steps")
    void = {
        "warmup_steps": no_warmup if kind == "constant" else None,
        "warmup_ratio": no_warmup if kind == "constant" else training.warmup_steps and by_steps,
        "min_lr_ratio": None
        if kind == "cosine_with_min_lr"
        else (f"lr_scheduler_type is {kind}", f"lr_scheduler_type 为 {kind}"),
    }
    return [
        say(f"training.{key} is without effect: {why[0]}", f"training.{key} 不起作用：{why[1]}")
        for key, why in void.items()
        if why and getattr(training, key) != own[key].default
    ]
