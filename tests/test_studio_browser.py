"""The studio in Chromium at the width of a desk and of a phone: write, train, stop, resume."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser as browsers
import pytest
from running import ENV, ROOT, invoke, small_run

from styledial.run_folder.metrics import read_metrics

pytestmark = pytest.mark.slow  # a server and a browser to start, and the demo to train
PROMPT = "他推开门，看见"
WIDTHS = (1280, 390)
SHOTS = os.environ.get("STYLEDIAL_SHOTS")  # a folder for pictures of the page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("gradio", reason="the extra studio is not installed")
    if browsers.chromium() is None:
        pytest.skip("needs a browser: Debian's package chromium, or CHROMIUM with its path")
    with browsers.started() as started:
        yield started


@pytest.fixture(scope="module")
def runs(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run whose strengths are measured."""
    folder = tmp_path_factory.mktemp("runs")
    settings = [*small_run(tiny_base, novels, folder / "done"), "max_steps=40", "kl_beta=0.15"]
    assert invoke("train", *settings).returncode == 0
    assert invoke("dial", folder / "done").returncode == 0
    return folder


@pytest.fixture(scope="module")
def address(browser: Any, runs: Path) -> Iterator[str]:
    """A studio as a process of its own."""
    studio = subprocess.Popen(
        [sys.executable, "-m", "styledial", "studio", str(runs), "--port", "0"],
        cwd=runs,
        env={**ENV, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert studio.stdout
    found = re.search(r"http://127\.0\.0\.1:\d+", studio.stdout.readline())
    assert found
    for _ in range(300):
        try:
            urllib.request.urlopen(found[0] + "/config")
            break
        except urllib.error.URLError:
            time.sleep(0.2)
    yield found[0]
    studio.send_signal(signal.SIGINT)
    assert studio.wait(20) == 130  # Ctrl-C, as everywhere
    studio.stdout.close()


class View:
    """The page as one visitor has it, and what went wrong there."""

    def __init__(self, browser: Any, address: str, width: int) -> None:
        self.name = str(width)
        context = browser.new_context(viewport={"width": width, "height": 900})
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(error.message))
        self.page.on("request", self._asked(address))
        self.page.on(
            "response",
            lambda r: self.problems.append(f"{r.status} {r.url}") if r.status >= 400 else None,
        )
        self.page.goto(address)
        self.page.wait_for_selector("#text-0", state="attached")

    def _asked(self, address: str) -> Any:
        def asked(request: Any) -> None:
            if not request.url.startswith((address + "/", "data:", "blob:")):
                self.problems.append(f"asks for {request.url}")

        return asked

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def choose(self, box: str, words: str) -> None:
        """An entry of a dropdown."""
        self.page.click(f"#{box} input")
        self.page.get_by_role("option", name=re.compile(words)).first.click()

    def is_ready(self, run: str) -> None:
        """Wait until the run is chosen and its slider can be moved."""
        self.page.wait_for_function(
            "run => document.querySelector('#run input').value === run && "
            "!document.querySelector('#strength input[type=range]').disabled",
            arg=run,
        )

    def slide(self, share: float) -> None:
        """The strength's handle to a share of its way."""
        handle = self.page.locator("#strength input[type=range]")
        most = float(handle.get_attribute("max"))
        handle.fill(str(round(share * most, 3)))
        handle.dispatch_event("pointerup")

    def texts(self) -> list[str]:
        return [each.inner_text() for each in self.page.locator(".written").all()]

    def write(self, columns: int) -> list[str]:
        self.page.click("#go")
        self.page.wait_for_function(
            "n => document.querySelectorAll('.written').length === n && "
            "!document.querySelector('.cursor') && document.querySelector('mark')",
            arg=columns,
        )
        return self.texts()

    def look(self, name: str) -> None:
        """Nothing is wider than the page; a picture where one is asked for."""
        width, page = self.page.evaluate(
            "[document.documentElement.clientWidth, document.documentElement.scrollWidth]"
        )
        assert page <= width, name
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{self.name}-{name}.png", full_page=True)


@pytest.fixture(params=WIDTHS)
def view(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[View]:
    found = View(browser, address, request.param)
    found.is_ready("done")
    yield found
    found.page.context.close()
    assert found.problems == []


def test_writing_at_the_strength_of_the_slider(view: View, runs: Path) -> None:
    import styledial

    view.look("write")
    view.page.fill("#prompt textarea", PROMPT)
    view.slide(0.5)
    half = float(view.page.locator("#strength input[type=range]").input_value())
    view.page.wait_for_function(
        "document.querySelector('#strength-words').innerText.includes('KL')"
    )
    base, tuned = view.write(2)
    view.look("written")
    model = styledial.load(runs / "done")
    for text, strength in ((base, 0), (tuned, half)):
        model.strength = strength
        assert text == PROMPT + model.generate(PROMPT, max_new_tokens=160)
    view.page.get_by_label("the strongest").check()
    assert len(set(view.write(3))) == 3
    assert view.page.locator("#text-0 mark").count() == 0  # the base's own words
    assert view.page.locator("#text-2 mark").count() > 0


def test_the_report_is_inside(view: View) -> None:
    view.tab("Report")
    frame = view.page.frame_locator(".report iframe")
    assert "Style strength" in frame.locator("h1").inner_text()
    view.look("report")


def test_what_a_hostile_visitor_types_stays_text(view: View) -> None:
    hostile = "<img src=x onerror=alert(1)>${alert(2)}{{value}}\u0007\u202e"
    view.page.fill("#prompt textarea", hostile)
    base, _ = view.write(2)
    assert "<img src=x onerror=alert(1)>${alert(2)}{{value}}" in base
    assert view.page.locator(".written img").count() == 0
    view.page.fill("#prompt textarea", "")
    view.page.click("#go")
    view.page.get_by_text("The prompt is empty").wait_for()
    view.page.evaluate(  # past the box's own limit
        "box => box.removeAttribute('maxlength')", view.page.query_selector("#prompt textarea")
    )
    view.page.fill("#prompt textarea", "门" * 3_400_000)  # 10 MB
    view.page.click("#go")
    view.page.get_by_text("tokens; the model reads").wait_for()
    view.page.fill("#prompt textarea", PROMPT)
    view.write(2)


def test_two_visitors_at_once_each_get_their_own(browser: Any, address: str) -> None:
    views = [View(browser, address, width) for width in WIDTHS]
    prompts = ["话说武松", "他推开门"]
    for each, prompt in zip(views, prompts, strict=True):
        each.is_ready("done")
        each.page.fill("#prompt textarea", prompt)
    for each in views:
        each.page.click("#go")
    for each, prompt in zip(views, prompts, strict=True):
        each.page.wait_for_function(
            "document.querySelector('mark') && !document.querySelector('.cursor')"
        )
        assert all(text.startswith(prompt) for text in each.texts())
        assert each.problems == []
        each.page.context.close()


def test_stopping_a_text_keeps_what_is_written(view: View) -> None:
    view.page.fill("#prompt textarea", PROMPT)
    view.page.get_by_text("How it is written").click()
    view.page.locator("#length input[type=number]").fill("1000")
    view.page.click("#go")
    view.page.wait_for_selector(".cursor")
    view.page.click("#stop")
    view.page.wait_for_function("!document.querySelector('.cursor')")
    assert 0 < len(view.texts()[0]) < 900


def test_training_the_demo_stopping_and_resuming_it(browser: Any, address: str, runs: Path) -> None:
    view = View(browser, address, 1280)
    page = view.page
    view.tab("Train")
    assert page.locator("#train").is_disabled()
    view.choose("preset", "demo")
    page.get_by_text("peak", exact=False).first.wait_for()  # the plan
    page.wait_for_function("!document.querySelector('#train').disabled")
    view.look("train")
    page.fill("#name input, #name textarea", "../evil")
    page.click("#train")
    page.get_by_text("can't be the name of a run").wait_for()
    page.fill("#name input, #name textarea", "mine")
    page.click("#train")
    page.wait_for_function("document.querySelector('#run input').value === 'mine'")
    folder = runs / "mine"
    until = time.monotonic() + 300
    while steps(folder) < 10 and time.monotonic() < until:
        time.sleep(0.5)
    page.wait_for_timeout(5_000)
    view.look("training")
    page.click("#stop-run")
    page.get_by_text("mine: stopped").wait_for(timeout=120_000)
    stopped = steps(folder)
    assert 0 < stopped < 90
    assert not (folder / "summary.json").exists()
    page.click("#resume-run")
    page.get_by_text("mine: running").wait_for()
    phone = View(browser, address, 390)
    phone.tab("Train")
    phone.page.wait_for_function("document.querySelector('#run input').value === 'mine'")
    phone.page.wait_for_selector("#curves svg")
    phone.look("training")
    phone.page.context.close()
    page.get_by_text("mine: finished").wait_for(timeout=900_000)
    assert steps(folder) == 90
    assert (folder / "style_dial.json").is_file()
    view.tab("Write")
    view.is_ready("mine")
    page.fill("#prompt textarea", PROMPT)
    view.slide(0.9)  # strong enough for marks
    assert len(set(view.write(2))) == 2
    view.look("after-training")
    assert view.problems == []
    page.context.close()


def steps(folder: Path) -> int:
    """How many updates the run has logged."""
    found = read_metrics(folder / "metrics.jsonl")
    return int(found[-1]["step"]) if found else 0
