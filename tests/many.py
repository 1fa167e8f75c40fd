"""Runs of several processes, one run after the other: `python tests/many.py JSON`.

JSON is a list of [processes, settings]; `--resume` may be one of them.
"""

import json
import sys

from forked import Forks, get_ready

from styledial.config import resolve
from styledial.run.train import train_from_config


def main(runs):
    get_ready()
    for count, settings in runs:
        given = [setting for setting in settings if setting != "--resume"]
        resume = given != settings

        def work(rank, given=given, resume=resume):
            train_from_config(resolve(None, None, {}, given), resume=resume)

        codes = Forks(count, work).wait()
        if any(codes):
            sys.exit(f"{count} processes, {settings}: they ended with {codes}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
