"""Selecting the files of a repository that training needs.

A repository often holds its weights three times: safetensors, pickles (.bin), and its authors'
own (.pth, consolidated*, original/). One set is enough; safetensors are preferred.
"""

from __future__ import annotations

from collections.abc import Iterable

from styledial.errors import ModelError
from styledial.hub.listing import Listing, RemoteFile

_ALWAYS = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "vocab.txt", "chat_template.jinja", "chat_template.json",
)  # fmt: skip
_LICENCES = ("license", "licence", "use_policy", "model_license", "notice")


def needed(listing: Listing, *, with_code: bool = False) -> list[RemoteFile]:
    """The files to download, small ones first. `with_code` adds the repository's .py files.

    Raises ModelError where there are no weights that PyTorch can load.
    """
    top = [file for file in listing.files if "/" not in file.path and "\\" not in file.path]
    weights = _weights(top)
    if not weights or not any(file.path == "config.json" for file in top):
        kinds = sorted(
            {file.path.rpartition(".")[2] for file in listing.files if file.size > 10**7}
        )
        found = ", ".join(f".{kind}" for kind in kinds) or "-"
        raise ModelError(
            f"{listing.repo}: has no config.json with safetensors or .bin weights (large files: "
            f"{found}). Choose the model's plain transformers release, not GGUF or ONNX.",
            f"{listing.repo}：没有 config.json 及 safetensors 或 .bin 权重（大文件类型：{found}）。"
            "请选择原版 transformers 模型，而非 GGUF 或 ONNX。",
        )
    rest = [file for file in top if _belongs(file.path, with_code)]
    return sorted([*rest, *weights], key=lambda file: (file.size, file.path))


def _belongs(path: str, with_code: bool) -> bool:
    low = path.lower()
    return (
        path in _ALWAYS
        or low.startswith(_LICENCES)
        or low.endswith(".tiktoken")
        or (with_code and low.endswith(".py"))
    )


def _weights(top: Iterable[RemoteFile]) -> list[RemoteFile]:
    """One complete set: transformers' safetensors, else its pickles; shards with their index."""
    top = list(top)
    for start, end in (("model", ".safetensors"), ("pytorch_model", ".bin")):
        index = f"{start}{end}.index.json"
        single = [file for file in top if file.path == start + end]
        # An index may name its shards as it likes; model-00001-of-... is only the usual way.
        shards = [f for f in top if f.path.startswith(f"{start}-") and f.path.endswith(end)] or [
            f
            for f in top
            if f.path.endswith(end) and f.path != start + end and "consolidated" not in f.path
        ]
        if shards and any(file.path == index for file in top):
            return [*shards, *(file for file in top if file.path == index)]
        if single:
            return single
    return []
