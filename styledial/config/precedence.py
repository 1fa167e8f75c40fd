"""Settings of which one stands in place of another, and settings that are without effect."""

from __future__ import annotations

from collections.abc import Mapping

from styledial.config.kl_mode import KLMode
from styledial.config.paths import exists
from styledial.config.source import COMMAND_LINE, Value
from styledial.config.whole import Config
from styledial.errors import Problem
from styledial.language import say

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


def one_revision(config: Config, merged: Mapping[str, Value]) -> Problem | None:
    """Write model.revision into the model's name, as NAME@REVISION, under which everything finds
    it, or a name's into the setting; the problem where the two contradict each other."""
    model = config.model
    repo, _, named = model.model_name_or_path.partition("@")
    where = merged.get("model.revision", merged.get("model.model_name_or_path"))
    if model.model_name_or_path == "bundled" or _is_folder(model.model_name_or_path):
        if model.revision is None:
            return None
        return Problem(
            where.where if where else "default",
            f"model.revision is for a model on the hub, and {model.model_name_or_path} is a "
            "folder here; leave it out",
            f"model.revision 用于模型仓库中的模型，而 {model.model_name_or_path} 是本地文件夹；"
            "请去掉",
        )
    if model.revision and named and model.revision != named:
        return Problem(
            where.where if where else "default",
            f"model.revision is {model.revision}, and model.model_name_or_path names {named}; "
            "keep one of the two",
            f"model.revision 为 {model.revision}，而 model.model_name_or_path 写的是 {named}；"
            "请只保留一个",
        )
    model.revision = model.revision or named or None
    if model.revision:
        model.model_name_or_path = f"{repo}@{model.revision}"
    return None


def _is_folder(name: str) -> bool:
    return name.startswith((".", "/", "~", "\\")) or name.count("/") != 1 or exists(name)


def without_effect(config: Config) -> list[str]:
    """One sentence for each setting that isn't at its default and that another one makes void."""
    training, own = config.training, type(config.training).model_fields
    kind = training.lr_scheduler_type
    no_warmup = ("lr_scheduler_type is constant", "lr_scheduler_type 为 constant")
    by_steps = ("warmup_steps is set", "已设置 warmup_steps")
    no_kl = (
        f"kl_mode {training.kl_mode} has no KL on the novels (kl_mode: budget has)",
        f"kl_mode 为 {training.kl_mode}，小说上不计 KL（kl_mode: budget 才有）",
    )
    no_kl_here = None if training.mode.reads_kl else no_kl
    void = {
        "kl_rows": no_kl_here,
        "kl_mask_target": no_kl_here,
        "warmup_steps": no_warmup if kind == "constant" else None,
        "warmup_ratio": no_warmup if kind == "constant" else training.warmup_steps and by_steps,
        "min_lr_ratio": None
        if kind == "cosine_with_min_lr"
        else (f"lr_scheduler_type is {kind}", f"lr_scheduler_type 为 {kind}"),
    }
    found = [
        (f"training.{key}", why)
        for key, why in void.items()
        if why and getattr(training, key) != own[key].default
    ]
    if training.mode is KLMode.ANCHOR and not config.model.use_peft:
        why = (
            "kl_mode anchor scales an adapter, and use_peft is false (kl_mode: auto fits both)",
            "kl_mode anchor 缩放的是适配器，而 use_peft 为 false（kl_mode: auto 两者都适用）",
        )
        found.append(("training.kl_beta", why))
    return [
        say(f"{name} is without effect: {why[0]}", f"{name} 不起作用：{why[1]}")
        for name, why in [*_of_data(config), *found]
    ]


def _of_data(config: Config) -> list[tuple[str, tuple[str, str]]]:
    """Settings of text that the base would write, where it writes none, and why."""
    data, own = config.data, type(config.data).model_fields
    why = None
    if not config.training.mode.has_anchor:
        why = "kl_mode off has no anchor text", "kl_mode 为 off，没有锚定文本"
    elif data.anchor != "self":
        why = f"data.anchor is {data.anchor}, not self", f"data.anchor 为 {data.anchor}，不是 self"
    names = ("anchor_tokens", "anchor_chat")
    return [(f"data.{key}", why) for key in names if why and getattr(data, key) != own[key].default]
