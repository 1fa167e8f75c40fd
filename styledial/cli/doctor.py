"""`styledial doctor`: what limits a run, and the next step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.errors import UserError
from styledial.language import say

if TYPE_CHECKING:
    from styledial.doctor.record import Record

HELP = say(
    "Find what limits a run: the evidence, and what to do next.",
    "说明一次训练受什么限制、依据哪些数字、下一步做什么。",
)


def doctor(
    run: Annotated[
        Path | None,
        typer.Argument(
            help=say("Folder of a run (its output_dir).", "训练结果的文件夹（output_dir）。")
        ),
    ] = None,
    for_defect: Annotated[
        bool,
        typer.Option(
            "--report",
            help=say(
                "Print what a bug report needs: versions, machine, the run's settings "
                "without paths, the newest error. Works without a run.",
                "输出反馈问题所需的信息：版本、机器、不含路径的训练设置、最近的错误。可不指定训练。",
            ),
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))
    ] = False,
) -> None:
    """Print what limits a run."""
    if for_defect:
        from styledial.cli.defect_report import defect_report

        typer.echo(defect_report(run))
        return
    if run is None:
        raise UserError(
            "doctor: name the output_dir of a run: `styledial doctor OUTPUT_DIR`.",
            "doctor：请写训练的 output_dir：`styledial doctor 文件夹`。",
        )
    from styledial.doctor import examine, first_thing, limit, unjudged
    from styledial.doctor.record import read_record
    from styledial.doctor.words import finding_lines, state_line, time_line

    record = read_record(run)
    findings, silent = examine(record), unjudged(record)
    if as_json:
        typer.echo(_as_json(record))
        return
    typer.echo(first_thing(record, findings))
    typer.echo("\n" + state_line(record))
    if record.timed:
        typer.echo(time_line(record))
    for finding in findings:
        typer.echo("\n" + "\n".join(finding_lines(finding)))
    if more := limit(record):
        typer.echo("\n" + say(*more))
    reasons: dict[str, list[str]] = {}
    for name, why in silent:
        reasons.setdefault(say(*why), []).append(name)
    if reasons:
        typer.echo("")
    for reason, names in reasons.items():
        typer.echo(say("Not judged: ", "无法判断：") + f"{', '.join(names)}: {reason}")


def _as_json(record: Record) -> str:
    from styledial.doctor import examine, first_thing, limit, unjudged

    more = limit(record)
    content = {
        "findings": [finding.as_json() for finding in examine(record)],
        "first": first_thing(record, examine(record)),
        "limit": say(*more) if more else None,
        "unjudged": [{"rule": name, "reason": say(*why)} for name, why in unjudged(record)],
        "time": {phase: record.share(phase) for phase in record.timed},
    }
    return json.dumps(content, ensure_ascii=False, indent=2)
