"""The base's own files beside new weights: configuration, tokenizer, licence, as they were given.

transformers 5 rewrites them when it saves: older readers then take rope_theta from their default
and don't know the tokenizer's class. So they are copied, and only the precision is changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from styledial.files import write_json
from styledial.models.inspect import read_config

_TOKENIZER = (
    "tokenizer*.json", "*.model", "*.tiktoken", "vocab.*", "merges.txt", "added_tokens.json",
    "special_tokens_map.json", "chat_template.*",
)  # fmt: skip
_MODEL = (
    "generation_config.json", "LICEN[CS]E*", "licen[cs]e*", "NOTICE*", "USE_POLICY*",
    "MODEL_LICENSE*", "*.py",
)  # fmt: skip


def copy_tokenizer(source: Path, target: Path) -> None:
    """The tokenizer's files of `source`, its chat template among them, in place of `target`'s."""
    for path in _matching(target, _TOKENIZER):
        path.unlink()
    _copy(_matching(source, _TOKENIZER), target)


def has_tokenizer(folder: Path) -> bool:
    """Whether a tokenizer's own file is in the folder."""
    return any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model"))


def copy_model_files(base: Path, target: Path, *, dtype: str) -> None:
    """All that makes the weights in `target` a model: the files of `base`, and config.json with
    the precision that the weights have ("bfloat16")."""
    copy_tokenizer(base, target)
    for path in _matching(target, _MODEL):
        path.unlink()
    _copy(_matching(base, _MODEL), target)
    config = read_config(base)
    key = "torch_dtype" if "torch_dtype" in config else "dtype"
    quantised = config.pop("quantization_config", None)  # what is written here never is
    if config.get(key) == dtype and not quantised:
        shutil.copyfile(base / "config.json", target / "config.json")
    else:
        write_json(target / "config.json", {**config, key: dtype})


def written_dtype(base: Path) -> str | None:
    """The precision that config.json says the base's files have."""
    config = read_config(base)
    found = config.get("torch_dtype") or config.get("dtype")
    return found if found in ("bfloat16", "float16", "float32") else None


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)


def _copy(paths: Iterable[Path], target: Path) -> None:
    for path in paths:
        shutil.copyfile(path, target / path.name)
