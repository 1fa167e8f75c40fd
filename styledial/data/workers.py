"""Making the books of all sources, on as many cores as the text is worth."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from styledial.data.sources import Source
from styledial.data.store import Book, Store
from styledial.errors import StyleDialError

Progress = Callable[[Book, int, int], None]  # the book, bytes done, bytes of all files

_WORTH_A_PROCESS = 4 << 20  # bytes; starting processes costs about a second


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
        progress(book, done, total)
    return [book for book in books if book is not None]


def _in_turn(store: Store, sources: list[Source], count: int) -> Iterator[tuple[int, Book]]:
    for place, source in enumerate(sources):
        yield place, store.make(source)


def _in_processes(store: Store, sources: list[Source], count: int) -> Iterator[tuple[int, Book]]:
    # Spawned on every system: forking a process that holds torch or threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_leave_ctrl_c_to_the_parent)
    running: dict[Future[Any], int] = {}
    # The largest first, so that no process is left alone with it at the end.
    waiting = sorted(range(len(sources)), key=lambda i: sources[i].size)
    try:
        while waiting or running:
            while waiting and len(running) < 2 * count:
                place = waiting.pop()
                running[pool.submit(store.make, sources[place])] = place
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        raise StyleDialError(
            "A process was ended from outside, most often for want of memory. What was done is "
            "kept; run the same again with one process (--workers 1).",
            "有一个进程被外部终止，多半是内存不足。已完成的部分已保留；"
            "请改用单进程（--workers 1）重新运行。",
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
