"""What to do next: the doctor's findings, the most important first, then what the run is for."""

from __future__ import annotations

from collections.abc import Sequence

from styledial.dial import rising_part
from styledial.doctor import Finding, examine
from styledial.errors import StyleDialError
from styledial.language import say, typed
from styledial.report.parts import Step
from styledial.run_folder.described import prompt_of
from styledial.run_folder.reader import Run
from styledial.strength import NAMED, band_name, band_near


def findings_of(run: Run) -> list[Finding] | None:
    """What the doctor finds; None where it can't judge the run's files."""
    try:
        return examine(run.folder)
    except (StyleDialError, ArithmeticError, LookupError, TypeError, ValueError):
        # Its rules read the files strictly; the page is also for runs whose files are damaged.
        return None


def steps(run: Run, findings: Sequence[Finding] | None) -> list[Step]:
    """What to fix, if anything, and how to use a finished run."""
    found = [Step(_with_command(each), say(*each.evidence)) for each in findings or ()]
    if findings is None:
        found = [
            Step(
                say(
                    "The run's files can't be judged; `styledial doctor "
                    f"{typed(run.folder)}` says why.",
                    f"无法根据文件作出判断；原因见 `styledial doctor {typed(run.folder)}`。",
                )
            )
        ]
    return [*found, *_use(run)] if run.summary else found


def _with_command(finding: Finding) -> str:
    advice = say(*finding.advice)
    return f"{advice} `{finding.command}`" if finding.command else advice


def _use(run: Run) -> list[Step]:
    folder = typed(run.folder)
    prompt = typed(prompt_of(run.folder))
    generate = f"`styledial generate {folder} --prompt {prompt}`"
    found = [Step(say(f"Write with it: {generate}.", f"用它续写：{generate}。"))]
    if (run.summary or {}).get("adapter_scale") is None or not _is_adapter(run):
        return found
    if not run.dial:
        command = f"`styledial dial {folder}`"
        return [
            *found,
            Step(
                say(
                    f"Other strengths without training again: {command} measures them.",
                    f"不必重新训练就能换强度：{command} 会逐一测量。",
                )
            ),
        ]
    return [*found, *_export(run, folder)]


def _export(run: Run, folder: str) -> list[Step]:
    """A strength that the measured dial reaches, other than the run's own."""
    own = next((point.kl for point in run.dial or () if point.scale == 1), None)
    most = max((point.kl for point in rising_part(run.dial or ())), default=0.0)
    for name, kl in NAMED.items():
        if kl <= most and (own is None or name != band_near(own)):
            command = f"`styledial dial {folder} --export {name}`"
            return [
                Step(
                    say(
                        f"Another strength without training again, {band_name(name)} for example: "
                        f"{command}.",
                        f"不必重新训练就能换强度，例如{band_name(name)}：{command}。",
                    )
                )
            ]
    return []


def _is_adapter(run: Run) -> bool:
    return run.setting("model.use_peft") != "false"
