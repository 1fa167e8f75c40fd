"""Base models and tokenizers, through transformers' Auto classes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from styledial.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BUNDLED = Path(__file__).resolve().parents[1] / "assets" / "base"


def quiet_libraries() -> None:
    """Errors only from transformers, and no bar for loading: our own words say what goes on."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def find_base(name_or_path: str) -> str:
    """What to give to `from_pretrained`: the bundled model's folder, a folder, or a hub name.

    Raises ModelError for a path that isn't a model folder; the hub is not asked here.
    """
    if name_or_path == "bundled":
        return str(_BUNDLED)
    path = Path(name_or_path).expanduser()
    if path.is_file():
        raise ModelError(
            f"model.model_name_or_path: {name_or_path} is a file; name the folder that holds "
            "config.json and the .safetensors files.",
            f"model.model_name_or_path：{name_or_path} 是文件；请写包含 config.json 和 "
            ".safetensors 的文件夹。",
        )
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"model.model_name_or_path: {name_or_path} has no config.json, so it isn't a "
                "model folder; name the folder that does.",
                f"model.model_name_or_path：{name_or_path} 中没有 config.json，不是模型文件夹；"
                "请写正确的文件夹。",
            )
        return str(path)
    if name_or_path.startswith((".", "/", "~", "\\")) or name_or_path.count("/") != 1:
        raise _cannot_be_had(name_or_path, "no such folder", "没有这个文件夹")
    return name_or_path


def load_tokenizer(
    name_or_path: str, *, trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """The model's tokenizer, checked to give text back. Raises ModelError."""
    from transformers import AutoTokenizer

    where = find_base(name_or_path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise _cannot_be_had(name_or_path, *_reason(error)) from None
    # transformers 5 may rebuild a tokenizer as another class, which then gives nothing for text.
    if not tokenizer("江湖夜雨", add_special_tokens=False)["input_ids"]:
        raise ModelError(
            f"model.model_name_or_path: the tokenizer of {name_or_path} turns text into nothing; "
            "its files don't match its model type. Download the model again.",
            f"model.model_name_or_path：{name_or_path} 的分词器无法切分文本，文件与模型类型不符。"
            "请重新下载模型。",
        )
    return tokenizer


def load_base(
    name_or_path: str,
    *,
    dtype: str = "auto",
    attn_implementation: str = "sdpa",
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """The base in evaluation mode, on the CPU, frozen. Raises ModelError if it can't be had.

    Costs one copy of the weights, mapped from safetensors.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    where = find_base(name_or_path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model = AutoModelForCausalLM.from_pretrained(
                where,
                dtype=weights_dtype(dtype),
                attn_implementation=attn_implementation,
                trust_remote_code=trust_remote_code,
                use_safetensors=True,
            )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise _cannot_be_had(name_or_path, *_reason(error)) from None
    model.config.use_cache = False
    return model.requires_grad_(False).eval()


def weights_dtype(name: str) -> torch.dtype:
    """`auto` is bfloat16 where the GPU has it, float16 on older GPUs, float32 on a CPU."""
    if name != "auto":
        return getattr(torch, name)
    if not torch.cuda.is_available():
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _reason(error: Exception) -> tuple[str, str]:
    """The first sentence of the library's message: the rest is advice about other things."""
    first = str(error).strip().split("\n")[0].split(". ")[0].rstrip(".")
    return first, first


def _cannot_be_had(name: str, en: str, zh: str) -> ModelError:
    return ModelError(
        f"model.model_name_or_path: {name} cannot be had ({en}). Download it: "
        f"`python scripts/download_model.py --model {name}`; from China add --use-mirror; or try "
        "the demo, which needs no network: `python train.py --config configs/demo.yaml`.",
        f"model.model_name_or_path：无法取得 {name}（{zh}）。可以下载："
        f"`python scripts/download_model.py --model {name}`；国内加 --use-mirror；"
        "或运行无需网络的示例：`python train.py --config configs/demo.yaml`。",
    )
