"""What the run was made with."""

from __future__ import annotations

from styledial.language import say
from styledial.report.parts import Section, Table
from styledial.run_folder.reader import Run


def section(run: Run) -> Section:
    """Python and the libraries, from summary.json."""
    name, title = "versions", say("Versions", "版本")
    summary = run.summary or {}
    versions = summary.get("versions")
    if not isinstance(versions, dict):
        return Section(
            name,
            title,
            [
                say(
                    "summary.json has them once the run has finished.",
                    "训练完成后可见于 summary.json。",
                )
            ],
        )
    rows = [[str(name), str(version)] for name, version in versions.items()]
    head = [say("part", "组成"), say("version", "版本")]
    return Section(name, title, tables=[Table(head, rows)])
