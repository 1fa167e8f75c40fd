"""Progress of a download."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from styledial.hub.fetch import Progress
from styledial.language import say
from styledial.progress import stage
from styledial.units import disk_size


@contextmanager
def arriving(repo: str, have: dict[str, int], total: int) -> Iterator[Progress]:
    """A stage for the bytes of all files, of which `have` are here already."""
    lock = threading.Lock()
    words = say(f"downloading {repo}", f"下载 {repo}")
    with stage(words, total, done=sum(have.values())) as at:

        def grown(path: str, here: int, size: int) -> None:
            with lock:
                have[path] = here
                sizes = f"{disk_size(sum(have.values()))} / {disk_size(total)}"
                at(sum(have.values()), words=f"{words} {sizes}")

        yield grown


def both(one: Progress, other: Progress) -> Progress:
    """A progress callback that calls both."""

    def tell(path: str, here: int, size: int) -> None:
        one(path, here, size)
        other(path, here, size)

    return tell
