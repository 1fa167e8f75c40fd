"""report.html: everything a run left, on one page that needs nothing else.

    run folder -> run_folder.Run -> a Section of each module in SECTIONS -> templates/report.html

A section is plain data (parts.Section): words, tables, figures, samples. The template alone
writes HTML and escapes all of it; samples and file names are text that nobody has checked. The
page has no script: figures are SVG in the page's own colours (charts.py), so that light, dark
and paper all work.
"""

from __future__ import annotations

from pathlib import Path

from styledial.files import write_text
from styledial.report import (
    configuration,
    dial_curve,
    memory,
    quality,
    samples,
    text,
    training,
    verdict,
    versions,
)
from styledial.report.page import render
from styledial.report.run_folder import read_run

FILE = "report.html"
SECTIONS = (training, dial_curve, quality, samples, text, memory, configuration, versions)


def write_report(folder: Path, target: Path | None = None) -> Path:
    """Write the report of the run in `folder` (to `target`, else report.html there).

    A file that the run doesn't have is named on the page with the command that makes it. Raises
    UserError where there is no run. Reads only; some seconds, no GPU.
    """
    run = read_run(folder)
    path = target or folder / FILE
    sections = [module.section(run) for module in SECTIONS]
    write_text(path, render("report.html", verdict=verdict.verdict(run), sections=sections))
    return path
