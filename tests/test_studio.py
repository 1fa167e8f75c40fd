"""The studio without a browser: who may ask for what, which folders, trainings as processes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from running import ROOT, invoke

from styledial.errors import UserError
from styledial.report.parts import Figure, Section, Word
from styledial.studio import form, live
from styledial.studio.desk import Column, Reach
from styledial.studio.guard import Guard
from styledial.studio.html import column_html, curves_html, log_html, report_html
from styledial.studio.jobs import Job, Jobs, stop_process
from styledial.studio.places import Places

HERE = {"host": "127.0.0.1:7860"}


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


def ask(
    path: str, headers: dict[str, str], *, method: str = "GET", password: str | None = None
) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer; 200 where the guard passed the request on."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {
        "type": "http", "method": method, "path": path,
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip
    asyncio.run(Guard(app, password)(scope, receive, send))
    return sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/config", 200),
        ("/report/style", 200),
        ("/assets/index-1.js", 200),
        ("/gradio_api/queue/data", 200),
        ("/gradio_api/file=/etc/passwd", 404),
        ("/gradio_api/file/etc/passwd", 404),
        ("/file=/etc/passwd", 404),
        ("/gradio_api/upload", 404),
        ("/gradio_api/proxy=https://example.com", 404),
        ("/gradio_api/component_server", 404),
        ("/gradio_api/run-history/buckets", 404),
        ("/monitoring", 404),
        ("/login", 404),
    ],
)
def test_which_paths_are_passed_on(path: str, status: int) -> None:
    found, headers = ask(path, HERE)
    assert found == status
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({"host": "localhost:7860"}, "GET", 200),
        ({"host": "[::1]:7860"}, "GET", 200),
        ({"host": "attacker.example:7860"}, "GET", 403),
        ({"host": "127.0.0.1.attacker.example"}, "GET", 403),
        ({}, "GET", 403),
        ({**HERE, "origin": "http://127.0.0.1:7860"}, "GET", 200),
        ({**HERE, "origin": "http://127.0.0.1:8000"}, "GET", 403),
        ({**HERE, "origin": "https://attacker.example"}, "GET", 403),
        ({**HERE, "origin": "null"}, "GET", 403),
        ({**HERE, "content-length": "100"}, "POST", 200),
        ({**HERE, "content-length": str(17 << 20)}, "POST", 413),
        (HERE, "POST", 413),
        (HERE, "DELETE", 405),
    ],
)
def test_who_may_ask(headers: dict[str, str], method: str, status: int) -> None:
    path = "/gradio_api/queue/join" if method == "POST" else "/"
    assert ask(path, headers, method=method)[0] == status


def test_elsewhere_every_request_needs_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("styledial.studio.guard._WAIT", 0)
    elsewhere = {"host": "192.168.1.5:7860"}
    status, headers = ask("/", elsewhere, password="密码 correct")
    assert status == 401
    assert headers["www-authenticate"].startswith("Basic")
    right = {**elsewhere, "authorization": basic("密码 correct")}
    assert ask("/", right, password="密码 correct")[0] == 200
    for wrong in (basic("correct"), basic(""), "Basic ???", "Basic", "Bearer 密码".encode().hex()):
        found = ask("/", {**elsewhere, "authorization": wrong}, password="密码 correct")
        assert found[0] == 401, wrong


def test_the_command_asks_for_a_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the extra studio is not installed")
    monkeypatch.setenv("STYLEDIAL_PASSWORD", "short")
    done = invoke("studio", tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2
    assert "at least 8 characters in STYLEDIAL_PASSWORD" in done.stderr
    assert "no such folder" in invoke("studio", tmp_path / "nowhere").stderr
    (tmp_path / "file").touch()
    assert "is a file" in invoke("studio", tmp_path / "file").stderr


def test_a_port_that_is_taken_is_said() -> None:
    from styledial.studio.server import listening

    with listening("127.0.0.1", 0) as taken:
        socket.create_connection(taken.getsockname()).close()  # who comes early isn't refused
        with pytest.raises(UserError, match=r"cannot be listened on .*choose another --port"):
            listening("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UserError, match="cannot be listened on"):
        listening("203.0.113.1", 0)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs, a folder of something else, and a link to a run outside."""
    for name, file in (("a", "summary.json"), ("b", "metrics.jsonl"), ("c", "notes.txt")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / file).write_text("{}")
        os.utime(tmp_path / "runs" / name, (ord(name), ord(name)))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "summary.json").write_text("{}")
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "outside")
    return tmp_path / "runs"


def test_only_what_lies_in_the_folders_can_be_chosen(runs: Path) -> None:
    places = Places([runs])
    assert places.runs() == {"b": runs / "b", "a": runs / "a"}
    assert places.run("a") == runs / "a"
    for key in ("c", "link", "../outside", str(runs.parent / "outside"), "a/", "", None, "\0"):
        with pytest.raises(UserError, match="no such run"):
            places.run(key)
    both = Places([runs, runs.parent / "outside", runs / "a"])
    assert set(both.runs()) == {"a", "b", "outside"}
    (runs.parent / "outside" / "a").mkdir()
    (runs.parent / "outside" / "a" / "summary.json").write_text("{}")
    assert len(set(both.runs())) == 4


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc", ".hidden", "x" * 65, "a\0b", "a\nb", "nul"],
)
def test_a_name_that_cannot_be_a_run(name: str, runs: Path) -> None:
    with pytest.raises(UserError, match="can't be the name of a run"):
        Places([runs]).new_run(name)


