"""ModelScope, over the two HTTP calls that its own client makes for a download.

    GET /api/v1/models/OWNER/NAME/repo/files?Revision=&Recursive=True    the files, with sha256
    GET /api/v1/models/OWNER/NAME/repo?Revision=&FilePath=               one file (redirects)

Asking directly gives its downloads the same resume, checks and choice of files as the other
hub's, and needs no further package. tests/test_hub_modelscope.py holds that modelscope's client
reads the same answers.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from styledial.errors import ModelError
from styledial.hub.listing import Listing, Place, RemoteFile, other_sources, transport_errors

ENDPOINT = "https://www.modelscope.cn"
_NEWEST = "master"


def listing(place: Place, repo: str, revision: str | None) -> Listing:
    """The repository's files at `revision` (None: the newest). Raises ModelError."""
    from huggingface_hub.utils import get_session

    query = urlencode({"Revision": revision or _NEWEST, "Recursive": "True"})
    try:
        response = get_session().get(
            f"{place.endpoint}/api/v1/models/{repo}/repo/files?{query}",
            headers=headers(place),
            timeout=30,
        )
    except transport_errors() as error:
        raise _unreachable(place, type(error).__name__) from None
    if response.status_code in (401, 403, 404):
        raise ModelError(
            f"{repo}: {place.endpoint} has no such model, or it is private (HTTP "
            f"{response.status_code}). Check its name on {ENDPOINT}/models; for a private one "
            "set MODELSCOPE_API_TOKEN.",
            f"{repo}：{place.endpoint} 上没有这个模型，或未公开（HTTP {response.status_code}）。"
            f"请在 {ENDPOINT}/models 核对名称；私有模型请设置 MODELSCOPE_API_TOKEN。",
        )
    if response.status_code != 200:
        raise _unreachable(place, f"HTTP {response.status_code}")
    return Listing(repo, revision or _NEWEST, _files(place, response))


def _files(place: Place, response: Any) -> list[RemoteFile]:
    try:
        entries = response.json()["Data"]["Files"]
        return [
            RemoteFile(entry["Path"], int(entry["Size"]), entry.get("Sha256") or None)
            for entry in entries
            if entry.get("Type") != "tree"
        ]
    except (ValueError, KeyError, TypeError):
        raise _unreachable(place, "an answer that can't be read") from None


def file_url(place: Place, listed: Listing, path: str) -> str:
    """Where a file of the listing is downloaded from (it redirects)."""
    query = urlencode({"Revision": listed.revision, "FilePath": path})
    return f"{place.endpoint}/api/v1/models/{listed.repo}/repo?{query}"


def headers(place: Place) -> dict[str, str]:
    """HTTP headers of a request, with the token of `place` if it has one."""
    found = {"User-Agent": "styledial"}
    if place.token:
        found["Authorization"] = f"Bearer {place.token}"
    return found


def explained(error: Exception, place: Place, repo: str) -> ModelError:
    """What an HTTP error in mid-download means for the user."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return _unreachable(place, f"HTTP {status}" if status else type(error).__name__)


def _unreachable(place: Place, reason: str) -> ModelError:
    en, zh = other_sources(place.endpoint, place.source)
    return ModelError(
        f"{place.endpoint}: cannot be reached or fails ({reason}). Try again, {en}.",
        f"{place.endpoint}：无法连接或出错（{reason}）。请重试，{zh}。",
    )
