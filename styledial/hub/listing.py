"""The interface of a model hub: the files of a repository, and their URLs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from styledial.errors import ModelError

MIRROR = "https://hf-mirror.com"
MIRRORED = f"export HF_ENDPOINT={MIRROR}"  # every command goes by it


@dataclass(frozen=True)
class RemoteFile:
    """One file: `sha256` of large files, `git_sha1` (of git's blob) of small ones, as known."""

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True)
class Listing:
    """A repository at one revision; `url(path)` is where a file is fetched from."""

    repo: str
    revision: str
    files: list[RemoteFile]


@dataclass(frozen=True)
class Place:
    """Where to ask: `source` "huggingface" or "modelscope", at `endpoint` (no slash at the end).

    `token` opens gated repositories; `token_withheld` says that there is one which isn't sent
    because the endpoint was not named by the user.
    """

    source: str
    endpoint: str
    token: str | None = field(default=None, repr=False)
    token_withheld: bool = False


def other_sources(endpoint: str, source: str = "huggingface") -> tuple[str, str]:
    """What to try where `endpoint` doesn't answer: never the one that was asked, and nothing that
    only some commands take."""
    elsewhere = "`styledial download --model OWNER/NAME --source modelscope`"
    if source == "modelscope" or "modelscope" in endpoint:
        return (
            f"or from the mirror of Hugging Face, without --source: {MIRRORED}",
            f"或去掉 --source，改用 Hugging Face 的镜像：{MIRRORED}",
        )
    if "hf-mirror.com" in endpoint:
        return f"or fetch it from ModelScope: {elsewhere}", f"或从 ModelScope 下载：{elsewhere}"
    return (
        f"from China use the mirror ({MIRRORED}) or ModelScope ({elsewhere})",
        f"国内可用镜像（{MIRRORED}）或 ModelScope（{elsewhere}）",
    )


class Hub(Protocol):
    """What the two hubs' modules offer."""

    def listing(self, place: Place, repo: str, revision: str | None) -> Listing:
        """The repository's files at `revision` (None: the newest). Raises ModelError."""

    def file_url(self, place: Place, listed: Listing, path: str) -> str:
        """Where a file of the listing is downloaded from."""

    def headers(self, place: Place) -> dict[str, str]:
        """HTTP headers of a request, with the token of `place` if it has one."""

    def explained(self, error: Exception, place: Place, repo: str) -> ModelError:
        """What an HTTP error means for the user, and what to do about it."""


def transport_errors() -> tuple[type[Exception], ...]:
    """The errors of the HTTP library under huggingface_hub (httpx in 1.x, httpx2 since)."""
    import importlib

    from huggingface_hub.utils import get_session

    library: Any = importlib.import_module(type(get_session()).__module__.partition(".")[0])
    return (library.TransportError, OSError)