def test_a_new_run_has_a_new_folder(runs: Path) -> None:
    places = Places([runs])
    assert places.new_run(" 水浒-2.0 ") == runs / "水浒-2.0"
    for name in ("a", "c", "link"):
        with pytest.raises(UserError, match="exists already"):
            places.new_run(name)
    with pytest.raises(UserError, match="is a run itself"):
        Places([runs / "a"]).new_run("x")
    places.began(runs / "new")
    assert next(iter(places.runs())) == places.key_of(runs / "new") == "new"


def test_a_form_is_a_command(runs: Path) -> None:
    asked = form.Form("demo", "light", "bundled", runs / "new")
    assert asked.config().training.kl_beta == 0.065
    assert asked.config().model.model_name_or_path == "bundled"
    train, dial = asked.commands()
    assert train[:2] == ["train", "--config"]
    assert f"training.output_dir={runs / 'new'}" in train
    assert dial == ["dial", str(runs / "new")]
    assert form.Form("quick", "light", "bundled", runs / "new").commands()[0][1] == "--preset"
    with pytest.raises(UserError, match="from the lists"):
        form.Form("../x", "light", "bundled", runs / "new")
    with pytest.raises(UserError, match="from the lists"):
        form.Form("demo", "9", "bundled", runs / "new")


def waited(job: Job) -> int:
    until = time.monotonic() + 60
    while job.code is None and time.monotonic() < until:
        time.sleep(0.05)
    assert job.code is not None
    return job.code


def test_a_job_runs_its_commands_and_keeps_what_they_say(runs: Path) -> None:
    jobs = Jobs(runs)
    job = jobs.begin(runs / "new", [["--version"], ["doctor", str(runs / "nowhere")]])
    with pytest.raises(UserError, match="new is still running"):
        jobs.begin(runs / "other", [["--version"]])
    assert live.state(runs / "new", jobs).running
    assert waited(job) == 2
    assert job.words() == "failed"
    said = jobs.log_of(runs / "new")
    assert said.startswith("styledial ")
    assert "no run here" in said
    assert jobs.log_of(runs / "other") == ""
    assert live.state(runs / "new", jobs).sentence == "new: failed"


def test_a_job_that_is_stopped_begins_nothing_more(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/sh")  # "sh -m styledial ..." would wait for ever
    jobs = Jobs(runs)
    job = Job(runs / "new", runs / "log", [["x"], ["y"]])
    job.stop()
    job.run()
    assert job.process is None
    assert job.words() == "stopped"
    assert jobs.of(runs / "new") is None


def test_a_run_begun_elsewhere_is_seen_and_only_while_it_lives(runs: Path) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from styledial.run_folder.claims import writing\n"
        "with writing(pathlib.Path(sys.argv[1])):\n"
        "    print('here', flush=True)\n"
        "    time.sleep(60)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(runs / "a")], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert other.stdout
    assert other.stdout.readline() == b"here\n"
    assert live.owner_of(runs / "a") == other.pid
    assert live.state(runs / "a", Jobs(runs)).running
    stop_process(other.pid)
    other.wait(20)
    other.stdout.close()
    assert live.owner_of(runs / "a") is None
    own = runs / "b" / ".styledial-run"  # a file that names a process which holds nothing
    own.mkdir()
    (own / "lock").touch()
    (own / "owner.json").write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    assert live.owner_of(runs / "b") is None


def test_what_is_written_is_text() -> None:
    hostile = "<script>alert(1)</script>${alert(1)}"
    found = column_html(Column(hostile, hostile, [Word(hostile, 2, '"><b>')], done=True))
    assert "<script" not in found
    assert found.count("&lt;script&gt;") == 3
    assert 'title="&quot;&gt;&lt;b&gt;"' in found
    assert "<script" not in log_html(hostile)
    assert 'src="report/..%2F%22%3E"' in report_html('../">')


def test_curves_say_which_line_is_which() -> None:
    figure = Figure("Loss", "<svg></svg>", "Lower is better.", ["training text", "<held out>"])
    found = curves_html(Section("training", "Training", figures=[figure]))
    assert '<span class="key k2"></span>&lt;held out&gt; ' in found
    assert found.index("training text") < found.index("Lower is better.")


def test_the_sliders_end_and_its_columns() -> None:
    slider = pytest.importorskip(
        "styledial.studio.slider", reason="the extra studio is not installed"
    )
    measured = Reach(0.0993, 0.15011, True)
    assert slider.end_and_step(0.15011) == (0.15, 0.001)
    assert slider.end_and_step(0.00423) == (0.00423, 0.00001)
    assert slider.columns_of(measured, 0.08, ["base", "strongest"]) == [0.0, 0.08, 0.15]
    assert slider.columns_of(measured, 0.15, ["base", "strongest"]) == [0.0, 0.15]
    assert slider.columns_of(measured, 9, []) == [0.15]
    only_trained = Reach(0.0993, 0.0993, False)
    assert slider.columns_of(only_trained, 0.09, ["base"]) == [0.0, 0.0993]
    assert slider.columns_of(only_trained, 0.01, []) == [0.0]
    assert slider.columns_of(Reach(None, None, False), 0.3, ["base"]) == [None]
    assert slider.slider_of(measured).value == 0.099
