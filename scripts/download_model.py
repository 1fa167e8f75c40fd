"""The guide's door to downloading: python scripts/download_model.py --model M [--use-mirror]"""

import sys
from pathlib import Path

# A script sees its own folder, not the package beside it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from functools import partial

import typer

from styledial.cli.download import HELP, download
from styledial.cli.main import guarded
from styledial.cli.typer_words import Command, run

if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(cls=Command, help=HELP)(download)
    guarded(partial(run, app))
