"""`styledial train`, also `python train.py`."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated

import typer

from styledial.cli.opening import importing, working
from styledial.cli.options import STRENGTHS, ConfigFile, Preset, Settings, configuration
from styledial.cli.streams import outlive_the_terminal
from styledial.config import Config
from styledial.config.resolve import SHORT
from styledial.config.show import settings_table
from styledial.distributed import ranks
from styledial.errors import UserError
from styledial.hub.download import downloading_from, place
from styledial.language import say
from styledial.strength import parse_strength
from styledial.training.stop_request import Interrupted, StopRequest, nothing_done

HELP = say("Train an adapter from a folder of novels.", "用一个文件夹的小说训练适配器。")
EPILOG = "\n\n".join(
    [say("Settings (section.key=value):", "可用设置（section.key=value）：")]
    + [f"{name}={default}: {sentence}" for name, default, sentence in settings_table()]
)


ModelName = Annotated[
    str | None, typer.Option("--model_name", "--model-name", help="model.model_name_or_path")
]
KLBeta = Annotated[str | None, typer.Option("--kl_beta", "--kl-beta", help="training.kl_beta")]
ByName = Annotated[
    str | None,
    typer.Option(
        "--strength",
        metavar=say(STRENGTHS, "轻微|中等|强烈|max|0.08"),
        help=say("The same, by name or number.", "同上，写名称或数字。"),
    ),
]
Epochs = Annotated[str | None, typer.Option(help="training.num_train_epochs")]
UseMirror = Annotated[
    bool,
    typer.Option(
        "--use-mirror", help=say("Download from hf-mirror.com.", "从 hf-mirror.com 下载。")
    ),
]
Source = Annotated[
    str, typer.Option(help=say("huggingface or modelscope.", "huggingface 或 modelscope。"))
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help=say("Continue from the newest checkpoint.", "从最新检查点继续。")
    ),
]
Fit = Annotated[
    bool,
    typer.Option(
        "--fit",
        help=say("Change settings where memory is too small.", "显存不够时自动调整设置。"),
    ),
]
IgnorePlan = Annotated[
    bool,
    typer.Option(
        "--ignore-plan",
        help=say("Train although the memory plan says no.", "不顾显存估算，照常训练。"),
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help=say("Replace an earlier run in output_dir.", "覆盖 output_dir 中已有的训练。"),
    ),
]


def train(
    settings: Settings = None,
    config: ConfigFile = None,
    preset: Preset = None,
    model_name: ModelName = None,
    kl_beta: KLBeta = None,
    strength: ByName = None,
    epochs: Epochs = None,
    use_mirror: UseMirror = False,
    source: Source = "huggingface",
    resume: Resume = False,
    fit: Fit = False,
    ignore_plan: IgnorePlan = False,
    overwrite: Overwrite = False,
) -> None:
    """Train an adapter. Raises UserError, and Stopped after a signal."""
    if resume and overwrite:
        raise UserError(
            "--resume goes on with the run that --overwrite replaces: give one of them.",
            "--resume 是继续已有的训练，--overwrite 是替换它：请只写一个。",
        )
    given = {
        SHORT["model_name"]: model_name,
        "training.kl_beta": kl_beta if strength is None else _budget(strength, kl_beta),
        SHORT["epochs"]: epochs,
    }
    outlive_the_terminal()
    request = StopRequest()
    with request.listening():
        try:
            resolved = configuration(config, preset, settings, given)
            _check_has_target(strength, resolved)
            named = use_mirror or source != "huggingface"
            where = place(source, use_mirror=use_mirror) if named else None
            output = resolved.training.output_dir
            _allocate_in_one_piece()
            with working(say(f"train -> {output}", f"训练 → {output}")):
                with importing():
                    from styledial.run.train import train_from_config

                with downloading_from(where):
                    train_from_config(
                        resolved,
                        request=request,
                        resume=resume,
                        overwrite=overwrite,
                        when_too_large="fit" if fit else "ignore" if ignore_plan else "refuse",
                        command=_typed("--resume"),
                        again=_typed(*["--overwrite"] * overwrite),
                    )
        except Interrupted:  # while it was being imported
            raise nothing_done(_typed(*["--resume"] * resume)) from None


def _budget(strength: str, kl_beta: str | None) -> str:
    """What --strength is as training.kl_beta; of a training, `max` is the end of the bands."""
    if kl_beta is not None:
        raise UserError(
            "--strength and --kl_beta are the same setting: give one of them.",
            "--strength 与 --kl_beta 是同一个设置：请只写一个。",
        )
    return f"{parse_strength(strength).budget:g}"


def _check_has_target(strength: str | None, config: Config) -> None:
    if strength is not None and not config.training.mode.has_target:
        raise UserError(
            f"--strength {strength}: needs training.kl_mode: auto, anchor or budget; with kl_mode: "
            f"{config.training.kl_mode} no strength is aimed at.",
            f"--strength {strength}：需要 training.kl_mode: auto、anchor 或 budget；"
            f"kl_mode: {config.training.kl_mode} 没有目标强度。",
        )


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
