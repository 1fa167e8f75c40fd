"""What a person sees: the first line at once, the blocks of a run, advice that works as printed."""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from running import ENV, ROOT, invoke, small_run

from styledial.doctor import LastWords, last_words
from styledial.run.closing_lines import closing_lines as closing
from styledial.run.samples import Sample
from styledial.run.strengths import further
from styledial.units import duration, percent

SUMMARY = {
    "kl_beta": 0.1, "kl_mode": "budget", "kl_final": 0.0938, "adapter_scale": 0.8, "steps": 40,
    "style_nll_base": 5.9, "style_nll": 5.7, "general_nll_base": 4.71, "general_nll": 4.703,
    "wall_seconds": 75.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in a folder with a space, and what it said."""
    folder = tmp_path_factory.mktemp("my runs") / "风格 一"
    settings = [*small_run(tiny_base, novels, folder), "max_steps=40", "evaluate_at_end=quick"]
    done = invoke("train", *settings, "--strength", "轻微")
    assert done.returncode == 0, done.stderr
    (folder.parent / "said.txt").write_text(done.stderr, encoding="utf-8")
    return folder


def said(run: Path) -> str:
    return (run.parent / "said.txt").read_text(encoding="utf-8")


def advised(text: str) -> list[list[str]]:
    """The commands after "Next:", as a shell would read them, without the program."""
    lines = text[text.index("Next:") :].splitlines()
    found = [re.match(r"    \S*styledial (.*)", line) for line in lines]
    return [shlex.split(each[1]) for each in found if each]


@pytest.mark.parametrize(
    ("args", "first", "last"),
    [
        (
            ["generate", "nosuch", "--prompt", "x"],
            "nosuch: there is no such folder",
            "nosuch: there is no",
        ),
        (["dial", "nosuch"], "nosuch: there is no such folder", "nosuch: there is no"),
        (
            ["merge", "nosuch", "-o", "new"],
            "nosuch: there is no such folder",
            "nosuch: there is no",
        ),
        (["evaluate", "nosuch"], "nosuch: there is no such folder", "nosuch: there is no"),
        (["plan", "--gpu", "nosuch"], "--gpu nosuch", "--gpu nosuch"),
        (["train", "model.model_name_or_path=bundled"], "StyleDial 0.1.0: train -> ", ""),
        (["plan", "model.model_name_or_path=bundled"], "StyleDial 0.1.0: plan for ", ""),
    ],
)
def test_the_first_line_comes_before_torch(
    args: list[str], first: str, last: str, tmp_path: Path
) -> None:
    """`generate nosuch` took 21 s to say that there is no such run, `train` 22 s to its first
    line: torch was imported before."""
    code = f"import sys; sys.modules['torch'] = None; sys.argv = ['styledial', *{args!r}]\n"
    code += "from styledial.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**ENV, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stderr.splitlines()
    assert lines[0].startswith(first)
    assert lines[-1].startswith(last)


def test_a_run_begins_with_what_it_is_about_to_do(run: Path) -> None:
    # On a busy machine a stage of more than ten seconds is said in between.
    lines = [line for line in said(run).splitlines() if not line.endswith((" so far", " left"))]
    assert lines[0].startswith("StyleDial 0.1.0: train -> ")
    block = dict(line.strip().split("  ", 1) for line in lines[1:5])
    assert list(block) == ["base", "device", "novels", "training"]
    assert "qwen2" in block["base"]
    tokens = json.loads((run / "data_manifest.json").read_text(encoding="utf-8"))["tokens"]
    assert f"{tokens['train']:,} tokens to learn from" in block["novels"]
    assert "40 updates of 8 rows" in block["training"]
    assert "strength: light (0.065)" in block["training"]


def closing_block(run: Path) -> list[str]:
    """The lines of the closing block that are about the run: without samples, commands, paths."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    metrics = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["metrics"]
    how = {"evaluation": metrics, "findings": last_words(run), "is_adapter": True}
    lines = "\n".join(closing(summary, [], run, **how)).splitlines()
    end = next(at for at, line in enumerate(lines) if line.startswith(("Output files", "输出文件")))
    return [line for line in lines[:end] if line and not line.startswith("    ")]


def figures(text: str) -> list[str]:
    """Every figure in a text, with its sign and its unit of time or share; a true minus is one."""
    plain = re.sub(r"`[^`]*`", "", text.replace("\u2212", "-"))
    return re.findall(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?%?(?![\w.]*\d)", plain)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_figure_at_the_end_is_in_the_summary_and_in_the_report(
    run: Path, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar said 0.153, the landing 0.0575, the closing lines 0.0630, each of them "KL"."""
    monkeypatch.setenv("STYLEDIAL_LANG", language)
    lines = closing_block(run)
    if language == "en":  # it is what the run said
        assert [line for line in lines if line not in said(run)] == []
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    found = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["metrics"]
    change = {
        name: summary[name] - summary[f"{name}_base"] for name in ("style_nll", "general_nll")
    }
    expected = [
        f"{summary['kl_beta']:g}", f"{summary['kl_final']:.3f}",
        f"{summary['style_nll_base']:.3f}", f"{summary['style_nll']:.3f}",
        f"{change['style_nll']:+.3f}", f"{change['general_nll']:+.3f}",
    ]  # fmt: skip
    if found["long_copy_rate"]["value"] or found["longest_copy"]["value"]:  # else in words
        expected += [
            percent(found["long_copy_rate"]["value"]),
            f"{found['longest_copy']['value']:.0f}",
        ]
    first = [line for line in lines if line.startswith(("style strength", "风格强度", "  "))][:4]
    assert figures("\n".join(first)) == expected
    report = run / "report.html"
    assert invoke("report", run, "-o", report).returncode == 0
    text = html.unescape(re.sub(r"<[^>]*>", " ", report.read_text(encoding="utf-8")))
    assert duration(summary["wall_seconds"]) in text
    shown = set(figures(text))
    assert [each for line in lines for each in figures(line) if each not in shown] == []


@pytest.mark.slow  # with other settings: test_advice.py
def test_each_command_advised_at_the_end_works_as_printed(run: Path) -> None:
    commands = advised(said(run))
    assert [words[0] for words in commands] == ["generate", "dial", "merge"]
    assert invoke("dial", run).returncode == 0
    for words in commands:
        done = invoke(*words, *["--max-new-tokens", "4"] * (words[0] == "generate"))
        assert done.returncode == 0, done.stderr
        for further_words in advised(done.stderr) if words[0] != "generate" else []:
            more = ["--max-new-tokens", "4"] * (further_words[0] == "generate")
            assert invoke(*further_words, *more).returncode == 0


def test_a_merged_model_says_how_strong_it_is_and_writes(run: Path, tmp_path: Path) -> None:
    """`generate` refused a merged folder, and `merge` printed a path and stopped."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    done = invoke("merge", run, "-o", tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    assert f"KL {summary['kl_final']:.3f} nats per token" in done.stderr
    args = ["--prompt", "话说", "--max-new-tokens", "4"]
    assert invoke("generate", tmp_path / "merged", *args).returncode == 0
    refused = invoke("generate", tmp_path / "merged", *args, "--strength", "light")
    assert refused.returncode == 2
    assert "merged model" in refused.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "The budget of 0.1 was used up"),
        ({"kl_final": 0.05, "adapter_scale": 1.0}, "The budget of 0.1 was not used up"),
        ({"kl_final": 0.05}, "was used up"),  # scaled down to it on the other half of the text
        ({"kl_mode": "off"}, "More updates"),
    ],
)
@pytest.mark.parametrize("carried_out", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_way_further_is_the_one_that_helps(
    changes: dict, words: str, carried_out: bool, tmp_path: Path, run: Path
) -> None:
    """After a run that fell short of its budget a larger one was advised."""
    (tmp_path / "summary.json").write_text(json.dumps({**SUMMARY, **changes}), encoding="utf-8")
    (tmp_path / "train_config.yaml").write_bytes((run / "train_config.yaml").read_bytes())
    sentence, command = further(tmp_path)
    assert words in sentence
    asked = shlex.split(command)
    assert ("--strength" in asked) == ("larger" in sentence)
    assert not (tmp_path.parent / f"{tmp_path.name}-longer").exists()
    if not carried_out:
        return
    few = ["training.max_steps=1", "training.evaluate_at_end=off"]
    done = invoke(*asked[asked.index("train") :], *few)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("change", [-0.007, 0.0, 0.0004, 0.009, 0.2])
def test_general_ability_is_never_a_negative_loss(
    change: float, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The screen said 遗忘 -0.007."""
    monkeypatch.setenv("STYLEDIAL_LANG", language)
    summary = {**SUMMARY, "general_nll": 4.71 + change}
    lines = closing(
        summary,
        [],
        Path("outputs/style"),
        evaluation={},
        findings=LastWords([], found=False),
        is_adapter=True,
    )
    text = "\n".join(lines)
    assert "-0.000" not in text
    assert "遗忘" not in text
    assert ("几乎没变" if language == "zh" else "nearly unchanged") in text or change > 0.02
    # Commands are as long as the place where the program lies.
    assert max(cell_len(line) for line in lines if not line.startswith("    ")) <= 80


@pytest.mark.parametrize(
    ("kl", "said"),
    [(0.162, "reached 0.162: more than was asked"), (0.06, "reached 0.060: less than was asked")],
)
def test_the_verdict_says_that_it_is_not_what_was_asked(
    kl: float, said: str, tmp_path: Path
) -> None:
    """On 884 held-out tokens a run for 0.1 ended at 0.162, which stood there without a word."""
    summary = {**SUMMARY, "kl_final": kl, "adapter_scale": 0.7, "kl_tokens": 442}
    findings = LastWords([], found=False)
    lines = closing(summary, [], tmp_path, evaluation={}, findings=findings, is_adapter=True)
    assert lines[1].endswith(said)
    assert "measured on the other: 442 tokens" in lines[2]
    near = closing(
        {**summary, "kl_final": 0.103},
        [],
        tmp_path,
        evaluation={},
        findings=findings,
        is_adapter=True,
    )
    assert near[1].endswith("reached 0.103")
    assert "442" not in "".join(near)


def test_an_evaluation_that_was_left_out_is_offered(tmp_path: Path) -> None:
    findings = LastWords([], found=False)
    offered = [
        closing(SUMMARY, [], tmp_path, evaluation=found, findings=findings, is_adapter=True)
        for found in (None, {})
    ]
    assert [f"styledial evaluate {tmp_path}" in "\n".join(lines) for lines in offered] == [
        True,
        False,
    ]


def test_a_run_that_fell_short_says_so_and_how_to_go_on(tmp_path: Path) -> None:
    summary = {**SUMMARY, "kl_final": 0.05, "adapter_scale": 1.0}
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    lines = closing(
        summary, [], tmp_path, evaluation={}, findings=LastWords([], found=False), is_adapter=True
    )
    text = "\n".join(lines)
    assert "asked 0.1, reached 0.050" in text
    assert "target was not reached" in text
    assert "training.max_steps=80" in text


@pytest.mark.parametrize("answers", [True, False])
def test_an_answer_is_no_part_of_the_message(answers: bool, tmp_path: Path) -> None:
    """The screen said: He opened the door and sawLater that day, Emma smiled."""
    shown = [Sample("Describe a storm.", "It rains.", "Dark clouds gather.")]
    summary = {**SUMMARY, "answers": answers}
    none = LastWords([], found=False)
    lines = closing(summary, shown, tmp_path, evaluation={}, findings=none, is_adapter=True)
    text = "\n".join(lines)
    assert ("Describe a storm.It rains." in text) != answers
    assert ("answers before and after to: Describe a storm." in text) == answers
    assert re.search(r"after +(Describe a storm\.)?Dark clouds gather\.", text)


@pytest.mark.parametrize(("kl", "offered"), [(0.00025, False), (0.03, False), (0.05, True)])
def test_weaker_versions_are_offered_of_a_style_that_is_noticeable(
    kl: float, offered: bool, tmp_path: Path
) -> None:
    """A run that had learnt next to nothing was told to export half of its KL, 0.00013."""
    summary = {**SUMMARY, "kl_final": kl}
    findings = LastWords([], found=False)
    lines = closing(summary, [], tmp_path, evaluation={}, findings=findings, is_adapter=True)
    assert ("other strengths of it" in "\n".join(lines)) == offered
