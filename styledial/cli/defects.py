"""Unexpected exceptions: the traceback goes to a file, the user sees one sentence."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path

from styledial import __version__
from styledial.language import say


def recorded(error: BaseException) -> str:
    """Write the traceback to a file of its own; the sentence that tells where it is."""
    text = "\n".join(
        [
            f"styledial {__version__}, Python {platform.python_version()}, {platform.platform()}",
            "command: " + " ".join(sys.argv),
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
    name = f"styledial-error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        try:
            with (folder / name).open("x", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:  # read-only, full, or a file of that name
            continue
        return _sentence(error, folder / name)
    return text  # it can't be kept anywhere


def _sentence(error: BaseException, path: Path) -> str:
    kind = type(error).__name__
    return say(
        f"StyleDial hit an internal error ({kind}). The details are in {path}; please report it "
        "with what `styledial doctor --report` prints, which is the same without paths and tokens.",
        f"StyleDial 发生内部错误（{kind}），详情已写入 {path}。请附上 `styledial doctor --report` "
        "的输出反馈给我们，其中不含路径和令牌。",
    )
