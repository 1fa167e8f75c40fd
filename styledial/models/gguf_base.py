"""A base that comes as one GGUF file, as llama.cpp, Ollama and LM Studio have it.

    base.gguf -> transformers, dequantised -> a plain folder, made once and kept -> as any base

Quantised blocks become weights of 16 bits with the same values, up to the rounding of 16 bits. The
file itself is what a run remembers. Where the file says which repository it was made of, an adapter
names that as its base, so that PEFT finds it elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.errors import ModelError
from styledial.files import folder_written_aside, write_json
from styledial.hub.home import require_space
from styledial.language import say
from styledial.models.conversions import RECORD, kept_conversion
from styledial.models.shards import sampled_file
from styledial.progress import line, stage
from styledial.units import disk_size

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel

ENDING = ".gguf"
_VERSION = 2  # of what is written here; older conversions are made anew
_INSTALL = "pip install 'styledial[gguf]'"
_REPOSITORIES = (
    "general.source.huggingface.repository", "general.source.repo_url", "general.source.url",
    "general.repo_url",
)  # fmt: skip
_ON_THE_HUB = re.compile(r"(?:https://huggingface\.co/)?([\w.-]+/[\w.-]+?)/?")
# What is neither kept in 16 bits as it is nor quantised.
_DTYPES = {"F32": "float32", "BF16": "bfloat16"}


@dataclass(frozen=True)
class Origin:
    """What a GGUF file says of where it comes from. `repository`: on Hugging Face, or None."""

    name: str | None
    organization: str | None
    license: str | None
    repository: str | None
    quantisation: str


@dataclass(frozen=True)
class _Header:
    family: str
    weights: int
    dtype: str
    origin: Origin


def fingerprint(path: Path) -> str:
    """Of the file's size and 64 blocks all over it; its name and place don't count."""
    digest = hashlib.sha256(str(path.stat().st_size).encode())
    for block in sampled_file(path):
        digest.update(block)
    return digest.hexdigest()


def origin_of(path: Path) -> Origin:
    """What the file says of itself. Raises ModelError for one that can't be read."""
    return _header(path).origin


def in_words(path: Path) -> str:
    """The file in words: name, family, kind, size."""
    header, size = _header(path), disk_size(path.stat().st_size)
    return f"{path.name}: {header.family}, {header.origin.quantisation}, {size}"


def gguf_config(path: Path) -> PretrainedConfig:
    """transformers' configuration of the model in the file. Raises ModelError."""
    _header(path)
    return _read(path, "config")


def dequantised(path: Path) -> Path:
    """The folder with the file's model as transformers has it, made now where there is none.

    Costs the model in 16 bits (32 of a file in F32), in memory once and on disk. Raises ModelError
    for what transformers can't read.
    """
    header = _header(path)
    key = hashlib.sha256(f"{_VERSION} {fingerprint(path)}".encode()).hexdigest()
    return kept_conversion(path.stem, key, lambda target: _convert(path, header, target, key))


def _convert(path: Path, header: _Header, target: Path, key: str) -> None:
    import torch
    from huggingface_hub import save_torch_state_dict

    bits = 32 if header.dtype == "float32" else 16
    needed = header.weights * bits // 8
    require_space(target, needed, ("the dequantised base", "反量化后的基座"))
    line(
        say(
            f"{in_words(path)}; dequantised to {header.dtype} ({disk_size(needed)}) in {target}",
            f"{in_words(path)}；反量化为 {header.dtype}（{disk_size(needed)}），存于 {target}",
        )
    )
    with stage(say("dequantising", "反量化")), folder_written_aside(target) as aside:
        tokenizer = _read(path, "tokenizer")
        model = _read(path, "model", dtype=getattr(torch, header.dtype))
        settings = model.config.to_dict()
        for name in ("quantization_config", "_name_or_path", "_model_name_or_path"):
            settings.pop(name, None)
        settings["architectures"] = [type(model).__name__]
        tokenizer.save_pretrained(aside)
        model.generation_config.save_pretrained(aside)
        save_torch_state_dict(_without_ties(model), aside)
        # transformers' own save asks for what a GGUF's quantiser doesn't do.
        write_json(aside / "config.json", {**settings, "dtype": header.dtype})
        write_json(aside / RECORD, {"version": _VERSION, "source": key, **asdict(header.origin)})


