"""A page as Chromium shows it: what a reader would see as broken, and what axe-core finds.

Chromium is the system's (CHROMIUM, or on the PATH). axe-core is AXE_CORE, or npm fetches it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WIDTHS = (360, 768, 1280)
SCHEMES = ("light", "dark")
# As root, and without Chromium's own requests to the network.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

# Runs in the page.
EYESORES = """() => {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    found.push(`the page is ${document.documentElement.scrollWidth} wide on ${width}`);
  }
  for (const svg of document.querySelectorAll("figure svg")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter(
      (t) => t.textContent.trim() && getComputedStyle(t).opacity !== "0",
    );
    const boxes = texts.map((t) => t.getBoundingClientRect());
    const name = svg.getAttribute("aria-label");
    boxes.forEach((a, i) => {
      if (a.left < frame.left - 2 || a.right > frame.right + 2 ||
          a.top < frame.top - 2 || a.bottom > frame.bottom + 2) {
        found.push(`${name}: "${texts[i].textContent}" leaves its figure`);
      }
      boxes.slice(i + 1).forEach((b, j) => {
        const over = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (over > -2 && down > 4) {  // closer than 2 pixels reads as one
          const other = texts[i + 1 + j].textContent;
          found.push(`${name}: "${texts[i].textContent}" and "${other}" overlap`);
        }
      });
    });
    if (!svg.querySelector("path[d], line")) found.push(`${name}: an empty figure`);
  }
  return found;
}"""


def chromium() -> str | None:
    """The path of the system's Chromium, None where there is none."""
    return shutil.which(os.environ.get("CHROMIUM", "chromium"))


def axe_core(folder: Path) -> str:
    """The source of axe-core; raises OSError or CalledProcessError where it is not available."""
    if "AXE_CORE" in os.environ:
        return Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core@4"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@contextmanager
def started() -> Iterator[Any]:
    """A headless Chromium, as playwright drives it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


def look(browser: Any, file: Path, shots: Path, *, axe: str) -> dict[str, list[str]]:
    """What is wrong with a page, by view: each width, light and dark. Screenshots go to `shots`."""
    found = {}
    for width in WIDTHS:
        for scheme in SCHEMES:
            name = f"{file.stem}-{width}-{scheme}"
            shot = shots / f"{name}.png"
            found[name] = look_once(browser, file, shot, axe=axe, width=width, scheme=scheme)
    return found


def look_once(
    browser: Any, file: Path, shot: Path, *, axe: str, width: int = 360, scheme: str = "light"
) -> list[str]:
    """What is wrong with a page in one view."""
    viewport = {"width": width, "height": 900}
    context = browser.new_context(
        viewport=viewport, color_scheme=scheme, bypass_csp=True, offline=True
    )
    page = context.new_page()
    problems: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error.message}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.resolve().as_uri())
    page.screenshot(path=shot, full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    problems += page.evaluate(EYESORES)
    page.evaluate(axe)
    problems += map(_violation, page.evaluate("window.axe.run()")["violations"])
    problems += [f"asks for {url}" for url in asked if url != file.resolve().as_uri()]
    context.close()
    return problems


def _violation(found: dict[str, Any]) -> str:
    where = " | ".join(node["html"][:140] for node in found["nodes"][:3])
    return f"axe {found['id']} ({found['impact']}): {where}"
