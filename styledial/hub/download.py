"""Download a whole model into a folder that model_name_or_path accepts.

    list -> choose -> is there room? -> fetch, four files at a time -> write down what came

The record (.styledial-download.json) is written when everything is there and checked; a folder
without it is an unfinished download, which the same call finishes.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from styledial.errors import ModelError, UserError, nearest
from styledial.files import read_json, write_json
from styledial.hub import huggingface, modelscope
from styledial.hub.arrival import arriving, both
from styledial.hub.choose import needed
from styledial.hub.fetch import Progress, bytes_waiting, fetch, is_intact
from styledial.hub.home import require_space
from styledial.hub.listing import MIRROR, Hub, Listing, Place, RemoteFile
from styledial.hub.proxies import check_proxies

HUGGING_FACE = "https://huggingface.co"
SOURCES = ("huggingface", "modelscope")
_OF_MODELSCOPE = ("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN")  # as modelscope's own client
_ADDRESS = re.compile(
    r"https?://[\w.-]+(:\d+)?(/[\w./~%-]*)?|https?://\[[0-9a-fA-F:]+\](:\d+)?(/.*)?"
)
RECORD = ".styledial-download.json"


@dataclass(frozen=True)
class Downloaded:
    """The result of a download; `fetched`: bytes transferred this time."""

    folder: Path
    repo: str
    revision: str
    files: int
    size: int
    fetched: int


_given: list[Place] = []


@contextmanager
def downloading_from(where: Place | None) -> Iterator[None]:
    """What this block has to download comes from here; None leaves it as it is."""
    if where is None:
        yield
        return
    _given.append(where)
    try:
        yield
    finally:
        _given.pop()


def place(
    source: str = "huggingface",
    endpoint: str | None = None,
    use_mirror: bool = False,
    token: str | None = None,
) -> Place:
    """Where to download from, by the options and HF_ENDPOINT, HF_TOKEN, MODELSCOPE_API_TOKEN.

    A token that lies on this machine for Hugging Face goes to Hugging Face, or to an endpoint
    that the user named; --use-mirror sends one only if it is given with it. Without arguments it is
    the place of `downloading_from`, where a command was given one.
    """
    if _given and (source, endpoint, use_mirror, token) == ("huggingface", None, False, None):
        return _given[-1]
    if source not in SOURCES:
        guess = nearest(source, SOURCES)
        raise UserError(
            f"--source {source}: there are {', '.join(SOURCES)}."
            + (f" Did you mean {guess}?" if guess else ""),
            f"--source {source}：可选 {', '.join(SOURCES)}。"
            + (f"是否想写 {guess}？" if guess else ""),
        )
    if use_mirror and (endpoint or source == "modelscope"):
        raise UserError(
            "--use-mirror already says where to download from; leave out --endpoint and --source.",
            "--use-mirror 已指定下载来源；请去掉 --endpoint 和 --source。",
        )
    if source == "modelscope":
        where = _address(*_chosen(endpoint, *_OF_MODELSCOPE), modelscope.ENDPOINT)
        return Place(source, where, token or os.environ.get("MODELSCOPE_API_TOKEN"))
    by_name = () if use_mirror else ("HF_ENDPOINT",)
    where = _address(*_chosen(endpoint, *by_name), MIRROR if use_mirror else HUGGING_FACE)
    if token is None:
        from huggingface_hub import get_token

        token = get_token()
        if use_mirror and token:
            return Place(source, where, None, token_withheld=True)
    return Place(source, where, token)


def _chosen(endpoint: str | None, *variables: str) -> tuple[str, str]:
    """(where it is said, the address): --endpoint, or the first variable that is set; two empty
    words where nothing is said."""
    given = {"--endpoint": endpoint, **{name: os.environ.get(name) for name in variables}}
    return next(((name, value) for name, value in given.items() if value), ("", ""))


def _address(name: str, typed: str, usual: str) -> str:
    """`typed` as an address, or the `usual` one. Raises UserError for what is none."""
    where = (typed or usual).strip().rstrip("/")
    where = where if "://" in where else f"https://{where}"
    if not _ADDRESS.fullmatch(where):
        given = f"{name} {typed}" if name.startswith("-") else f"{name}={typed}"
        raise UserError(
            f"{given}: is not the address of a hub, such as {MIRROR}. Correct it or leave it out.",
            f"{given}：不是模型站的网址，例如 {MIRROR}。请改正或去掉。",
        )
    return where


def download(
    repo: str,
    folder: Path,
    where: Place,
    *,
    revision: str | None = None,
    with_code: bool = False,
    progress: Progress | None = None,
    workers: int = 4,
    pause: float = 1.0,
) -> Downloaded:
    """Download what a training needs of `repo` into `folder`, or finish a download begun there.

    `progress(path, bytes here, size)` is called as a file grows, from several threads; `pause` is
    the unit of the waits between attempts, in seconds.
    Raises ModelError for a name, licence, network or checksum that stands in the way, UserError
    if the disk is too small.
    """
    from huggingface_hub.errors import HfHubHTTPError

    hub: Hub = modelscope if where.source == "modelscope" else huggingface
    _check_name(repo)
    check_proxies()
    listed = hub.listing(where, repo, revision)
    files = needed(listed, with_code=with_code)
    with _alone_in(folder):
        checked = _checked_before(folder, listed)
        todo = [file for file in files if not _is_here(folder, file, checked)]
        coming = sum(file.size - bytes_waiting(folder, file) for file in todo)
        require_space(folder, coming, (f"downloading {repo}", f"下载 {repo} "))
        headers = hub.headers(where)
        there = {file.path: bytes_waiting(folder, file) for file in todo}
        there |= {file.path: file.size for file in files if file not in todo}

        def get(file: RemoteFile, report: Progress) -> None:
            fetch(hub.file_url(where, listed, file.path), headers, file, folder, report, pause)

        try:
            with arriving(repo, there, sum(file.size for file in files)) as arrived:
                _each(todo, get, both(arrived, progress or _silent), workers)
        except HfHubHTTPError as error:
            raise hub.explained(error, where, repo) from None
        _remove_earlier(folder, {file.path for file in files})
        _write_record(folder, where, listed, files)
        _sweep(folder / ".download")
    size = sum(file.size for file in files)
    return Downloaded(folder, repo, listed.revision, len(files), size, coming)


def remote_config(repo: str, where: Place, revision: str | None = None) -> dict[str, Any]:
    """config.json of a model on the hub, without downloading the model. Raises ModelError."""
    from huggingface_hub.errors import HfHubHTTPError

    hub: Hub = modelscope if where.source == "modelscope" else huggingface
    _check_name(repo)
    check_proxies()
    listed = hub.listing(where, repo, revision)
    found = [file for file in listed.files if file.path == "config.json"]
    if not found:
        raise ModelError(
            f"{repo}: has no config.json. Choose the model's plain transformers release.",
            f"{repo}：没有 config.json。请选择原版 transformers 模型。",
        )
    with tempfile.TemporaryDirectory() as folder:
        url = hub.file_url(where, listed, "config.json")
        try:
            fetch(url, hub.headers(where), found[0], Path(folder), _silent)
        except HfHubHTTPError as error:
            raise hub.explained(error, where, repo) from None
        config = read_json(Path(folder) / "config.json")
    return dict(config)


def is_complete(folder: Path) -> bool:
    """Whether a download into `folder` was finished, and its files have kept their sizes."""
    return all(
        (folder / path).is_file() and (folder / path).stat().st_size == entry["size"]
        for path, entry in _record(folder).items()
    ) and bool(_record(folder))


def downloaded_revision(folder: Path) -> str | None:
    """The hub's commit that a finished download into `folder` is of; None for other folders."""
    try:
        return str(read_json(folder / RECORD)["revision"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _each(
    files: list[RemoteFile],
    get: Callable[[RemoteFile, Progress], None],
    report: Progress,
    workers: int,
) -> None:
    """Run `get` on every file, several at a time; a failure or Ctrl-C ends all within a chunk."""
    stop = threading.Event()

    def unless_stopped(path: str, have: int, size: int) -> None:
        if stop.is_set():
            raise _Stopped
        report(path, have, size)

    with ThreadPoolExecutor(max_workers=max(workers, 1)) as pool:
        waiting = [pool.submit(get, file, unless_stopped) for file in files]
        try:
            for done in as_completed(waiting):
                done.result()
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


class _Stopped(Exception):
    """Another file failed first; this one's bytes so far stay."""


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One download at a time into a folder; a second one waits and then finds it all there."""
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".styledial-download.lock"):
        yield


def _check_name(repo: str) -> None:
    parts = repo.split("/")
    good = all(re.fullmatch(r"\w([\w.-]*\w)?", part, re.ASCII) for part in parts)
    if len(parts) != 2 or not good or "--" in repo or ".." in repo:
        raise ModelError(
            f"{repo}: a model's name is OWNER/NAME, for example Qwen/Qwen2.5-7B "
            "(`styledial models` lists the known ones).",
            f"{repo}：模型名形如 OWNER/NAME，例如 Qwen/Qwen2.5-7B"
            "（`styledial models` 列出已知模型）。",
        )


def _record(folder: Path) -> dict[str, dict[str, object]]:
    try:
        return dict(read_json(folder / RECORD)["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _remove_earlier(folder: Path, wanted: set[str]) -> None:
    """Weights of an earlier download that this one doesn't have: a single file beside shards
    would be read in place of them. Only what a download wrote, as it wrote it."""
    for path, entry in _record(folder).items():
        earlier = folder / path
        is_weights = path.endswith((".safetensors", ".bin", ".index.json"))
        whole = earlier.is_file() and earlier.stat().st_size == entry["size"]
        if is_weights and whole and path not in wanted:
            earlier.unlink()


def _checked_before(folder: Path, listed: Listing) -> set[str]:
    """Files whose checksums an earlier download of these contents has seen to be right."""
    before = _record(folder)
    now = {file.path: asdict(file) for file in listed.files}
    return {path for path, entry in before.items() if now.get(path) == {"path": path, **entry}}


def _is_here(folder: Path, file: RemoteFile, checked: set[str]) -> bool:
    path = folder / file.path
    if file.path in checked and path.is_file() and path.stat().st_size == file.size:
        return True
    return is_intact(path, file)


def _write_record(folder: Path, where: Place, listed: Listing, files: list[RemoteFile]) -> None:
    entries = {file.path: {k: v for k, v in asdict(file).items() if k != "path"} for file in files}
    write_json(
        folder / RECORD,
        {
            "source": where.source,
            "endpoint": where.endpoint,
            "repo": listed.repo,
            "revision": listed.revision,
            "files": entries,
        },
    )


def _sweep(parts: Path) -> None:
    """Remove the left-overs of earlier revisions once everything is in place."""
    if parts.is_dir():
        for path in sorted(parts.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        parts.rmdir()


def _silent(path: str, have: int, size: int) -> None:
    return None
