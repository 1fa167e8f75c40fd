"""Download one file over HTTP: resumed, verified, then moved into place.

    folder/.download/model.safetensors.1f2e3d4c.part    grows, survives a killed process
    folder/model.safetensors                            appears only when its checksum is right

huggingface_hub's own downloads start a fresh temporary file in every process (since 2.0), so a
killed download of 15 GB would begin again; its HTTP session, redirects, retries on 429/408 and
error classes are used, the file on disk is kept here.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from styledial.errors import ModelError
from styledial.files import sync
from styledial.hub.listing import RemoteFile, other_sources, transport_errors

_ATTEMPTS = 6  # without a byte of progress, pausing 1, 2, 4, 8, 8 s
Progress = Callable[[str, int, int], None]


class Interrupted(ModelError):
    """The network gave up; what came is kept."""


def fetch(
    url: str,
    headers: dict[str, str],
    file: RemoteFile,
    folder: Path,
    progress: Progress,
    pause: float = 1.0,
) -> None:
    """Get `file` into `folder`; `progress(path, bytes so far, size)` as it grows.

    Raises Interrupted if the network stays away, ModelError if the checksum is wrong twice;
    huggingface_hub's HTTP errors (gone, forbidden) pass through.
    """
    target = folder / file.path
    part = _part(folder, file)
    part.parent.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        _complete(url, headers, file, part, progress, pause)
        if is_intact(part, file):
            sync(part)
            part.replace(target)
            sync(target.parent)
            return
        part.unlink()  # a wrong byte somewhere: from the start, once
    en, zh = other_sources(url)
    raise ModelError(
        f"{file.path}: was downloaded from {_host(url)} twice with a wrong checksum. Try again "
        f"later; {en}.",
        f"{file.path}：从 {_host(url)} 两次下载的校验和都不对。请稍后重试；{zh}。",
    )


def is_intact(path: Path, file: RemoteFile) -> bool:
    """Whether `path` has the listed size and checksum; costs one read of the file."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.sha256:
        return _digest(path, hashlib.sha256()) == file.sha256.lower()
    if file.git_sha1:
        blob = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
        return _digest(path, blob) == file.git_sha1.lower()
    return True


def bytes_waiting(folder: Path, file: RemoteFile) -> int:
    """Bytes of an earlier attempt that need not come again."""
    part = _part(folder, file)
    return min(part.stat().st_size, file.size) if part.is_file() else 0


def _complete(
    url: str,
    headers: dict[str, str],
    file: RemoteFile,
    part: Path,
    progress: Progress,
    pause: float,
) -> None:
    """Let `part` grow to the file's size, through cut connections."""
    from huggingface_hub.errors import HfHubHTTPError

    fruitless = 0
    while True:
        have = part.stat().st_size if part.exists() else 0
        if have > file.size:
            part.unlink()
            have = 0
        progress(file.path, have, file.size)
        if have == file.size:
            part.touch()
            return
        reason = "the connection was cut"
        try:
            _append(url, headers, file, part, have, progress)
        except HfHubHTTPError:
            raise  # an answer, and an OSError too
        except transport_errors() as error:
            if isinstance(error, OSError) and error.errno is not None and error.filename:
                raise  # the disk, not the network
            reason = type(error).__name__
        if part.exists() and part.stat().st_size > have:
            fruitless = 0
            continue
        fruitless += 1
        if fruitless == _ATTEMPTS:
            en, zh = other_sources(url)
            raise Interrupted(
                f"{file.path}: {_host(url)} doesn't answer ({reason}). Run the same command again: "
                f"it goes on where it stopped; {en}.",
                f"{file.path}：{_host(url)} 没有响应（{reason}）。重新运行同一命令即可续传；{zh}。",
            )
        time.sleep(pause * min(2 ** (fruitless - 1), 8))


def _append(
    url: str, headers: dict[str, str], file: RemoteFile, part: Path, have: int, progress: Progress
) -> None:
    from huggingface_hub.utils import hf_raise_for_status, http_stream_backoff

    # Compressed in transit, a range would count other bytes than the file's.
    asked = {**headers, "Accept-Encoding": "identity"}
    if have:
        asked["Range"] = f"bytes={have}-"
    with http_stream_backoff(
        "GET",
        url,
        headers=asked,
        timeout=_timeout(),
        retry_on_exceptions=(),
        retry_on_status_codes=(408, 429),
    ) as response:
        if response.status_code == 416:
            part.unlink(missing_ok=True)  # another file than the one begun
            return
        hf_raise_for_status(response)
        if not (response.status_code == 206 and _starts_at(response, have)):
            have = 0  # the whole file comes, whatever was asked
        with part.open("r+b" if have else "wb") as out:
            out.seek(have)
            # Pieces as they come: collected to a fixed size, a cut would lose what was collected.
            for chunk in response.iter_raw():
                out.write(chunk)
                out.flush()
                have += len(chunk)
                progress(file.path, min(have, file.size), file.size)
                if have > file.size:
                    return


def _starts_at(response: Any, have: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def _part(folder: Path, file: RemoteFile) -> Path:
    """Named by content, so that a new revision's file never continues an old one's."""
    mark = (file.sha256 or file.git_sha1 or f"{file.size:x}")[:12]
    return folder / ".download" / f"{file.path}.{mark}.part"


def _digest(path: Path, hasher: Any) -> str:
    with path.open("rb") as file:
        while block := file.read(1 << 23):
            hasher.update(block)
    return str(hasher.hexdigest())


def _timeout() -> float:
    """Seconds without a byte before an attempt counts as cut; huggingface_hub's own setting."""
    return float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT", "20"))


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).netloc
