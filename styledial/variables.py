"""Variables of the environment that libraries read, and end in an exception of their own for."""

from __future__ import annotations

import errno
import linecache
import os
import re
import traceback
from collections.abc import Iterator

from styledial.errors import UserError

# How the names begin that torch, transformers and what they import read. Others, such as HOME, are
# also named in messages that have nothing to do with their values.
_OF_LIBRARIES = re.compile(
    r"(TORCH|PYTORCH_|TRITON_|CUDA_|NCCL_|HF_|TRANSFORMERS_|SAFETENSORS_|TOKENIZERS_|RAYON_|TQDM_|"
    r"ACCELERATE_|BNB_|OMP_|MKL_|OPENBLAS_|NUMEXPR_|MPL|XDG_)"
    r"(?!.*(?:TOKEN|KEY|SECRET|PASSWORD)$)|SOURCE_DATE_EPOCH$"  # the value is shown
)
_TELLING = 4  # characters: a shorter value, such as 1, stands in many a message by chance
_NO_FOLDER = (errno.ENOTDIR, errno.EEXIST, errno.EACCES, errno.EROFS)
_INNERMOST = 3  # frames of a traceback: further out, a line that names a variable has read it well
_LONGEST = 200


def blamed(error: BaseException) -> UserError | None:
    """Which variable's value a library couldn't read, where that is what `error` is about.

    Told by what was raised: its message or its innermost lines name the variable, or the message
    shows the value.
    """
    for raised in _chain(error):
        # Of another class: torch advises variables where the memory of a GPU is too small.
        if not isinstance(raised, ValueError | OSError | LookupError):
            continue
        said, lines = str(raised), _innermost_lines(raised)
        for name, value in sorted(os.environ.items()):
            if _OF_LIBRARIES.match(name) and _is_about(name, value, raised, said, lines):
                return _unreadable(name, value, said)
    return None


def _is_about(name: str, value: str, raised: BaseException, said: str, lines: list[str]) -> bool:
    if re.search(rf"\b{name}\b", said) or any(re.search(rf"[\"']{name}[\"']", x) for x in lines):
        return True
    if len(value) < _TELLING or value.isdigit():
        return False
    return repr(value) in said or _is_no_folder(raised, value)


def _is_no_folder(raised: BaseException, value: str) -> bool:
    """Whether nothing can be kept in the folder that a variable names: it is a file, or closed."""
    if not isinstance(raised, OSError) or raised.errno not in _NO_FOLDER:
        return False
    path = str(raised.filename)
    return path == value or path.startswith(value.rstrip("/") + "/")


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__ or each.__context__


def _innermost_lines(raised: BaseException) -> list[str]:
    frames = [*traceback.walk_tb(raised.__traceback__)][-_INNERMOST:]
    return [linecache.getline(frame.f_code.co_filename, number) for frame, number in frames]


def _unreadable(name: str, value: str, said: str) -> UserError:
    reason = next((line.strip() for line in said.split("\n") if line.strip()), "")[:_LONGEST]
    shown = f"{name}={value}"[:_LONGEST]
    return UserError(
        f"{shown} in the environment: a library that is needed here can't use this value "
        f"({reason}). Correct it, or remove it (unset {name}), and run the command again.",
        f"环境变量 {shown}：所需的程序库无法使用这个值（{reason}）。"
        f"请改正，或取消它（unset {name}），然后重新运行。",
    )
