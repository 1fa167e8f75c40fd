"""A model folder before training: is everything there, whole, and of one model?

Only headers and JSON are read, and the model is built without memory (on torch's meta device) to
know the shapes that its config.json asks for: seconds, where a failed load takes minutes and
transformers would fill a missing weight with random numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from styledial.errors import ModelError
from styledial.files import read_json
from styledial.models.classes import auto_class
from styledial.models.shards import Header, check_pickle_is_whole, safetensors_headers, weight_files
from styledial.variables import blamed

_POINTER = b"version https://git-lfs"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
# What a value that can't be raises in transformers and torch.
_OF_VALUES = (ValueError, KeyError, TypeError, AttributeError, AssertionError, RuntimeError)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json. Raises ModelError, naming the file, where it can't be read."""
    path = folder / "config.json"
    try:
        config = read_json(path)
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict):
        raise ModelError(
            f"{path}: cannot be read as a model's configuration. Download it again.",
            f"{path}：无法作为模型配置读取。请重新下载。",
        )
    return config


@contextmanager
def built_from(where: str | Path) -> Iterator[None]:
    """For a block that reads or builds a model's configuration: ModelError for what transformers
    and torch raise of a value that can't be: a size that is text, positions scaled in an unknown
    way."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        yield
    except (StrictDataclassError, *_OF_VALUES) as error:
        if of_the_environment := blamed(error):
            raise of_the_environment from error
        first = str(error).strip().split("\n")[-1].strip()[:200]
        raise ModelError(
            f"{where}/config.json: no model can be built from it ({first}). Download it again.",
            f"{where}/config.json：无法据此建立模型（{first}）。请重新下载。",
        ) from None


def check_folder(folder: Path, *, trust_remote_code: bool = False) -> None:
    """Raises ModelError, naming the file, for what would fail or train nonsense later."""
    config = read_config(folder)
    check_no_pointers(folder)
    files = weight_files(folder)
    _check_tokenizer(folder)
    headers: dict[str, Header] = {}
    for path in files:
        if path.suffix == ".safetensors":
            headers.update(safetensors_headers(path))
        else:
            check_pickle_is_whole(path)
    # Quantised files hold other tensors than the model; transformers says which of them lack.
    if headers and not trust_remote_code and not config.get("quantization_config"):
        _check_shapes(folder, headers)


def check_no_pointers(folder: Path) -> None:
    """Git leaves these in place of large files where it lacks its LFS extension. Raises
    ModelError."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.stat().st_size < 1024 and path.read_bytes().startswith(_POINTER):
            raise ModelError(
                f"{path}: is a pointer of Git LFS and not the file itself. Run `git lfs pull` in "
                "its folder, or download the model again.",
                f"{path}：是 Git LFS 的指针，不是文件本身。请在该文件夹运行 `git lfs pull`，"
                "或重新下载模型。",
            )


def _check_tokenizer(folder: Path) -> None:
    if any((folder / name).is_file() for name in _TOKENIZERS) or list(folder.glob("*.tiktoken")):
        return
    raise ModelError(
        f"{folder}: has no tokenizer ({', '.join(_TOKENIZERS)}). Download the model again: "
        "existing files are kept.",
        f"{folder}：没有分词器文件（{', '.join(_TOKENIZERS)}）。请重新下载，已有文件会保留。",
    )


def _check_shapes(folder: Path, headers: Mapping[str, Header]) -> None:
    """Every weight that config.json asks for is there with its shape, and no further layer is."""
    expected, tied, ignored = _expected(folder)
    if expected is None:
        return
    found = _under_model_names(headers, expected)
    for name, shape in expected.items():
        header = found.get(name)
        if header is None:
            if name in tied:
                continue
            raise _mismatch(
                folder, "the weight files", f"{name} is missing", "权重文件", f"缺少 {name}"
            )
        if header.shape != shape:
            raise _mismatch(
                folder,
                header.file,
                f"{name} is {list(header.shape)} where config.json makes it {list(shape)}",
                header.file,
                f"{name} 的形状为 {list(header.shape)}，按配置应为 {list(shape)}",
            )
    for name, header in found.items():
        beyond = re.search(r"\.(?:layers|h|blocks)\.\d+\.", name)
        if name not in expected and beyond and not any(p.search(name) for p in ignored):
            raise _mismatch(
                folder,
                header.file,
                f"{name} is in it, config.json has no such layer",
                header.file,
                f"其中的 {name} 在配置中不存在",
            )


def _expected(
    folder: Path,
) -> tuple[dict[str, tuple[int, ...]] | None, set[str], list[re.Pattern[str]]]:
    """Shapes by name, names that may be missing (tied), and patterns that may be extra.

    None where transformers renames or fuses weights while loading: names then say nothing.
    """
    import torch
    from transformers import AutoConfig
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    with built_from(folder):
        config = AutoConfig.from_pretrained(folder)
        with torch.device("meta"):
            model = auto_class(config).from_config(config)
    if any(map(get_checkpoint_conversion_mapping, (config.model_type, type(model).__name__))):
        return None, set(), []
    tied_keys = getattr(model, "_tied_weights_keys", None) or {}
    tied = set(tied_keys) if getattr(config, "tie_word_embeddings", False) else set()
    ignored = [
        re.compile(p) for p in getattr(model, "_keys_to_ignore_on_load_unexpected", None) or []
    ]
    # rotary_emb.inv_freq stood in old checkpoints; it is computed from the config.
    ignored.append(re.compile(r"rotary_emb\.inv_freq$"))
    return {name: tuple(w.shape) for name, w in model.state_dict().items()}, tied, ignored


def _under_model_names(
    headers: Mapping[str, Header], expected: Mapping[str, object]
) -> dict[str, Header]:
    """Weights of a bare backbone lack the "model." that the whole model puts before them."""
    if any(name in expected for name in headers):
        return dict(headers)
    prefix = next(iter(expected)).partition(".")[0]
    return {f"{prefix}.{name}": header for name, header in headers.items()}


def _mismatch(folder: Path, file: str, en: str, file_zh: str, zh: str) -> ModelError:
    return ModelError(
        f"{folder}: {file} and config.json do not match: {en}. They are of different models or "
        "incomplete; download the model again.",
        f"{folder}：{file_zh} 与 config.json 不一致：{zh}。"
        "二者不属于同一模型或不完整，请重新下载。",
    )
