"""What a run refuses before it loads anything: folders in each other, a resume that isn't one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from styledial.config import BUNDLED, OFF, Config, resolve
from styledial.distributed.ranks import Place
from styledial.errors import UserError
from styledial.models.identity import check_same_base, remembered_base
from styledial.models.locate import absolute


def check_folders(config: Config) -> None:
    """Raises UserError where a run's own files would become its novels."""
    if config.data.data_dir == BUNDLED:
        return
    novels = Path(config.data.data_dir).expanduser().resolve()
    output = Path(config.training.output_dir).expanduser().resolve()
    if output == novels or novels in output.parents:
        raise UserError(
            f"training.output_dir: {output} lies inside data.data_dir, so its samples would be "
            "read as novels; name a folder outside.",
            f"training.output_dir：{output} 在 data.data_dir 之内，其中的样例会被当作小说读入；"
            "请换到外面的文件夹。",
        )


def with_absolute_base(config: Config) -> Config:
    """A base in a folder by its absolute path: later commands are run in other folders."""
    key = "model.model_name_or_path"
    name = absolute(config.model.model_name_or_path)
    return config.with_values({key: name}, config.sources.get(key, "default"))


def check_base_is_the_same(config: Config, folder: Path) -> None:
    """Raises AdapterError where the run in `folder` remembers another base than is there now."""
    base = remembered_base(folder)
    if base is not None:
        remedy = ("name its folder: model.model_name_or_path=FOLDER",
                  "用 model.model_name_or_path=文件夹 指明它现在的位置")  # fmt: skip
        check_same_base(folder, base, config.model.model_name_or_path, remedy)


# What a resumed run must have in common with the run it goes on from: the model, the text, what is
# aimed at. Rows an update, and the files' contents, are compared with the checkpoint itself.
_SAME = {
    "model": ("model_name_or_path", "use_peft", "lora_r", "alpha", "lora_target_modules",
              "use_rslora", "use_dora", "load_in_4bit", "load_in_8bit", "dtype"),
    "data": ("data_dir", "max_length", "validation_split", "to_simplified", "dedup", "anchor",
             "anchor_ratio"),
    "training": ("kl_beta", "kl_mode", "kl_direction", "seed"),
}  # fmt: skip
_TYPED = {"alpha": "lora_alpha"}  # compared as in force; the user's name for it
# May change in the middle, and changes the result: said, not refused.
_SAID = {
    "model": ("lora_dropout", "attn_implementation"),
    "data": (),
    "training": ("learning_rate", "num_train_epochs", "max_steps", "warmup_ratio",
                 "lr_scheduler_type", "weight_decay", "max_grad_norm",
                 "per_device_train_batch_size", "gradient_accumulation_steps"),
}  # fmt: skip


def check_same_run(config: Config, folder: Path) -> list[str]:
    """What differs from the settings of the run in `folder` and may: "section.key old -> new".

    Raises UserError where `--resume` would go on with settings that make it another run.
    """
    path = folder / "train_config.yaml"
    if not path.is_file():
        return []
    earlier = resolve(path)
    same = dict(_SAME)
    if remembered_base(folder):  # compared by what it is; it may have moved
        same["model"] = tuple(key for key in _SAME["model"] if key != "model_name_or_path")
    changed = _differences(earlier, config, same)
    if changed:
        listed = "; ".join(changed)
        raise UserError(
            f"--resume: the run in {folder} had other settings ({listed}). Put them back, or "
            "start a new run with --overwrite or in another folder.",
            f"--resume：{folder} 中的训练设置不同（{listed}）。请改回原设置，"
            "或用 --overwrite、换文件夹重新训练。",
        )
    said = _differences(earlier, config, _SAID)
    if config.training.per_device_train_batch_size != "auto":
        return said
    # It keeps an update's rows, which are compared with the checkpoint, and may change these two.
    chosen = ("training.per_device_train_batch_size", "training.gradient_accumulation_steps")
    return [words for words in said if not words.startswith(chosen)]


def _differences(one: Config, two: Config, keys: Mapping[str, tuple[str, ...]]) -> list[str]:
    values = [
        (f"{section}.{_TYPED.get(key, key)}",
         *(getattr(getattr(each, section), key) for each in (one, two)))
        for section, names in keys.items()
        for key in names
    ]  # fmt: skip
    return [
        f"{name} {_as_typed(before)} -> {_as_typed(after)}"
        for name, before, after in values
        if before != after
    ]


def _as_typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def check_sharding(config: Config, here: Place) -> None:
    """Raises UserError where `training.fsdp: on` can't work."""
    if config.training.fsdp != "on":
        return
    model, cache = config.model, config.training.reference_cache
    for refused, en, zh in (
        (here.count == 1, "needs several processes (torchrun --nproc_per_node=2 or more)",
         "需要多个进程（torchrun --nproc_per_node=2 或更多）"),
        (not model.use_peft, "shards a frozen base and needs model.use_peft: true",
         "分片的是冻结的基座，需要 model.use_peft: true"),
        (model.use_dora, "doesn't work with model.use_dora", "不能与 model.use_dora 同用"),
        (model.load_in_8bit, "doesn't work with model.load_in_8bit; load_in_4bit does",
         "不能与 model.load_in_8bit 同用；load_in_4bit 可以"),
        (cache not in ("auto", OFF), "works without a reference cache (reference_cache: off)",
         "不能使用参考缓存（请设 reference_cache: off）"),
    ):  # fmt: skip
        if refused:
            raise UserError(
                f"training.fsdp: on {en}. Change that, or set fsdp: off.",
                f"training.fsdp：on {zh}。请修改，或设 fsdp: off。",
            )
