"""Checks made before anything is loaded: nested folders, an invalid resume, sharding."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from styledial.build.rows import has_anchor, writes_anchor
from styledial.config import BUNDLED, OFF, SECTIONS, Config, Resume, resolve
from styledial.data.novels import check_novels
from styledial.data.texts import check_general, style_folder
from styledial.distributed.ranks import Place
from styledial.errors import UserError
from styledial.language import typed
from styledial.models.identity import check_same_base, remembered_base
from styledial.models.locate import absolute
from styledial.places import check_new
from styledial.run_folder import layout

_BASE = "model.model_name_or_path"


def check_folders(config: Config) -> None:
    """Raises UserError where the run's output would lie among its input (novels, general text,
    base), or where it would clear a folder of the user's."""
    for name in ("training.output_dir", "training.reference_cache"):
        value = config.value_of(name)
        if value not in (OFF, "auto"):
            check_new(name, Path(value).expanduser(), folder=True)
            _check_outside_of_input(name, _resolved(value), config)
    checkpoints = _resolved(config.training.output_dir) / layout.CHECKPOINTS
    cache = _resolved(config.training.reference_cache)
    if checkpoints in (cache, *cache.parents):
        raise UserError(
            f"training.reference_cache: {cache} lies among the run's checkpoints; name another "
            "folder.",
            f"training.reference_cache：{cache} 在本次训练的检查点之中；请换一个文件夹。",
        )


def _check_outside_of_input(name: str, folder: Path, config: Config) -> None:
    """`name` is the setting that has the run write into `folder`."""
    for source, en, zh in (
        (
            "data.data_dir",
            "so what is written would be read as novels",
            "写出的文件会被当成小说",
        ),
        ("data.general", "so what is written would be read as text", "写出的文件会被当成文本"),
        ("data.anchor", "so what is written would be read as text", "写出的文件会被当成文本"),
        ("model.model_name_or_path", "which holds the base model", "那里存放着基座模型"),
    ):
        read = _folder(config.value_of(source))
        if read and (folder == read or read in folder.parents):
            raise UserError(
                f"{name}: {folder} lies inside {source}, {en}; name a folder outside.",
                f"{name}：{folder} 在 {source} 之内，{zh}；请换到外面的文件夹。",
            )


def check_texts(config: Config) -> None:
    """Raises DataError where a folder or file of text that the run reads isn't there: before
    anything is planned, loaded or downloaded."""
    check_novels(style_folder(config.data.data_dir))
    check_general(config.data.general, "data.general")
    if has_anchor(config) and not writes_anchor(config):
        check_general(config.data.anchor, "data.anchor")


def _folder(value: str) -> Path | None:
    """The folder that a setting names; None where it names something else."""
    if value in (BUNDLED, OFF, "self"):
        return None
    path = _resolved(value)
    return path if path.is_dir() else None


def _resolved(value: str) -> Path:
    return Path(os.path.realpath(Path(value).expanduser()))  # of a loop of links, too


def with_absolute_base(config: Config) -> Config:
    """A base in a folder by its absolute path: later commands are run in other folders."""
    name = absolute(config.model.model_name_or_path)
    return config.with_values({_BASE: name}, config.sources.get(_BASE, "default"))


def check_base_is_the_same(config: Config, folder: Path) -> None:
    """Raises AdapterError where the run in `folder` remembers another base than is there now."""
    base = remembered_base(folder)
    if base is not None:
        remedy = (
            "name its folder: model.model_name_or_path=FOLDER",
            "用 model.model_name_or_path=文件夹 指明它现在的位置",
        )
        check_same_base(folder, base, config.model.model_name_or_path, remedy)


def check_resumes_its_own(config: Config) -> None:
    """Raises UserError where `--resume` is given the settings of a run that was moved or copied:
    they name the folder that it was in."""
    file = Path(config.sources.get("training.output_dir", "").rpartition(":")[0])
    here, named = file.parent, config.training.output_dir
    is_a_run = file.name == layout.SETTINGS and (here / layout.CHECKPOINTS).is_dir()
    if is_a_run and _resolved(str(here)) != _resolved(named):
        there = ("", "")
        if (Path(named).expanduser() / layout.CHECKPOINTS).is_dir():  # copied, and not moved
            there = (
                f", or training.output_dir={typed(named)} for the run there",
                f"；要继续原来的，请加 training.output_dir={typed(named)}",
            )
        raise UserError(
            f"--resume: {file} is of a run that was moved or copied: it lies in {here}, and its "
            f"output_dir is {named}. Add training.output_dir={typed(here)} to continue this one"
            f"{there[0]}.",
            f"--resume：{file} 所属的训练被移动或复制过：它在 {here}，而 output_dir 是 {named}。"
            f"要继续这一个，请加 training.output_dir={typed(here)}{there[1]}。",
        )


