"""`styledial train`, also `python train.py`."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated

import typer

from styledial.cli.options import ConfigFile, Preset, Settings, configuration
from styledial.cli.streams import outlive_the_terminal
from styledial.config.resolve import SHORT
from styledial.config.show import settings_table
from styledial.distributed import ranks
from styledial.language import say
from styledial.training.stop_request import Interrupted, StopRequest, nothing_done

HELP = say("Train an adapter from a folder of novels.", "用一个文件夹的小说训练适配器。")
EPILOG = "\n\n".join(
    [say("Settings (section.key=value):", "可用设置（section.key=value）：")]
    + [f"{name}={default}: {sentence}" for name, default, sentence in settings_table()]
)


def train(
    settings: Settings = None,
    config: ConfigFile = None,
    preset: Preset = None,
    model_name: Annotated[
        str | None,
        typer.Option("--model_name", "--model-name", help="model.model_name_or_path"),
    ] = None,
    kl_beta: Annotated[
        str | None, typer.Option("--kl_beta", "--kl-beta", help="training.kl_beta")
    ] = None,
    epochs: Annotated[str | None, typer.Option(help="training.num_train_epochs")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help=say("Go on from the newest checkpoint.", "从最新检查点继续。")
        ),
    ] = False,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit",
            help=say(
                "Where memory is too small, change what is needed.", "显存不够时自动调整设置。"
            ),
        ),
    ] = False,
    ignore_plan: Annotated[
        bool,
        typer.Option(
            "--ignore-plan",
            help=say("Train although the plan says no.", "不顾显存估算，照常训练。"),
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help=say("Replace an earlier run in output_dir.", "覆盖 output_dir 中已有的训练。"),
        ),
    ] = False,
) -> None:
    """Train an adapter. Raises UserError, and Stopped after a signal."""
    given = {
        SHORT["model_name"]: model_name,
        "training.kl_beta": kl_beta,
        SHORT["epochs"]: epochs,
    }
    outlive_the_terminal()
    request = StopRequest()
    with request.listening():
        try:
            resolved = configuration(config, preset, settings, given)
            _allocate_in_one_piece()
            from styledial.run.train import train_from_config

            when_too_large = "fit" if fit else "ignore" if ignore_plan else "refuse"
            train_from_config(
                resolved,
                request=request,
                resume=resume,
                overwrite=overwrite,
                when_too_large=when_too_large,
                command=_typed("--resume"),
                again=_typed(*["--overwrite"] * overwrite),
            )
        except Interrupted:  # while it was being imported
            raise nothing_done(_typed(*["--resume"] * resume)) from None


def _typed(*more: str) -> str:
    """What was typed, with these options in place of --resume and --overwrite."""
    program, *rest = sys.argv
    typed = ["train.py"] if program.endswith("train.py") else ["styledial"]
    processes = str(ranks.place().local_count)
    launcher = ["torchrun", f"--nproc_per_node={processes}"] if processes != "1" else ["python"]
    if typed == ["styledial"]:
        launcher = [*launcher, "-m"] if processes != "1" else []
        typed = ["styledial.cli.main"] if processes != "1" else typed
    kept = [word for word in rest if word not in ("--overwrite", "--resume")]
    return shlex.join([*launcher, *typed, *kept, *more])


def _allocate_in_one_piece() -> None:
    """CUDA's allocator in segments that grow, unless the user chose: see memory/allocator.py.

    PyTorch reads this when it first allocates on a GPU. Windows' CUDA doesn't have it.
    """
    chosen = {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"} & os.environ.keys()
    if sys.platform == "linux" and not chosen:
        os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:True"
