"""The processes of one run as forks of this one: nobody pays for the imports but the parent.

They meet at a store on a free port, as torchrun's do. POSIX only.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import torch
from running import SHORT_END
from torch.distributed import TCPStore


def get_ready() -> None:
    """What every fork shall have: a run's late imports, one thread, a short end."""
    from accelerate import Accelerator  # noqa: F401
    from peft import LoraConfig  # noqa: F401
    from transformers import Qwen2ForCausalLM  # noqa: F401

    torch.set_num_threads(1)
    for each in SHORT_END:
        setattr(*each)


class Forks:
    """`work(rank)` in each of `count` processes, which begin at once; an error there is exit code 1.

    Exit codes are those of subprocess: -9 where one was killed.
    """

    def __init__(self, count: int, work: Callable[[int], None]) -> None:
        self._store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        self.children = [self._fork(rank, count, work) for rank in range(count)]
        self.ended: dict[int, int] = {}  # exit codes by process id

    def _fork(self, rank: int, count: int, work: Callable[[int], None]) -> int:
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            if count > 1:
                os.environ.update(
                    RANK=str(rank),
                    LOCAL_RANK=str(rank),
                    WORLD_SIZE=str(count),
                    LOCAL_WORLD_SIZE=str(count),
                    MASTER_ADDR="127.0.0.1",
                    MASTER_PORT=str(self._store.port),
                    TORCHELASTIC_USE_AGENT_STORE="True",
                )
            work(rank)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            # Nothing of the parent may run here: no pytest, no handlers at exit.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def running(self) -> list[int]:
        """Process ids of those that haven't ended yet."""
        for child in self.children:
            if child not in self.ended:
                found, status = os.waitpid(child, os.WNOHANG)
                if found:
                    self.ended[child] = os.waitstatus_to_exitcode(status)
        return [child for child in self.children if child not in self.ended]

    def wait(self) -> list[int]:
        """Exit codes by rank, once all have ended."""
        for child in self.children:
            if child not in self.ended:
                self.ended[child] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return [self.ended[child] for child in self.children]
