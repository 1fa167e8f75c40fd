"""What lies in a folder that a command is given: a run, an adapter, a merged model, or nothing.

Only names and small files are looked at, so that a wrong folder is refused before torch is
imported.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from styledial.errors import AdapterError, UserError
from styledial.files import expanded, is_gguf, read_json
from styledial.language import say, typed
from styledial.places import check_new
from styledial.run_folder.layout import (
    ADAPTER_SETTINGS,
    MODEL_SETTINGS,
    SAMPLES_DATA,
    SUMMARY,
)

_SHOWN = 3  # runs that a message names


def is_plain_model(folder: Path) -> bool:
    """Whether `folder` is a model without a run beside it, as `styledial merge` writes one, or a
    GGUF file."""
    if folder.is_file():
        return is_gguf(folder)
    run = (folder / SUMMARY).is_file() or (folder / ADAPTER_SETTINGS).is_file()
    return not run and (folder / MODEL_SETTINGS).is_file()


def names_plain_model(named: str) -> bool:
    """Whether `named` is a whole model, by its folder or its name on the hub, and no run."""
    place = expanded(named)
    if place.exists():
        return is_plain_model(place)
    is_name = named.count("/") == 1 and not named.startswith((".", "/", "~"))
    return named == "bundled" or (is_name and not place.parent.is_dir())


def summary_of(folder: Path) -> dict[str, Any]:
    """summary.json, read leniently: {} where there is none, or one that can't be read."""
    try:
        content = read_json(folder / SUMMARY)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def how_it_writes(folder: Path) -> dict[str, bool]:
    """Of a run's summary, what an adapter that is made of it has to know too: whether it answers
    prompts by its base's chat template."""
    found = summary_of(folder).get("answers")
    return {"answers": found} if isinstance(found, bool) else {}


def prompt_of(folder: Path) -> str:
    """A prompt in the language of the run's novels: the first of its samples, or of the run that an
    exported adapter lies in."""
    for place in (folder, folder.parent.parent):
        try:
            content = read_json(place / SAMPLES_DATA)
            return str(content["samples"][0]["prompt"])
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            continue
    return say("The door opened and", "他推开门，看见")


def describe_adapter(folder: Path) -> dict[str, Any]:
    """The run's summary; for an adapter of another tool, its base model's name under "model".

    Raises AdapterError where there is no adapter.
    """
    for name, key in ((SUMMARY, "model"), (ADAPTER_SETTINGS, "base_model_name_or_path")):
        path = folder / name
        if not path.is_file():
            continue
        if name == SUMMARY:
            _check_has_a_model(folder)
        try:
            content = read_json(path)
            return {**content, "model": content[key]}
        except (ValueError, KeyError, TypeError):
            raise AdapterError(
                f"{path}: cannot be read as JSON with a `{key}`; restore it or train again.",
                f"{path}：无法读取，或缺少 `{key}`；请恢复该文件或重新训练。",
            ) from None
    _check_is_there(folder)
    near = runs_near(folder)
    raise AdapterError(
        f"{folder}: no adapter here (adapter_config.json is missing). Name the output_dir of a "
        f"finished run{near[0]}.",
        f"{folder}：这里没有适配器（缺少 adapter_config.json）。"
        f"请写已完成训练的 output_dir{near[1]}。",
    )


def runs_near(folder: Path) -> tuple[str, str]:
    """For the end of a sentence about a folder that is no run: the run that it lies in, or those
    that lie in it; nothing where there are none."""
    found = [place for place in (folder.parent, folder.parent.parent) if _is_run(place)][:1]
    if not found and folder.is_dir():
        found = sorted(filter(_is_run, folder.iterdir()))[:_SHOWN]
    if not found:
        return "", ""
    names = [typed(place) for place in found]
    return f", such as {', '.join(names)}", f"，例如 {'、'.join(names)}"


def _is_run(folder: Path) -> bool:
    return (folder / SUMMARY).is_file()


def _check_has_a_model(run: Path) -> None:
    """Raises AdapterError for a finished run whose adapter or model was moved away."""
    if not any((run / name).is_file() for name in (ADAPTER_SETTINGS, MODEL_SETTINGS)):
        raise AdapterError(
            f"{run}: its adapter is gone ({ADAPTER_SETTINGS} is missing). Restore it from a copy, "
            "or train again.",
            f"{run}：适配器不见了（缺少 {ADAPTER_SETTINGS}）。请从备份恢复，或重新训练。",
        )


def check_adapter(adapter: Path) -> None:
    """Raises AdapterError unless an adapter lies in this folder."""
    _check_is_there(adapter)
    if not (adapter / ADAPTER_SETTINGS).is_file():
        raise AdapterError(
            f"{adapter}: no adapter here (adapter_config.json is missing). Name the output_dir of "
            "a finished LoRA run; one with use_peft: false is a plain model already.",
            f"{adapter}：这里没有适配器（缺少 adapter_config.json）。"
            "请写已完成的 LoRA 训练的 output_dir；use_peft: false 的结果本来就是完整模型。",
        )


def _check_is_there(folder: Path) -> None:
    if not folder.exists():
        raise AdapterError(
            f"{folder}: there is no such folder. Name the output_dir of a finished run.",
            f"{folder}：没有这个文件夹。请写已完成训练的 output_dir。",
        )


def check_target(target: Path) -> None:
    """Raises UserError unless `target` can become a new folder; asked before the work is done."""
    there = os.path.lexists(target)
    if there and (target.is_symlink() or not target.is_dir() or any(target.iterdir())):
        raise UserError(
            f"{target}: exists already and is left as it is; choose another folder with -o.",
            f"{target}：已存在，未改动；请用 -o 另选文件夹。",
        )
    check_new("-o", target, folder=True)