def _without_ties(model: PreTrainedModel) -> dict[str, Tensor]:
    """Its weights, a tied one under the name that transformers keeps: under the other it would be
    drawn at random first each time it is loaded, and the run's own draws would be others."""
    tied = model.all_tied_weights_keys
    return {name: weight for name, weight in model.state_dict().items() if name not in tied}


def _read(path: Path, what: str, **options: Any) -> Any:
    """transformers' configuration, tokenizer or model of the file; what it can't read, it says."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    _no_bar_of_its_own()
    kinds = {"config": AutoConfig, "tokenizer": AutoTokenizer, "model": AutoModelForCausalLM}
    place = path.resolve()
    try:
        return kinds[what].from_pretrained(place.parent, gguf_file=place.name, **options)
    except Exception as error:  # of a format that others write, and three readers of it
        reason = str(error).strip().split("\n")[0].rstrip(".")[:200]
        raise ModelError(
            f"model.model_name_or_path: transformers can't read {path} ({reason}). Name the "
            "model's own folder or its name on the hub instead.",
            f"model.model_name_or_path：transformers 无法读取 {path}（{reason}）。"
            "请改写模型文件夹或模型名。",
        ) from None


def _no_bar_of_its_own() -> None:
    """transformers' older reader draws a bar that its own switch for bars doesn't reach."""
    from transformers import modeling_gguf_pytorch_utils as reader

    if not isinstance(getattr(reader, "tqdm", None), partial):
        reader.tqdm = partial(reader.tqdm, disable=True)


def _header(path: Path) -> _Header:
    """Names, sizes and kinds; no weight is read. Raises ModelError for what is no whole model."""
    stat = path.stat()
    return _header_of(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4)  # a vocabulary of 150,000 tokens takes seconds to read
def _header_of(path: Path, size: int, changed: int) -> _Header:
    """`size` and `changed` tell apart what lay at `path` at different times."""
    try:
        import gguf
    except ImportError:
        raise ModelError(
            f"model.model_name_or_path: a GGUF file needs the gguf package: {_INSTALL}",
            f"model.model_name_or_path：读取 GGUF 需要 gguf 程序包：{_INSTALL}",
        ) from None
    try:
        reader = gguf.GGUFReader(path)
    except (ValueError, KeyError, IndexError, OSError):
        raise ModelError(
            f"{path}: is damaged or incomplete. Download it again.",
            f"{path}：不完整或已损坏。请重新下载。",
        ) from None
    told = {
        name: field.contents()
        for name, field in reader.fields.items()
        if name.startswith(("general.", "split."))
    }
    _check_is_a_model(path, told)
    kinds = Counter(t.tensor_type.name for t in reader.tensors if len(t.shape) > 1)
    kind = kinds.most_common(1)[0][0] if kinds else "F32"
    family = str(told.get("general.architecture"))
    # Gemma's activations are too large for float16.
    dtype = _DTYPES.get(kind, "bfloat16" if family.startswith("gemma") else "float16")
    weights = sum(int(tensor.n_elements) for tensor in reader.tensors)
    return _Header(family, weights, dtype, _origin(told, kind))


def _origin(told: Mapping[str, Any], kind: str) -> Origin:
    def text(name: str) -> str | None:
        return str(told[f"general.{name}"]) if f"general.{name}" in told else None

    urls = [match for key in _REPOSITORIES if (match := _ON_THE_HUB.fullmatch(str(told.get(key))))]
    repository = urls[0][1] if urls else None
    return Origin(text("name"), text("organization"), text("license"), repository, kind)


def _check_is_a_model(path: Path, told: Mapping[str, Any]) -> None:
    if int(told.get("split.count") or 1) > 1:
        raise ModelError(
            f"{path}: is one of {told['split.count']} parts of a model. Put them together first: "
            "`llama-gguf-split --merge FIRST.gguf WHOLE.gguf`.",
            f"{path}：是一个模型的 {told['split.count']} 个分片之一。请先合并："
            "`llama-gguf-split --merge 第一个.gguf 完整.gguf`。",
        )
    kind = told.get("general.type", "model")
    if kind != "model" or told.get("general.architecture") in (None, "clip"):
        raise ModelError(
            f"{path}: holds no language model (it says {kind}, "
            f"{told.get('general.architecture')}). Name the model's own GGUF.",
            f"{path}：其中不是语言模型（标明为 {kind}、{told.get('general.architecture')}）。"
            "请写模型本身的 GGUF。",
        )
