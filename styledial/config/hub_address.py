"""A model's page, pasted from the browser, as the model's name.

https://huggingface.co/Qwen/Qwen2.5-7B/tree/main            Qwen/Qwen2.5-7B
hf-mirror.com/Qwen/Qwen2.5-7B/tree/v1.0                     Qwen/Qwen2.5-7B@v1.0
git@hf.co:Qwen/Qwen2.5-7B.git                               Qwen/Qwen2.5-7B
https://www.modelscope.cn/models/Qwen/Qwen2.5-7B/summary    Qwen/Qwen2.5-7B

An address is never asked for; only its words are read.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from styledial.errors import UserError

_HUGGING_FACE = ("huggingface.co", "hf.co", "hf-mirror.com")
_MODELSCOPE = ("modelscope.cn", "modelscope.ai")
_SCHEME = re.compile(r"(https?|hf|modelscope)://", re.IGNORECASE)
_GIT = re.compile(r"(?:ssh://)?git@([\w.-]+)[:/]", re.IGNORECASE)
_PART = re.compile(r"[A-Za-z0-9][\w.-]*")
# After OWNER/NAME: pages of the model as it is now, and those of one revision.
_PAGES = {
    "summary",
    "files",
    "file",
    "feedback",
    "evaluate",
    "discussions",
    "commits",
    "quickstart",
}
_OF_A_REVISION = {"tree", "blob", "resolve", "raw", "commit", "commits"}
_DEFAULT = {"main", "master"}


def model_in(address: str) -> str:
    """The model that `address` is a page of, as OWNER/NAME or OWNER/NAME@REVISION; what isn't an
    address comes back unchanged. Raises UserError for the address of something else."""
    if from_git := _GIT.match(address):
        return model_in(f"https://{from_git[1]}/{address[from_git.end() :]}")
    found = _SCHEME.match(address)
    scheme = found[1].lower() if found else ""
    bare = re.split(r"[?#]", address[found.end() :] if found else address)[0].rstrip("/")
    host, _, path = bare.partition("/")
    host = host.lower().removeprefix("www.")
    if scheme in ("hf", "modelscope"):
        host, path = _HUGGING_FACE[0], bare
    if host not in (*_HUGGING_FACE, *_MODELSCOPE):
        if scheme:
            raise _not_a_model(address)
        return address
    parts = [unquote(part) for part in path.split("/") if part]
    if host in _MODELSCOPE and parts[:1] == ["models"]:
        parts = parts[1:]
    elif host in _MODELSCOPE and not bare.endswith(".git"):  # what `git clone` takes has no models/
        raise _not_a_model(address)
    return _named(parts, address)


def _named(parts: list[str], address: str) -> str:
    """["Qwen", "Qwen2.5-7B.git", "tree", "v1.0"] -> "Qwen/Qwen2.5-7B@v1.0"."""
    if len(parts) < 2 or parts[0] in ("datasets", "spaces", "collections", "docs", "papers"):
        raise _not_a_model(address)
    name = f"{parts[0]}/{parts[1].removesuffix('.git')}"
    if not all(_PART.fullmatch(part.partition("@")[0]) for part in name.split("/")):
        raise _not_a_model(address)
    page = parts[2:]
    if len(page) > 1 and page[0] in _OF_A_REVISION:
        return name if page[1] in _DEFAULT else f"{name}@{page[1]}"
    if not page or page[0] in _PAGES:
        return name
    raise _not_a_model(address)


def _not_a_model(address: str) -> UserError:
    return UserError(
        f"{address} is not the page of a model on Hugging Face, hf-mirror.com or ModelScope; "
        "write OWNER/NAME, as in Qwen/Qwen2.5-7B",
        f"{address} 不是 Hugging Face、hf-mirror.com 或 ModelScope 上的模型页面；"
        "请写成 OWNER/NAME，例如 Qwen/Qwen2.5-7B",
    )
