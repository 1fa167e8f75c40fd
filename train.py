"""The guide's door to training: python train.py --config train_config.yaml"""

import typer

from styledial.cli import train
from styledial.cli.main import guarded
from styledial.cli.streams import show_any_character

if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=train.HELP, epilog=train.EPILOG)(train.train)
    show_any_character()
    guarded(app)
