"""report.html: everything a run left, on one page that needs nothing else.

    run folder -> run_folder.Run -> writing.py   what it writes, at every strength
                                 -> verdict.py   one sentence, five lights, what to do next
                                 -> CURVES, then FIGURES, which are folded
                                 -> templates/report.html

All of it is plain data (parts.py): words, tables, figures, texts. The template alone writes HTML
and escapes all of it; samples and file names are unchecked text. The page has no
script: tabs are radio buttons, figures are SVG in the page's own colours (drawing.py), so that
light, dark and paper all work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from styledial.files import write_text
from styledial.language import say, typed
from styledial.progress import stage
from styledial.report import (
    configuration,
    dial_curve,
    drawing,
    figures,
    memory,
    quality,
    text,
    training,
    verdict,
    versions,
    writing,
)
from styledial.report.page import render
from styledial.run_folder import claims
from styledial.run_folder.layout import REPORT as FILE
from styledial.run_folder.reader import read_run

CURVES = (training.section, dial_curve.section)
FIGURES = (
    figures.section,
    quality.section,
    training.details,
    text.section,
    memory.section,
    configuration.section,
    versions.section,
)


def write_report(folder: Path, target: Path | None = None) -> Path:
    """Write the report of the run in `folder` (to `target`, else report.html there).

    A file that the run doesn't have is named on the page with the command that makes it. Raises
    UserError where there is no run. Reads only; some seconds, no GPU.
    """
    page = report_page(folder)
    if target:
        write_text(target, page)
        return target
    with claims.writing(folder) as owned:
        owned.write_text(FILE, page)
    return folder / FILE


def report_page(folder: Path) -> str:
    """The report of the run in `folder` as HTML. Raises UserError where there is no run."""
    run = read_run(folder)
    with stage(say("writing the report", "生成报告")):
        return render(
            "report.html",
            verdict=verdict.verdict(run),
            writing=writing.writing(run),
            curves=[section(run) for section in CURVES],
            figures_of_run=[section(run) for section in FIGURES],
        )


def report_at_end(folder: Path, note: Callable[[str, str], None]) -> None:
    """The report of a run that is saved by now: a failure here is a sentence, no more."""
    try:
        write_report(folder)
        if not drawing.available():
            note(
                f"report.html has no figures: they need `{drawing.INSTALL}`, then "
                f"`styledial report {typed(folder)}`.",
                f"report.html 中没有图形：需要 `{drawing.INSTALL}`，然后运行 `styledial report "
                f"{typed(folder)}`。",
            )
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        note(
            f"Everything is saved, but the report could not be written ({reason}). Later: "
            f"`styledial report {typed(folder)}`.",
            f"结果均已保存，但未能写出报告（{reason}）。以后可运行 "
            f"`styledial report {typed(folder)}`。",
        )


def refresh_report(folder: Path, note: Callable[[str, str], None]) -> None:
    """Write a run's report anew where it has one, after a command added to the run."""
    if (folder / FILE).is_file():
        report_at_end(folder, note)
