"""What `styledial doctor` finds in the run: what limits it, by which figures, and the next step."""

from __future__ import annotations

from styledial.doctor import Finding, examine
from styledial.errors import StyleDialError
from styledial.language import say, typed
from styledial.report.parts import Section
from styledial.run_folder.reader import Run


def section(run: Run) -> Section:
    name, title = "findings", say("Findings", "诊断")
    try:
        found = examine(run.folder)
    except (StyleDialError, ArithmeticError, LookupError, TypeError, ValueError):
        # Its rules read the files strictly; this page is also for runs whose files are damaged.
        return Section(
            name,
            title,
            [
                say(
                    f"The run's files can't be judged; `styledial doctor "
                    f"{typed(run.folder)}` says why.",
                    f"无法根据文件作出判断；原因见 `styledial doctor {typed(run.folder)}`。",
                )
            ],
        )
    if not found:
        return Section(name, title, [say("No problems found.", "没有发现问题。")])
    return Section(name, title, [_line(each) for each in found])


def _line(finding: Finding) -> str:
    kinds = {
        "warning": say("Warning", "警告"),
        "advice": say("Advice", "建议"),
        "info": say("Note", "提示"),
    }
    kind = kinds.get(finding.severity, finding.severity)
    return f"{kind}{say(': ', '：')}{say(*finding.evidence)} {say(*finding.advice)}"
