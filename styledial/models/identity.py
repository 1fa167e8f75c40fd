"""Which base a run was trained on, how it was loaded, and whether a folder still holds that base.

    base.json   {"model": "/models/q2", "revision": null,
                 "loading": {"dtype": "auto", "load_in_4bit": true, ...},
                 "identity": {"config": "1f..", "tokenizer": "a0..", "weights": "77.."}}

Written when a run starts; every later command loads the base by it and compares `identity` first.
Of the weights three blocks of each tensor are hashed, by the tensor's name: 12 KiB a tensor, 4 MB
for a 7B model, some milliseconds. Shards and a single file of the same weights are the same base.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from styledial.errors import AdapterError
from styledial.files import read_json
from styledial.models.gguf_base import fingerprint, origin_of
from styledial.models.inspect import read_config
from styledial.models.locate import absolute, source_folder
from styledial.models.shards import sampled_weights, weight_files
from styledial.run_folder.layout import BASE as FILE

LOADING = ("dtype", "attn_implementation", "trust_remote_code", "load_in_4bit", "load_in_8bit")
# Files that decide which ids a text has.
_TOKENIZER = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt",
    "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json",
)  # fmt: skip
# What programs write into these files without making another model of it.
_PASSING = {
    "_name_or_path", "transformers_version", "use_cache", "dtype", "torch_dtype", "name_or_path",
    "tokenizer_file", "chat_template",
}  # fmt: skip
_WORDS = {
    "config": ("config.json", "config.json "),
    "tokenizer": ("tokenizer", "分词器"),
    "weights": ("weights", "权重"),
    "code": ("Python code", "Python 代码"),
    "gguf": ("GGUF file", "GGUF 文件"),
}


@dataclass(frozen=True)
class Base:
    """What a run remembers of its base: name or absolute path, how it was loaded, what it was.

    `identity` is empty for an adapter of another tool.
    """

    model: str
    loading: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None  # of the hub, where the base was downloaded
    origin: Mapping[str, Any] | None = None  # of a GGUF file: where it says that it comes from


def describe_base(name_or_path: str, loading: Mapping[str, Any]) -> Base:
    """The base as it is now; downloads it where it isn't here. Raises ModelError."""
    trusted = bool(loading.get("trust_remote_code"))
    folder = source_folder(name_or_path, trust_remote_code=trusted)
    kept = {key: loading[key] for key in LOADING if key in loading}
    return Base(
        absolute(name_or_path),
        kept,
        identify(folder, with_code=trusted),
        _revision(folder),
        asdict(origin_of(folder)) if folder.is_file() else None,
    )


def remembered_base(folder: Path) -> Base | None:
    """What the run in `folder` remembers; None where it remembers nothing.

    Raises AdapterError for a damaged file.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        return Base(
            str(content["model"]),
            dict(content["loading"]),
            dict(content["identity"]),
            content.get("revision"),
            content.get("origin"),
        )
    except (ValueError, KeyError, TypeError):
        raise AdapterError(
            f"{path}: cannot be read; restore it or train again.",
            f"{path}：无法读取；请恢复该文件或重新训练。",
        ) from None


def check_same_base(run: Path, base: Base, name_or_path: str, remedy: tuple[str, str]) -> None:
    """Raises AdapterError where `name_or_path` isn't the base that `run` remembers.

    `remedy` says, in English and Chinese, how the user names another place for the base.
    """
    if other := differing_parts(base, name_or_path):
        words = [_WORDS[part] for part in other]
        en, zh = (", ".join(each[0] for each in words), "、".join(each[1] for each in words))
        en += " differ" if len(words) > 1 or en == "weights" else " differs"
        raise AdapterError(
            f"{name_or_path}: is not the base that {run} was trained on (its {en}). "
            f"Restore that base, or {remedy[0]}.",
            f"{name_or_path}：不是 {run} 训练时所用的基座（{zh}不同）。"
            f"请恢复原来的基座，或{remedy[1]}。",
        )


def differing_parts(base: Base, name_or_path: str) -> list[str]:
    """The parts of `base.identity` in which `name_or_path` is another model; [] for the same base,
    and for one of which nothing is remembered. Downloads what isn't here. Raises ModelError."""
    if not base.identity:
        return []
    trusted = "code" in base.identity
    now = identify(source_folder(name_or_path, trust_remote_code=trusted), with_code=trusted)
    return [part for part in base.identity if base.identity[part] != now.get(part)]


def identify(folder: Path, *, with_code: bool = False) -> dict[str, str]:
    """Fingerprints of a base's parts; `with_code` adds its Python files, where those are run. Of a
    GGUF file there is one, as it is a whole."""
    if folder.is_file():
        return {"gguf": fingerprint(folder)}
    config = {key: value for key, value in read_config(folder).items() if key not in _PASSING}
    found = {
        "config": _hash([json.dumps(config, sort_keys=True).encode()]),
        "tokenizer": _hash(_tokenizer_parts(folder)),
        "weights": _hash(sampled_weights(weight_files(folder))),
    }
    if with_code:
        found["code"] = _hash(_contents(sorted(folder.glob("*.py"))))
    return found


def _tokenizer_parts(folder: Path) -> Iterator[bytes]:
    for path in [folder / name for name in _TOKENIZER] + sorted(folder.glob("*.tiktoken")):
        content = _object(path) if path.name == "tokenizer_config.json" else None
        if content is not None:
            kept = {key: value for key, value in content.items() if key not in _PASSING}
            yield json.dumps([path.name, kept], sort_keys=True).encode()
        else:
            yield from _contents([path])


def _object(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`; None where there is none, or something else."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _contents(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        if path.is_file():
            yield path.name.encode()
            yield path.read_bytes()


def _hash(parts: Iterator[bytes] | list[bytes]) -> str:
    """Of the parts and where each ends."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _revision(folder: Path) -> str | None:
    """The hub's commit that a download is of; None for a folder of the user's own."""
    from styledial.hub.download import downloaded_revision

    if folder.parent.name == "snapshots":  # Hugging Face's cache: snapshots/COMMIT
        return folder.name
    return downloaded_revision(folder)
