"""Take the pictures of the report and of `compare` in docs/images, of finished runs.

    python scripts/take_pictures.py outputs/shuihu-* --report outputs/shuihu-0.1
    python scripts/take_pictures.py outputs/shuihu-* --views pictures

One run's report and the comparison of all, in both languages. `--views` takes them whole at
desktop and phone width, light and dark, into another folder, to be looked at; docs/images stays as
it is then. Needs Chromium, as the tests of the pages do.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import started  # noqa: E402
from PIL import Image  # noqa: E402

IMAGES = ROOT / "docs/images"
LANGUAGES = ("en", "zh")
WIDTHS = {1280: 900, 390: 844}  # of a desktop and of a phone: height
BEGINNING = 1060  # pixels of the report in docs/images: the writing and the verdict


def pages(runs: list[Path], reported: Path, folder: Path) -> list[Path]:
    """The report of one run and the comparison of all, in both languages."""
    made = []
    for language in LANGUAGES:
        environment = {**os.environ, "STYLEDIAL_LANG": language}
        report, comparison = folder / f"report-{language}.html", folder / f"compare-{language}.html"
        for words in (["report", str(reported)], ["compare", *map(str, runs)]):
            page = report if words[0] == "report" else comparison
            command = [sys.executable, "-m", "styledial", *words, "-o", str(page)]
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
            made.append(page)
    return made


def picture(
    browser: Any, page: Path, target: Path, width: int, scheme: str, height: int | None
) -> None:
    """The whole page, or its beginning where a `height` is given."""
    viewport = {"width": width, "height": height or WIDTHS[width]}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)
    shown = context.new_page()
    shown.goto(page.resolve().as_uri())
    shown.screenshot(path=target, full_page=height is None)
    context.close()
    # Text on a plain ground: a quarter of the size, and no difference to be seen.
    Image.open(target).convert("RGB").quantize(64).save(target, optimize=True)


def main() -> None:
    """Into docs/images, or --views."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--report", type=Path, help="the run whose report is shown; the first")
    parser.add_argument("--views", type=Path, help="a folder for whole pages, every view")
    given = parser.parse_args()
    target = given.views or IMAGES
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, started() as browser:
        for page in pages(given.runs, given.report or given.runs[0], Path(folder)):
            if not given.views:
                height = BEGINNING if page.stem.startswith("report") else None
                picture(browser, page, target / f"{page.stem}.png", 1280, "light", height)
                continue
            for width in WIDTHS:
                for scheme in ("light", "dark"):
                    file = target / f"{page.stem}-{width}-{scheme}.png"
                    picture(browser, page, file, width, scheme, None)


if __name__ == "__main__":
    main()