def check_same_run(config: Config, folder: Path) -> list[str]:
    """What differs from the settings of the run in `folder` and may: "section.key old -> new".

    Raises UserError where `--resume` would go on with settings that make it another run. Rows an
    update, and the files' contents, are compared with the checkpoint itself.
    """
    path = folder / layout.SETTINGS
    if not path.is_file():
        return []
    earlier = resolve(path)
    changed = _differences(earlier, config, "same")
    if remembered_base(folder):  # compared by what it is; it may have moved
        changed = [words for words in changed if not words.startswith(f"{_BASE} ")]
    if changed:
        listed = "; ".join(changed)
        raise UserError(
            f"--resume: the run in {folder} had other settings ({listed}). Restore them, or "
            "start a new run with --overwrite or in another folder.",
            f"--resume：{folder} 中的训练设置不同（{listed}）。请改回原设置，"
            "或用 --overwrite、换文件夹重新训练。",
        )
    said = _differences(earlier, config, "said")
    if config.training.per_device_train_batch_size != "auto":
        return said
    # It keeps an update's rows, which are compared with the checkpoint, and may change these two.
    chosen = ("training.per_device_train_batch_size", "training.gradient_accumulation_steps")
    return [words for words in said if not words.startswith(chosen)]


def same_settings(config: Config, path: Path) -> bool:
    """Whether the configuration in `path` makes the same run as `config`."""
    earlier = resolve(path)
    return not any(_differences(earlier, config, kind) for kind in ("same", "said"))


def _differences(one: Config, two: Config, kind: Resume) -> list[str]:
    pairs = ((name, _in_force(one, name), _in_force(two, name)) for name in _settings(kind))
    return [
        f"{name} {_as_typed(before)} -> {_as_typed(after)}"
        for name, before, after in pairs
        if before != after
    ]


def _settings(kind: Resume) -> Iterator[str]:
    """ "section.key" of the settings that `--resume` treats in this way."""
    for section, settings in SECTIONS.items():
        for key, field in settings.model_fields.items():
            if field.json_schema_extra["resume"] == kind:  # type: ignore[index]
                yield f"{section}.{key}"


def _in_force(config: Config, name: str) -> Any:
    """The value; of lora_alpha what its default stands for."""
    return config.model.alpha if name == "model.lora_alpha" else config.value_of(name)


def _as_typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


_ENGINES = {"ACCELERATE_USE_DEEPSPEED": "DeepSpeed", "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM"}
_ON = ("1", "true", "yes", "on", "y", "t")
_OFF = ("0", "false", "no", "off", "n", "f")
_FLAGS = (
    "ACCELERATE_USE_CPU",
    "ACCELERATE_DEBUG_MODE",
    "ACCELERATE_DYNAMO_USE_DYNAMIC",
    "ACCELERATE_DYNAMO_USE_FULLGRAPH",
)


def _check_values() -> None:
    """Of variables that accelerate reads, and ends in a ValueError for others."""
    backend = "ACCELERATE_DYNAMO_BACKEND"
    allowed: dict[str, Sequence[str]] = {
        name: (*_ON, *_OFF) for name in _FLAGS if name in os.environ
    }
    if backend in os.environ:
        from accelerate.utils import DynamoBackend

        allowed[backend] = [name.lower() for name in DynamoBackend.list()]
    for name, values in allowed.items():
        value = os.environ[name]
        if value.lower() not in values:
            raise UserError(
                f"{name}={value} in the environment: allowed are {', '.join(values)}. Unset it; "
                "nothing here needs it.",
                f"环境变量 {name}={value}：可用 {'、'.join(values)}。请取消该变量，这里不需要它。",
            )


def check_launcher() -> None:
    """Raises UserError for an engine that accelerate was told to use, and that isn't used here, and
    for values that it doesn't know."""
    _check_values()
    for name, engine in _ENGINES.items():
        if os.environ.get(name, "").lower() in _ON:
            raise UserError(
                f"{name} is set in the environment (by `accelerate launch`, or left over), and "
                f"{engine} isn't used here. Unset it; several GPUs: torchrun, and training.fsdp "
                "for a base that is too large for one.",
                f"环境变量中设置了 {name}（来自 `accelerate launch`，或为残留），而本程序不使用 "
                f"{engine}。请取消该变量；多 GPU 请用 torchrun，单卡放不下基座时用 training.fsdp。",
            )


def check_sharding(config: Config, here: Place) -> None:
    """Raises UserError where `training.fsdp: on` can't work."""
    if config.training.fsdp != "on":
        return
    model, cache = config.model, config.training.reference_cache
    for refused, en, zh in (
        (
            here.count == 1,
            "needs several processes (torchrun --nproc_per_node=2 or more)",
            "需要多个进程（torchrun --nproc_per_node=2 或更多）",
        ),
        (
            not model.use_peft,
            "shards a frozen base and needs model.use_peft: true",
            "分片的是冻结的基座，需要 model.use_peft: true",
        ),
        (model.use_dora, "doesn't work with model.use_dora", "不能与 model.use_dora 同用"),
        (
            model.lora_experts,
            "doesn't work with model.lora_experts",
            "不能与 model.lora_experts 同用",
        ),
        (
            model.load_in_8bit,
            "doesn't work with model.load_in_8bit; load_in_4bit does",
            "不能与 model.load_in_8bit 同用；load_in_4bit 可以",
        ),
        (
            cache not in ("auto", OFF),
            "works without a reference cache (reference_cache: off)",
            "不能使用参考缓存（请设 reference_cache: off）",
        ),
    ):
        if refused:
            raise UserError(
                f"training.fsdp: on {en}. Change that, or set fsdp: off.",
                f"training.fsdp：on {zh}。请修改，或设 fsdp: off。",
            )
