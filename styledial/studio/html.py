"""Words, figures and logs as HTML: text is escaped, figures come from the report's drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from styledial.language import say
from styledial.report.drawing import INSTALL, available
from styledial.report.parts import Section
from styledial.studio.desk import Column

CSS = Path(__file__).with_name("style.css")


def column_html(column: Column | None) -> str:
    """A text under its title, marks in it."""
    if column is None:
        return ""
    marks = "".join(
        f'<mark class="m{word.level}" title="{escape(word.times)}">{escape(word.text)}</mark>'
        if word.level
        else escape(word.text)
        for word in column.words
    )
    given = f'<span class="given">{escape(column.prompt)}</span>' if column.prompt else ""
    end = "" if column.done else '<span class="cursor" aria-hidden="true">▍</span>'
    return f'<p class="who">{escape(column.title)}</p><p class="written">{given}{marks}{end}</p>'


def note(text: str) -> str:
    """A line in small print."""
    return f'<p class="note">{escape(text)}</p>'


def lines_html(lines: Iterable[str]) -> str:
    """Lines as they stand, such as a plan's table."""
    return f'<pre class="lines" tabindex="0">{escape(chr(10).join(lines))}</pre>'


def log_html(text: str) -> str:
    """The end of a log."""
    return f'<div class="log" tabindex="0"><pre>{escape(text)}</pre></div>' if text else ""


def curves_html(section: Section) -> str:
    """The figures of a section of the report."""
    if not available():
        hint = say(f"Curves need {INSTALL}.", f"曲线需要 {INSTALL}。")
        return f"<p>{escape(hint)}</p>"
    figures = [
        f"<figure><figcaption>{escape(each.title)}</figcaption>{each.svg}"
        f'<p class="note">{_legend(each.legend)}</p>'
        f'<p class="note">{escape(each.note)}</p></figure>'
        for each in section.figures
        if each.svg
    ]
    return f'<div class="figures">{"".join(figures)}</div>'


def _legend(names: Sequence[str]) -> str:
    keys = (
        f'<span class="key k{number}"></span>{escape(name)} '
        for number, name in enumerate(names, 1)
    )
    return "".join(keys)


def report_html(key: str) -> str:
    """The run's report in a frame of its own, and a link to it."""
    address = f"report/{quote(key, safe='')}"
    title = escape(say("Report", "报告"))
    link = escape(say("open in a tab of its own", "在新标签页中打开"))
    wait = escape(say("Making the report...", "正在生成报告……"))
    return (
        f'<p><a href="{address}" target="_blank" rel="noopener">{link}</a></p>'
        f'<div class="report"><p class="note">{wait}</p>'
        f'<iframe title="{title}" src="{address}" sandbox></iframe></div>'
    )
