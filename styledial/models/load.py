"""Base models and tokenizers, through transformers' Auto classes."""

from __future__ import annotations

import logging
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from styledial.data.chat import check_template
from styledial.errors import ModelError, UserError
from styledial.files import expanded, is_gguf
from styledial.language import say
from styledial.libraries import uncollected
from styledial.models import prequantised
from styledial.models.base_files import written_dtype
from styledial.models.classes import auto_class, with_attention
from styledial.models.frozen import frozen
from styledial.models.gguf_base import origin_of
from styledial.models.inspect import check_no_pointers, read_config
from styledial.models.locate import (
    absolute,
    find_base,
    not_available,
    ready_folder,
    split_revision,
)
from styledial.models.quantise import check_choice, loading_options, same_arithmetic
from styledial.models.registry import on_hugging_face
from styledial.models.shards import weight_files
from styledial.models.support import check_behaviour
from styledial.progress import line, stage
from styledial.units import disk_size
from styledial.variables import blamed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "find_base", "load_base", "load_tokenizer", "quiet_libraries", "weights_dtype",
]  # fmt: skip

_PROBES = ("江湖夜雨", "The rain fell on rivers and lakes.")


def quiet_libraries() -> None:
    """Only errors from transformers and bitsandbytes, and no progress bar of theirs: StyleDial
    prints its own messages.

    bitsandbytes, imported on a CPU, asks for a kernel that is not needed and warns without it.
    """
    with stage(say("loading transformers", "加载 transformers")), uncollected():
        from transformers.utils import logging as of_transformers

    of_transformers.set_verbosity_error()
    of_transformers.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def load_tokenizer(
    name_or_path: str, *, trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """The model's tokenizer (or that of an adapter's folder), checked to give text back.

    Raises ModelError.
    """
    from transformers import AutoTokenizer

    folder = expanded(name_or_path)
    if not (folder / "tokenizer_config.json").is_file() or (folder / "config.json").is_file():
        folder = ready_folder(
            name_or_path, trust_remote_code=trust_remote_code, check=False, say=line
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except Exception as error:  # what Rust raises of a damaged tokenizer.json has no other class
        check_no_pointers(folder)
        raise _not_loaded(name_or_path, error) from None
    check_template(tokenizer, name_or_path)
    # transformers 5 may rebuild a tokenizer as another class, which then gives nothing for text.
    if not any(gives_back(tokenizer, text) for text in _PROBES):
        raise ModelError(
            f"model.model_name_or_path: the tokenizer of {name_or_path} loses text; its files "
            "don't match its model type. Download the model again.",
            f"model.model_name_or_path：{name_or_path} 的分词器会丢失文字，文件与模型类型不符。"
            "请重新下载模型。",
        )
    return tokenizer


def gives_back(tokenizer: PreTrainedTokenizerBase, text: str) -> bool:
    """Whether `text` survives encoding and decoding, up to spaces at its ends."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return bool(ids) and tokenizer.decode(ids).strip() == text


# What transformers raises over files that aren't as it expects them.
_UNLOADABLE = (
    OSError, ValueError, ImportError, TypeError, KeyError, AttributeError, AssertionError,
    RuntimeError,
)  # fmt: skip


def load_base(
    name_or_path: str,
    *,
    dtype: str = "auto",
    attn_implementation: str = "sdpa",
    trust_remote_code: bool = False,
    load_in_4bit: bool = False,
    load_in_8bit: bool = False,
    keep_file_dtype: bool = False,
    shardable: bool = False,
) -> PreTrainedModel:
    """The base in evaluation mode, frozen; on the CPU, or where a quantised one was made.

    `keep_file_dtype` overrides `dtype` with the precision that the files have; `shardable` keeps 4
    bits in a form that FSDP can shard. Costs one copy of the weights, mapped from safetensors.
    Raises ModelError if the model is not available, incomplete or not supported.
    """
    check_choice(load_in_4bit=load_in_4bit, load_in_8bit=load_in_8bit)
    bits = 4 if load_in_4bit else 8 if load_in_8bit else None
    with stage(say("checking the base", "检查基座")):
        folder = ready_folder(name_or_path, trust_remote_code=trust_remote_code, say=line)
    precision, files = weights_dtype(dtype), read_config(folder)
    options = prequantised.loading_options(files, bits, name_or_path) or loading_options(
        load_in_4bit=load_in_4bit, load_in_8bit=load_in_8bit, dtype=precision, shardable=shardable
    )
    model, report = _from_files(
        name_or_path,
        folder,
        attn_implementation,
        trust_remote_code,
        dtype="auto" if keep_file_dtype else precision,
        **options,
    )
    _check_all_loaded(name_or_path, report)
    # An adapter names its base by this: the hub's name, not the cache folder of this machine.
    model.name_or_path, model.base_revision = _named(name_or_path)
    model.base_folder = folder
    model.file_dtype = written_dtype(folder) or str(precision).removeprefix("torch.")
    prequantised.settle(model, files)
    if 4 in (bits, prequantised.kept_bits(files)):
        same_arithmetic(model)
    check_behaviour(frozen(model), name_or_path)
    return model


def _from_files(
    name: str, folder: Path, attention: str, trust: bool, **options: Any
) -> tuple[Any, dict[str, Any]]:
    """The model in `folder`, which the user calls `name`, and what transformers reports of its
    weights. Raises ModelError for files that aren't as transformers expects them."""
    from safetensors import SafetensorError

    try:
        with warnings.catch_warnings(), stage(_loading_words(name, folder)):
            warnings.simplefilter("ignore", FutureWarning)
            warnings.filterwarnings("ignore", message="You passed `quantization_config`")
            return _from_pretrained(
                folder,
                attention,
                trust,
                # None lets a folder that has only .bin be read, weights-only.
                use_safetensors=True if list(folder.glob("*.safetensors")) else None,
                output_loading_info=True,
                **options,
            )
    except torch.OutOfMemoryError:
        raise
    except (*_UNLOADABLE, SafetensorError) as error:
        if attention == "flash_attention_2" and "lash" in str(error):
            raise _no_flash_attention(error) from None
        raise _not_loaded(name, error) from None


def _named(name_or_path: str) -> tuple[str, str | None]:
    """What an adapter calls this base, and its revision on the hub: a GGUF's origin where the file
    tells it, else its place."""
    place = absolute(name_or_path)
    if Path(place).exists():
        origin = origin_of(Path(place)).repository if is_gguf(Path(place)) else None
        return origin or place, None
    repo, revision = split_revision(place)
    return on_hugging_face(repo), revision


def _from_pretrained(folder: Path, attention: str, trust: bool, **options: Any) -> Any:
    """transformers' from_pretrained with its class and the best attention that the family has."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=trust)
    make = partial(auto_class(config).from_pretrained, folder, trust_remote_code=trust, **options)
    return with_attention(make, attention, config)


def weights_dtype(
    name: str, *, on_gpu: bool | None = None, bf16: bool | None = None
) -> torch.dtype:
    """`auto` is bfloat16 where the GPU has it, float16 on older GPUs, float32 on a CPU.

    `on_gpu` and `bf16` describe a device that isn't here; None asks the one that is.
    """
    if name != "auto":
        return getattr(torch, name)
    if not (torch.cuda.is_available() if on_gpu is None else on_gpu):
        return torch.float32
    if bf16 is None:
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if bf16 else torch.float16


def _check_all_loaded(name: str, report: dict[str, Any]) -> None:
    """transformers fills weights that it doesn't find with random numbers; here that's an error."""
    lost = [*report.get("missing_keys", ()), *report.get("mismatched_keys", ())]
    if lost:
        first = lost[0] if isinstance(lost[0], str) else lost[0][0]
        raise ModelError(
            f"model.model_name_or_path: {name} lacks {first}"
            + (f" and {len(lost) - 1} more weights" if len(lost) > 1 else "")
            + "; it is incomplete or of another model than its config.json. Download it again.",
            f"model.model_name_or_path：{name} 缺少 {first}"
            + (f" 等 {len(lost)} 个权重" if len(lost) > 1 else "")
            + "，不完整或与 config.json 不符。请重新下载。",
        )


def _not_loaded(name: str, error: Exception) -> UserError:
    """Of a model that is here: what the library says; a download is advised for a hub's name."""
    if of_the_environment := blamed(error):
        return of_the_environment
    reason = _reason(error)
    if not isinstance(error, OSError | ValueError | ImportError):  # a KeyError is its key alone
        reason = (f"{type(error).__name__}: {reason[0]}", f"{type(error).__name__}：{reason[1]}")
    if isinstance(error, ImportError):
        return ModelError(
            f"model.model_name_or_path: {name} needs a package that is not installed or doesn't "
            f"work ({reason[0]}). Install it and try again.",
            f"model.model_name_or_path：{name} 需要的程序包未安装或无法使用（{reason[1]}）。"
            "请安装后重试。",
        )
    if not expanded(name).exists():
        return not_available(name, *reason)
    return ModelError(
        f"model.model_name_or_path: {name} could not be loaded ({reason[0]}). Restore its files, "
        "or name another folder.",
        f"model.model_name_or_path：无法加载 {name}（{reason[1]}）。请恢复其中的文件，"
        "或换一个文件夹。",
    )


def _no_flash_attention(error: Exception) -> ModelError:
    reason = _reason(error)
    return ModelError(
        f"model.attn_implementation: flash_attention_2 doesn't work here ({reason[0]}). Install "
        "flash-attn (`pip install flash-attn --no-build-isolation`), or set sdpa.",
        f"model.attn_implementation：flash_attention_2 在本机无法使用（{reason[1]}）。"
        "请安装 flash-attn（`pip install flash-attn --no-build-isolation`），或改为 sdpa。",
    )


def _reason(error: Exception) -> tuple[str, str]:
    """The first sentence of the library's message: the rest is advice about other things."""
    first = str(error).strip().split("\n")[0].split(". ")[0].rstrip(".:")
    return first, first


def _loading_words(name: str, folder: Path) -> str:
    size = disk_size(sum(path.stat().st_size for path in weight_files(folder)))
    short = Path(name).name
    return say(f"loading {short}, {size}", f"加载 {short}（{size}）")
