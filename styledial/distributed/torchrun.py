"""Under torchrun: show the error of the rank that failed first.

UserError              one sentence, on the first rank and in torchrun's summary
lost connection        another rank is gone: wait, so that torchrun finds that one first
any other error        its traceback, with the rank before each line
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable

from torch.distributed.elastic.multiprocessing.errors import ErrorHandler, record

from styledial.distributed.ranks import place
from styledial.errors import UserError
from styledial.language import say


def run_recorded(command: Callable[[], None]) -> None:
    """Run `command` as one process of several; what ends it goes into torchrun's error file.

    A UserError is usually the same on all ranks, so that only the first raises it again.
    """
    handler = _SentenceOrTraceback()
    try:
        record(lambda: _outlive_the_cause(command), handler)()
    except UserError as error:
        if place().first or not handler.under_torchrun:
            raise
        raise SystemExit(error.exit_code) from None


class _SentenceOrTraceback(ErrorHandler):
    """torchrun shows the traceback of an exception; of a UserError its sentence is enough."""

    @property
    def under_torchrun(self) -> bool:
        return bool(self._get_error_file_path())

    def record_exception(self, e: BaseException) -> None:
        path = self._get_error_file_path()
        if path and isinstance(e, UserError):
            message = {"message": str(e), "extraInfo": {"timestamp": str(int(time.time()))}}
            self._write_error_file(path, json.dumps({"message": message}))
        else:
            super().record_exception(e)


def _outlive_the_cause(command: Callable[[], None]) -> None:
    """Run `command`; where it fails since another rank did, let that one be found first."""
    try:
        command()
    except Exception as error:
        if _lost_another(error):
            en = "lost the connection to another process, whose own error is the cause"
            zh = "与另一进程的连接中断，原因见该进程的报错"
            print(f"[rank{place().rank}]: {say(en, zh)}", file=sys.stderr, flush=True)
            _wait_to_be_ended()
        raise


def _lost_another(error: BaseException) -> bool:
    """Whether `error` only says that another process of the run is gone."""
    if type(error).__name__ in ("DistBackendError", "DistNetworkError"):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error)


def _wait_to_be_ended(seconds: float = 20.0) -> None:
    """torchrun ends this process as soon as it has seen that the other one died.

    If the failed process was on another machine, none is found; then this returns after `seconds`.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Event().wait(seconds)
