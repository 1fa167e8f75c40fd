"""`styledial start`: look at machine and novels, propose a run, ask once, write it down, train."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.opening import importing, working
from styledial.commands import command
from styledial.errors import UserError
from styledial.language import say, typed
from styledial.places import at_home
from styledial.progress import stage
from styledial.run_folder import layout
from styledial.strength import parse_strength

if TYPE_CHECKING:
    from styledial.run.proposal import Proposal

HELP = say(
    "Begin here: propose a run for this machine and these novels. Asks once, then trains.",
    "从这里开始：查看本机与小说，给出方案，询问一次，然后训练。",
)
_FILE = Path(layout.SETTINGS)
_NOVELS, _OUTPUT = "data/novels", "outputs/style"
_YES, _NO = {"", "y", "yes", "是", "好"}, {"n", "no", "否", "不"}


def start(
    data_dir: Annotated[
        str | None,
        typer.Option("--data-dir", help=say("Folder of the novels.", "小说文件夹。")),
    ] = None,
    model_name: Annotated[
        str | None,
        typer.Option(
            "--model-name", help=say("The base, by name or folder.", "基座，名称或文件夹。")
        ),
    ] = None,
    strength: Annotated[
        str | None,
        typer.Option(
            help=say("light, medium, strong or a number.", "轻微、中等、强烈，或一个数字。")
        ),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(help=say("Number of passes over the novels.", "训练几轮（小说读几遍）。")),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help=say("Folder for the result.", "结果文件夹。"))
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help=say("Don't ask, begin.", "不询问，直接开始。"))
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help=say(
                f"Replace an existing {_FILE} and an earlier run in the output folder.",
                f"替换已有的 {_FILE} 和输出文件夹中已有的训练。",
            ),
        ),
    ] = False,
) -> None:
    """Propose a run and, after a yes, write train_config.yaml and train."""
    given = {}
    if strength is not None:
        given["training.kl_beta"] = f"{parse_strength(strength).budget:g}"
    if epochs is not None:
        given["training.num_train_epochs"] = epochs
    target = output or _free_output()
    given["training.output_dir"] = target
    _check_output(target, overwrite)
    if yes:
        _check_file(overwrite)
    proposal = _proposed(data_dir, model_name, given)
    replaces = _is_users_own(_FILE) and not overwrite
    if not yes:
        _ask(proposal, target, overwrite=replaces or overwrite, replaces=replaces)
    _write(proposal)
    _train(overwrite)


def _proposed(data_dir: str | None, model_name: str | None, given: dict[str, str]) -> Proposal:
    """The proposal, printed."""
    folder = data_dir or (_NOVELS if Path(_NOVELS).is_dir() else "bundled")
    if data_dir is None and folder == "bundled":
        typer.echo(
            say(
                f"There is no folder {_NOVELS}: the bundled sample novels are used. Yours are "
                "named with --data-dir FOLDER.",
                f"没有 {_NOVELS} 文件夹：使用自带的样例小说。自己的小说请用 --data-dir 指定。",
            )
        )
    with working(say("start", "开始")):
        with importing():
            from styledial.memory.gpus import found_card
            from styledial.models.load import quiet_libraries
            from styledial.run.checks import check_folders
            from styledial.run.proposal import count_novels, proposal_lines, propose

        quiet_libraries()
        with stage(say(f"reading {folder}", f"读取 {folder}")):
            novels = count_novels(folder)
        with stage(say("estimating memory", "估算内存")):
            proposal = propose(novels, found_card(), base=model_name, given=given)
        check_folders(proposal.config)
    for line in proposal_lines(proposal):
        typer.echo(line)
    return proposal


def _ask(proposal: Proposal, target: str, *, overwrite: bool, replaces: bool) -> None:
    """The one question; raises UserError without a terminal, Exit after a no. `replaces`: a yes
    replaces the user's configuration file; `overwrite`: a command that doesn't ask has to say so.
    """
    question = say(
        f"Write {_FILE}, train, and save to {typed(Path(target))}?",
        f"写入 {_FILE} 并开始训练，结果保存到 {typed(Path(target))}？",
    )
    if replaces:
        question += say(f" The present {_FILE} is replaced.", f"现有的 {_FILE} 会被替换。")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        typer.echo(question)
        typed_command = _command(proposal, target, overwrite)
        raise UserError(
            "This is not a terminal, so nothing was asked and nothing was changed. To do it:\n"
            f"  {typed_command}",
            f"这里不是终端，因此没有询问，也没有改动任何文件。要执行，请运行：\n  {typed_command}",
        )
    try:
        answer = input(question + say(" [Y/n] ", "[Y/n] ")).strip().lower()
    except EOFError:
        answer = "n"
    if answer in _YES:
        return
    if answer not in _NO:
        raise UserError(
            f"{answer}: neither yes nor no; nothing was changed. Other choices are options: "
            "styledial start --help",
            f"{answer}：既不是 y 也不是 n；没有改动任何文件。"
            "其他选择请用选项：styledial start --help",
        )
    typer.echo(
        say(
            "Nothing was changed. Other choices are options: styledial start --help",
            "没有改动任何文件。其他选择请用选项：styledial start --help",
        )
    )
    raise typer.Exit


def _command(proposal: Proposal, target: str, overwrite: bool) -> str:
    from styledial.run.proposal import as_options

    options = [
        f"{name} {typed(Path(value))}" for name, value in as_options(proposal, target).items()
    ]
    return " ".join(["styledial start", *options, "--yes", *["--overwrite"] * overwrite])


def _write(proposal: Proposal) -> None:
    from styledial.config.show import template
    from styledial.files import write_text

    write_text(_FILE, template(proposal.config))
    typer.echo(say(f"Wrote {_FILE}.", f"已写入 {_FILE}。"), err=True)


def _train(overwrite: bool) -> None:
    """From here on this is `styledial train`, and that is the command that it advises."""
    from styledial.cli import train

    sys.argv[1:] = ["train", "--config", str(_FILE), *["--overwrite"] * overwrite]
    train.train(config=_FILE, overwrite=overwrite)


def _check_output(target: str, overwrite: bool) -> None:
    """Raises UserError where the training would refuse the folder: before anything is written."""
    from styledial.run_folder.claims import Claim, check_free

    folder = at_home("--output", Path(target))
    claim = Claim(
        overwrite=overwrite,
        setting="--output",
        another="--output ...",
        go_on=command("train", "--config", folder / layout.SETTINGS, "--resume"),
    )
    check_free(folder, claim)


def _check_file(overwrite: bool) -> None:
    if _is_users_own(_FILE) and not overwrite:
        raise UserError(
            f"{_FILE}: is here already and would be replaced; move it away, or add --overwrite. "
            "Nothing was changed.",
            f"{_FILE}：已经存在，会被替换；请先移走，或加 --overwrite。没有改动任何文件。",
        )


def _is_users_own(path: Path) -> bool:
    """Whether there is such a file and it isn't just the template with its defaults."""
    from styledial.config.show import template

    try:
        return path.read_text(encoding="utf-8") != template()
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True


def _free_output() -> str:
    """outputs/style, or the first of style-2, style-3 that holds nothing."""
    folder, number = Path(_OUTPUT), 2
    while folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        folder = Path(f"{_OUTPUT}-{number}")
        number += 1
    return str(folder)
