"""The pages as a browser shows them: scripts/check_report.mjs on a report and a comparison."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from running import ROOT
from test_compare import KNOWN, run_of
from test_report import run as run

from styledial.report import write_report
from styledial.report.comparison import compare, write_comparison

MODULES = Path(os.environ.get("NODE_PATH", "nowhere"))
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
HERE = shutil.which("node") and Path(CHROMIUM).exists() and (MODULES / "axe-core").is_dir()
needs_browser = pytest.mark.skipif(
    not HERE, reason="needs node, Chromium, and NODE_PATH with playwright-core and axe-core"
)


def check(folder: Path, *pages: Path) -> subprocess.CompletedProcess[str]:
    command = ["node", str(ROOT / "scripts/check_report.mjs"), str(folder), *map(str, pages)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)


@needs_browser
@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_to_fix(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", language)
    report = write_report(run, tmp_path / "report.html")
    folders = [run_of(tmp_path / name, *point) for name, point in KNOWN.items()]
    write_comparison(compare(folders), tmp_path / "compare.html")
    done = check(tmp_path / "shots", report, tmp_path / "compare.html")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("nothing to fix") == 12
    assert len(list((tmp_path / "shots").glob("*.png"))) == 12


@needs_browser
def test_the_check_sees_what_is_wrong(run: Path, tmp_path: Path) -> None:
    page = write_report(run, tmp_path / "report.html")
    broken = page.read_text(encoding="utf-8").replace(
        "</main>",
        '<p style="width: 2000px">wide</p><p style="color:#ccc;background:#ddd">pale</p>'
        '<img src="http://127.0.0.1:9/x.png"><script>console.log("hello")</script></main>',
    )
    broken = broken.replace("<text", '<text x="0" y="0">0.25</text><text', 1)
    page.write_text(broken, encoding="utf-8")
    done = check(tmp_path / "shots", page)
    assert done.returncode == 1
    for words in ("asks for http://127.0.0.1:9/x.png", "console: hello", "wide on 360",
                  "axe color-contrast", "axe image-alt"):  # fmt: skip
        assert words in done.stdout
