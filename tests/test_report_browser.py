"""The pages as a browser shows them: a report and a comparison, on three widths, light and dark."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser as browsers
import pytest
from test_compare import KNOWN, run_of
from test_report import run as run

from styledial.report import write_report
from styledial.report.comparison import compare
from styledial.report.comparison_page import write_comparison

pytestmark = pytest.mark.slow  # a browser to start, and axe-core from npm


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if browsers.chromium() is None:
        pytest.skip("needs a browser: Debian's package chromium, or CHROMIUM with its path")
    with browsers.started() as started:
        yield started


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    try:
        return browsers.axe_core(tmp_path_factory.mktemp("npm"))
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"needs axe-core, from npm or AXE_CORE with the path of axe.min.js: {error}")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_to_fix(
    browser: Any,
    axe: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", language)
    report = write_report(run, tmp_path / "report.html")
    folders = [run_of(tmp_path / name, *point) for name, point in KNOWN.items()]
    write_comparison(compare(folders), tmp_path / "compare.html")
    found = browsers.look(browser, report, tmp_path, axe=axe)
    found |= browsers.look(browser, tmp_path / "compare.html", tmp_path, axe=axe)
    assert len(found) == 12
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert {path.stem for path in tmp_path.glob("*.png")} == found.keys()


def test_what_is_wrong_is_seen(browser: Any, axe: str, run: Path, tmp_path: Path) -> None:
    page = write_report(run, tmp_path / "report.html")
    assert browsers.look_once(browser, page, tmp_path / "whole.png", axe=axe) == []
    broken = page.read_text(encoding="utf-8").replace(
        "</main>",
        '<p style="width: 2000px">wide</p><p style="color:#ccc;background:#ddd">pale</p>'
        '<img src="http://127.0.0.1:9/x.png"><script>console.log("hello")</script></main>',
    )
    broken = broken.replace("<text", '<text x="0" y="0">0.25</text><text', 1)
    page.write_text(broken, encoding="utf-8")
    problems = "\n".join(browsers.look_once(browser, page, tmp_path / "broken.png", axe=axe))
    assert "asks for http://127.0.0.1:9/x.png" in problems
    assert "console: hello" in problems
    assert "wide on 360" in problems
    assert "axe color-contrast" in problems
    assert "axe image-alt" in problems
