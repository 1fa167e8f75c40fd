"""Sections -> HTML: one template, everything escaped, nothing loaded from anywhere."""

from __future__ import annotations

import functools
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from styledial.language import language, say
from styledial.report.drawing import INSTALL, available
from styledial.report.parts import Strong


def render(template: str, **content: Any) -> str:
    """`template` of styledial/report/templates with `content`, in the user's language."""
    return (
        _environment()
        .get_template(template)
        .render(
            say=say,
            lang={"zh": "zh-Hans"}.get(language(), "en"),
            charts=available(),
            install=INSTALL,
            svg=Markup,
            **content,
        )
    )


@functools.cache  # templates are compiled once: half of the time of a page
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("styledial.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = _with_code
    environment.filters["breakable"] = _breakable
    environment.tests["strong"] = lambda cell: isinstance(cell, Strong)
    return environment


def _with_code(text: str) -> Markup:
    """Escaped, then what stands between backticks as <code>."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _breakable(text: str) -> Markup:
    """Escaped, with places where a long name or path may go on in the next line."""
    parts = re.split(r"(?<=[A-Za-z0-9][._/\\])(?=[A-Za-z])", str(text))
    return Markup("<wbr>").join(parts)
