"""Processing all source files in parallel, on as many cores as their size justifies."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from styledial.data.reading.sources import Source
from styledial.data.store import Book, Store
from styledial.errors import StyleDialError

Progress = Callable[[int, int], None]  # bytes done, bytes of all files

_WORTH_A_PROCESS = 4 << 20  # bytes; starting processes costs about a second
# Seconds without any book done after which the processes are taken for stuck, and bytes a second
# that the slowest disk gives; a book is read at some megabytes a second.
PATIENCE, _SLOWEST = 600.0, 100_000


def make_all(
    store: Store, sources: list[Source], workers: int | None, progress: Progress
) -> list[Book]:
    """The book of each source, in their order."""
    total = sum(source.size for source in sources)
    count = min(workers or _cores(), len(sources), 1 + total // _WORTH_A_PROCESS)
    done = 0
    books: list[Book | None] = [None] * len(sources)
    for place, book in (_in_processes if count > 1 else _in_turn)(store, sources, count):
        books[place] = book
        done += sources[place].size
        progress(done, total)
    return [book for book in books if book is not None]


def _in_turn(store: Store, sources: list[Source], count: int) -> Iterator[tuple[int, Book]]:
    for place, source in enumerate(sources):
        yield place, store.make(source)


def _in_processes(store: Store, sources: list[Source], count: int) -> Iterator[tuple[int, Book]]:
    # Spawned on every system: forking a process that holds torch or threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_leave_signals_to_the_parent)
    running: dict[Future[Any], int] = {}
    # The largest first, so that no process is left alone with it at the end.
    waiting = sorted(range(len(sources)), key=lambda i: sources[i].size)
    try:
        while waiting or running:
            while waiting and len(running) < 2 * count:
                place = waiting.pop()
                running[pool.submit(store.make, sources[place])] = place
            slowest = max(sources[place].size for place in running.values()) / _SLOWEST
            finished, _ = wait(running, PATIENCE + slowest, return_when=FIRST_COMPLETED)
            if not finished:
                raise _stuck([sources[place].name for place in running.values()])
            for future in finished:
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        raise StyleDialError(
            "A worker process was killed, most likely because memory ran out. Finished files "
            "are kept. Close other programs and run the same command again; `styledial prepare` "
            "with --workers 1 needs the least memory.",
            "有一个工作进程被终止，多半是因为内存不足。已完成的部分会保留。请关闭其他程序后重新运行；"
            "`styledial prepare` 加 --workers 1 占用内存最少。",
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _stuck(names: list[str]) -> StyleDialError:
    """The processes are ended: one that hangs in a read would keep this one from its end too."""
    for process in multiprocessing.active_children():
        process.kill()
    listed = ", ".join(names[:3])
    return StyleDialError(
        f"Reading the novels has stalled: no file was finished for {PATIENCE / 60:.0f} minutes; "
        f"in progress: {listed}. Check that the disk is still connected. Finished files are "
        "kept; copy those in progress to a local disk or remove them, and run the same command "
        "again.",
        f"读取小说时卡住了：{PATIENCE / 60:.0f} 分钟内没有处理完任何文件；正在处理的有 {listed}。"
        "请检查磁盘是否仍然连接。已完成的部分会保留；请把这些文件复制到本地磁盘或移走，再运行同"
        "一命令。",
    )


def _leave_signals_to_the_parent() -> None:
    """Those that a terminal sends to all processes at once."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
