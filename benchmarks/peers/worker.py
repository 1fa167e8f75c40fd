"""One way in a process of its own, making updates by turns: see turns.py.

python worker.py --way trl --shape smollm2 --rows 2 --length 512 --made FOLDER --smollm2 FOLDER
"""

from __future__ import annotations

import sys

from turns import Turns  # first: it keeps standard output for itself

_TURNS = Turns(trace="--trace" in sys.argv)

import argparse  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

from material import folder_of  # noqa: E402
from ways import WAYS  # noqa: E402
from work import Work  # noqa: E402


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--way", choices=list(WAYS), required=True)
    options.add_argument("--shape", required=True)
    options.add_argument("--rows", type=int, required=True)
    options.add_argument("--length", type=int, required=True)
    options.add_argument("--checkpointing", action="store_true")
    options.add_argument("--trace", action="store_true", help="memory instead of time")
    options.add_argument("--made", type=Path, required=True)
    options.add_argument("--smollm2", type=Path, required=True)
    given = options.parse_args()
    warnings.simplefilter("ignore")
    folder = folder_of(given.shape, given.made, given.smollm2)
    WAYS[given.way](
        Work(given.shape, folder, given.rows, given.length, given.checkpointing), _TURNS
    )


if __name__ == "__main__":
    main()
