"""The guide's door to training: python train.py --config train_config.yaml"""

from functools import partial

import typer

from styledial.cli import train
from styledial.cli.main import guarded
from styledial.cli.typer_words import Command, run

if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(cls=Command, help=train.HELP, epilog=train.EPILOG)(train.train)
    guarded(partial(run, app))
