"""The ranks of a run: this process's rank, file locks, and the rendezvous.

    torchrun --> WORLD_SIZE processes, RANK 0 is the first; LOCAL_RANK counts on one machine

    each process:  texts, tokens, model        files and locks only, however long it takes
                   meet()                      waits without a limit until all have come
                   training                    collectives, which do have a time limit

Nothing before `meet` is a collective: a process that tokenises for an hour keeps the others
waiting, but doesn't run them into the time limit of NCCL (10 minutes) or gloo (30).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from styledial.errors import UserError

# Between two looks at signals; the wait itself ends with the event, not with the clock.
_SLICE = timedelta(seconds=5)
_COUNTS = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@dataclass(frozen=True)
class Place:
    """Which process this is, of how many; `local` counts on this machine alone."""

    rank: int
    count: int
    local_rank: int
    local_count: int

    @property
    def first(self) -> bool:
        """The one process that writes the run's files and speaks."""
        return self.rank == 0

    @property
    def first_here(self) -> bool:
        """The first of this machine, which tidies up on a disk that the machines don't share."""
        return self.local_rank == 0

    @property
    def one_machine(self) -> bool:
        """Whether all processes of the run are on this machine."""
        return self.local_count == self.count


def place() -> Place:
    """From the variables that torchrun sets; a process of its own is 0 of 1."""
    if left_over():
        return Place(0, 1, 0, 1)
    count = int(os.environ.get("WORLD_SIZE", 1))
    return Place(
        int(os.environ.get("RANK", 0)),
        count,
        int(os.environ.get("LOCAL_RANK", 0)),
        int(os.environ.get("LOCAL_WORLD_SIZE", count)),
    )


def left_over() -> dict[str, str]:
    """WORLD_SIZE=4 or LOCAL_RANK=0 left over in the environment: without all variables
    that torchrun sets there is nobody to meet. Empty where nothing is ignored."""
    there = {name: os.environ[name] for name in _COUNTS if name in os.environ}
    if {name: value.strip() for name, value in there.items()} == {"WORLD_SIZE": "1"}:
        return {}
    needed = [os.environ.get(name, "") for name in ("WORLD_SIZE", "RANK", "MASTER_PORT")]
    whole = all(number.strip().isdecimal() for number in [*needed, *there.values()])
    return {} if whole and "MASTER_ADDR" in os.environ else there


def forget_left_over() -> dict[str, str]:
    """Take what is `left_over` out of this process's environment, where accelerate and torch would
    read it; returns it."""
    ignored = left_over()
    for name in ignored:
        del os.environ[name]
    return ignored


def use_own_device(here: Place) -> None:
    """Make this process's GPU the current one, before anything is loaded onto it.

    Raises UserError where there are more processes than GPUs.
    """
    import torch

    if here.count == 1 or not torch.accelerator.is_available():
        return
    devices = torch.accelerator.device_count()
    if here.local_rank >= devices:
        raise UserError(
            f"torchrun: {here.local_count} processes on a machine with {devices} GPUs; start "
            f"with --nproc_per_node={devices}.",
            f"torchrun：本机只有 {devices} 张 GPU，却启动了 {here.local_count} 个进程；"
            f"请用 --nproc_per_node={devices}。",
        )
    torch.accelerator.set_device_index(here.local_rank)


@contextlib.contextmanager
def taking_turns(folder: Path) -> Iterator[None]:
    """One process at a time, of those that see `folder`; it is made where it isn't there.

    The lock goes with the process that holds it, so a killed one blocks no other. On a disk
    without locks all go at once: files are written whole, so that costs time and nothing else.
    """
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(poll_interval=0.2)
    except (NotImplementedError, OSError):
        yield
        return
    try:
        yield
    finally:
        lock.release()


def meet(here: Place, store: Any) -> None:
    """Wait until every process is here, then form the group that collectives run on.

    `store` is from `rendezvous`. There is no time limit; torchrun ends the wait where another
    process has died.
    """
    if here.count == 1:
        return
    import torch
    from torch import distributed

    store.set(f"here/{here.rank}", "1")
    _wait_for(store, [f"here/{rank}" for rank in range(here.count)])
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    distributed.init_process_group(
        distributed.get_default_backend_for_device(device),
        store=store,
        rank=here.rank,
        world_size=here.count,
    )


def rendezvous(here: Place) -> Any:
    """The key-value store of the run's processes; None for a process of its own."""
    if here.count == 1:
        return None
    from torch import distributed

    store, _, _ = next(distributed.rendezvous("env://"))
    return store


def from_first(here: Place, store: Any, name: str, make: Callable[[], str]) -> str:
    """What the first process made, on every process; under `name` in the store of `rendezvous`.

    As patient as `meet`: torchrun ends the wait where the first process has died.
    """
    if here.first:
        made = make()
        if here.count > 1:
            store.set(name, made)
        return made
    _wait_for(store, [name])
    return store.get(name).decode()


def from_all(here: Place, store: Any, name: str, own: str) -> list[str]:
    """What every process says, in the order of ranks, on the first; on the others their own."""
    if here.count == 1:
        return [own]
    store.set(f"{name}/{here.rank}", own)
    if not here.first:
        return [own]
    names = [f"{name}/{rank}" for rank in range(here.count)]
    _wait_for(store, names)
    return [store.get(each).decode() for each in names]


def _wait_for(store: Any, names: list[str]) -> None:
    from torch import distributed

    while not store.check(names):
        with contextlib.suppress(distributed.DistStoreError):
            store.wait(names, _SLICE)
