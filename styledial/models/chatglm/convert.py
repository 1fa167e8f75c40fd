"""A ChatGLM3 folder in the original layout -> one that the Auto classes load.

Shard by shard, so that memory holds one shard (2 GB in the published model); into a folder
beside the target, which takes the target's name when everything is in it and on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from styledial.errors import ModelError, UserError
from styledial.files import folder_written_aside, read_json, write_json
from styledial.hub.home import require_space
from styledial.models.chatglm.layout import Sizes, check_is_chatglm3, glm_config
from styledial.models.chatglm.tokenizer import build_tokenizer
from styledial.models.chatglm.weights import original_name, to_glm
from styledial.models.conversions import RECORD, is_conversion, kept_conversion
from styledial.models.inspect import read_config
from styledial.models.shards import opened, weight_files

_VERSION = 2  # of what this file writes; older cached conversions are made anew
Progress = Callable[[str], None]


def converted(folder: Path, progress: Progress | None = None) -> Path:
    """The cached conversion of `folder`, made now if there is none of these very files."""
    name, key = folder.resolve().name, _fingerprint(folder)
    return kept_conversion(name, key, lambda target: convert(folder, target, progress))


def convert(folder: Path, target: Path, progress: Progress | None = None) -> Path:
    """Write the conversion of `folder` as the new folder `target`; returns `target`.

    A finished conversion of the same files is kept as it is. Raises ModelError for what isn't a
    whole ChatGLM3, UserError if `target` holds something else or the disk is too small.
    """
    key = _fingerprint(folder)
    if is_conversion(target, key):
        return target
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(
            f"{target}: exists and is not a conversion of {folder}. Choose another folder with "
            "-o, or remove it.",
            f"{target}：已存在，且不是 {folder} 的转换结果。请用 -o 另选文件夹，或先移走它。",
        )
    original = read_config(folder)
    check_is_chatglm3(original, folder)
    model_file = folder / "tokenizer.model"
    if not model_file.is_file():
        raise ModelError(
            f"{folder}: tokenizer.model is missing. Download the model again: existing files are "
            "kept.",
            f"{folder}：缺少 tokenizer.model。请重新下载，已有文件会保留。",
        )
    needed = sum(path.stat().st_size for path in weight_files(folder))
    require_space(target, needed, ("the converted model", "转换后的模型"))
    with folder_written_aside(target) as aside:
        tokenizer = build_tokenizer(model_file, original["seq_length"])
        _check_vocabulary(folder, len(tokenizer), original["padded_vocab_size"])
        tokenizer.save_pretrained(aside)
        write_weights(folder, aside, original, progress)
        _write_configs(aside, original, tokenizer)
        write_json(aside / RECORD, {"version": _VERSION, "source": key, "layout": "chatglm3"})
    return target


def write_weights(
    folder: Path, target: Path, original: dict[str, Any], progress: Progress | None = None
) -> None:
    """The weights of `folder` as safetensors shards with an index in `target`.

    Memory: one shard. Raises ModelError unless exactly a ChatGLM3's weights come out.
    """
    from safetensors.torch import save_file

    sizes = Sizes.of(original)
    expected = _expected_shapes(original)
    files = weight_files(folder)
    weight_map: dict[str, str] = {}
    total = 0
    for number, path in enumerate(files, 1):
        name = f"model-{number:05d}-of-{len(files):05d}.safetensors"
        if progress is not None:
            progress(f"{path.name} -> {name}")
        shard = {}
        with opened(path) as weights:
            for old, tensor in weights:
                for new, part in to_glm(old, tensor, sizes, path.name):
                    _check_shape(path, old, tuple(part.shape), expected.get(new))
                    shard[new] = part.contiguous().clone() if part is not tensor else part
        weight_map.update(dict.fromkeys(shard, name))
        total += sum(tensor.nbytes for tensor in shard.values())
        save_file(shard, target / name, metadata={"format": "pt"})
    absent = sorted(set(expected) - set(weight_map))
    if absent:
        lost = original_name(absent[0])
        raise ModelError(
            f"{folder}: no file holds {lost}"
            + (f" (and {len(absent) - 1} more)" if len(absent) > 1 else "")
            + ". Download the model again.",
            f"{folder}：没有任何文件包含 {lost}"
            + (f"（另缺 {len(absent) - 1} 个）" if len(absent) > 1 else "")
            + "。请重新下载模型。",
        )
    write_json(
        target / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": weight_map},
    )


def _write_configs(target: Path, original: dict[str, Any], tokenizer: Any) -> None:
    from transformers import GenerationConfig

    from styledial.models.chatglm.chat import stop_ids

    glm_config(original).save_pretrained(target)
    _for_older_readers(target)
    generation = GenerationConfig(pad_token_id=0, eos_token_id=stop_ids(tokenizer))
    generation.save_pretrained(target)


def _for_older_readers(target: Path) -> None:
    """The names that transformers 4 looks for, beside those of 5."""
    config = read_config(target)
    rope = config["rope_parameters"]
    older = {
        "rope_theta": rope["rope_theta"],
        "partial_rotary_factor": rope["partial_rotary_factor"],
        "torch_dtype": config.pop("dtype", None),
    }
    write_json(target / "config.json", {**config, **older})
    path = target / "tokenizer_config.json"
    content = read_json(path)
    content["tokenizer_class"] = "PreTrainedTokenizerFast"
    if "extra_special_tokens" in content:
        content["additional_special_tokens"] = content.pop("extra_special_tokens")
    write_json(path, content)


def _expected_shapes(original: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    import torch
    from transformers import GlmForCausalLM

    with torch.device("meta"):
        model = GlmForCausalLM(glm_config(original))
    return {name: tuple(weight.shape) for name, weight in model.state_dict().items()}


def _check_shape(
    path: Path, name: str, is_: tuple[int, ...], should: tuple[int, ...] | None
) -> None:
    if is_ != should:
        raise ModelError(
            f"{path}: {name} has shape {list(is_)} where config.json makes it "
            f"{list(should or ())}. Download both again.",
            f"{path}：{name} 的形状为 {list(is_)}，按 config.json 应为 {list(should or ())}。"
            "请重新下载这两个文件。",
        )


def _check_vocabulary(folder: Path, tokens: int, rows: int) -> None:
    if tokens > rows:
        raise ModelError(
            f"{folder}: tokenizer.model gives {tokens} ids, the model has only {rows}. They are "
            "of different models; download both again.",
            f"{folder}：tokenizer.model 有 {tokens} 个 id，而模型只有 {rows} 个，"
            "二者不属于同一模型。请重新下载。",
        )


def _fingerprint(folder: Path) -> str:
    """Changes when a file of the source does; by size and time, as hashing 12 GB takes a minute."""
    parts = [f"{folder.resolve()}"]
    for path in [folder / "config.json", folder / "tokenizer.model", *weight_files(folder)]:
        if path.is_file():
            stat = path.stat()
            parts.append(f"{path.name} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join([str(_VERSION), *parts]).encode()).hexdigest()
