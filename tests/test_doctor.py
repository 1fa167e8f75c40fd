"""Every rule finds its planted pathology in a real run, and nothing in a healthy one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from marks import slow_but
from pathologies import HEALTHY, RUNS, settings_of
from running import ROOT, invoke, small_run

from styledial.config import resolve
from styledial.doctor import RULES, Finding, examine, unjudged
from styledial.doctor.record import Record, read_record
from styledial.doctor.titles import TITLES

Runs = Callable[[str], Path]


@pytest.fixture(scope="module")
def done(
    finished_run: Path, tiny_base: Path, novels: Path, tmp_path_factory
) -> Callable[[str], tuple[Path, str]]:
    """A finished run by its name and what it said: trained when it is first asked for."""
    scratch = tmp_path_factory.mktemp("doctor")
    said = finished_run.with_name("said.txt").read_text(encoding="utf-8")
    made: dict[str, tuple[Path, str]] = {HEALTHY: (finished_run, said)}

    def run(name: str) -> tuple[Path, str]:
        if name not in made:
            output = scratch / name
            settings = small_run(tiny_base, novels, output)
            settings += settings_of(name, novels, scratch)
            result = invoke("train", "--preset", "quick", *settings)
            assert result.returncode == 0, result.stderr
            made[name] = output, result.stderr
        return made[name]

    return run


@pytest.fixture(scope="module")
def runs(done) -> Runs:
    return lambda name: done(name)[0]


def names(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


def test_every_rule_has_a_planted_run() -> None:
    assert {rule.name for rule in RULES} | {HEALTHY} == set(RUNS)
    assert len(RULES) >= 12


# Those whose runs other tests need too; the others are marked slow.
QUICK = ("learning_rate_too_low", "budget_exceeded")


@pytest.mark.parametrize("rule", slow_but([name for name in RUNS if name != HEALTHY], *QUICK))
def test_the_pathology_is_found(rule: str, runs: Runs) -> None:
    found = examine(runs(rule))
    assert rule in names(found)
    # What is named first is the fault, or for text that has come apart what broke it.
    assert found[0].rule in {rule, "learning_rate_too_high"}
    for finding in found:
        for en, zh in (finding.evidence, finding.advice):
            assert en
            assert zh
            assert en != zh
            assert any(character.isdigit() for character in finding.evidence[0])


def test_a_healthy_run_has_a_clean_bill(done) -> None:
    folder, said = done(HEALTHY)
    assert names(examine(folder)) == []
    assert unjudged(read_record(folder)) == []  # nothing was missed for want of a file
    assert "no problems found" in said


def test_compare_shows_overshoot_too(runs: Runs) -> None:
    """Full tuning ended at four times its budget, and the table showed a KL like any other."""
    said = invoke("compare", runs(HEALTHY), runs("budget_exceeded")).stderr
    assert re.search(r"B ended at a KL of 0\.\d+, \d\.\d times its budget 0\.02", said), said
    assert "A ended" not in said


@pytest.mark.slow
def test_matrix(runs: Runs) -> None:
    """Which rules fire on which run, as docs/experiments.md has it: pytest -s shows it."""
    table = {name: names(examine(runs(name))) for name in RUNS}
    print("\n| planted | found |\n|---|---|")
    for name, found in table.items():
        print(f"| `{name}` | {', '.join(f'`{rule}`' for rule in found) or 'nothing'} |")
    # A run with a single fault is not accused of another: these leave the training as it is.
    for name in (
        "slow_reference",
        "slow_small_micro_batch",
        "slow_checkpoints",
        "memory_headroom",
        "budget_binding",
        "budget_not_reached",
        "learning_rate_too_low",
    ):
        assert table[name] == [name]


@pytest.mark.slow  # in a finished run: test_a_healthy_run_has_a_clean_bill
def test_the_end_of_a_run_names_what_matters_most(done) -> None:
    folder, said = done("memorising")
    lines = [line.strip() for line in said.split("\n")]
    first, second = (f"doctor: {TITLES[name][0]}. " for name in names(examine(folder))[:2])
    assert first == "doctor: memorises the books. "
    at = next(i for i, line in enumerate(lines) if line.startswith(first))
    assert any(line.startswith(second) for line in lines[at + 1 :])
    assert f"styledial doctor {folder}" in said


def test_json_and_words(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = runs("learning_rate_too_low")
    said = json.loads(invoke("doctor", folder, "--json").stderr)
    (finding,) = said["findings"]
    assert set(finding) == {"rule", "severity", "evidence", "advice", "command"}
    assert said["first"].startswith("Do this first: Raise the learning rate")
    assert finding["rule"] == "learning_rate_too_low"
    assert "0.0005" in finding["advice"]
    assert {"rule", "reason"} == set(said["unjudged"][0])
    assert sum(said["time"].values()) == pytest.approx(1)
    shown = invoke("doctor", folder).stderr
    assert finding["evidence"] in shown
    assert shown.startswith(said["first"])
    assert f"styledial evaluate {folder}" in shown  # what would let not_fluent be judged
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    assert "调大 learning_rate" in invoke("doctor", folder).stderr


@pytest.mark.slow  # the advice of a run: test_the_pathology_is_found
def test_the_dial_says_by_how_much(runs: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "dialled"
    shutil.copytree(runs("budget_binding"), folder)
    assert "train with kl_beta 0.08 -> 0.1" in examine(folder)[0].advice[0]
    assert invoke("dial", folder).returncode == 0
    (finding,) = examine(folder)
    assert "measured by `styledial dial`" in finding.advice[0]
    assert f"styledial dial {folder} --export 0.1" in finding.advice[0]


def test_every_rule_has_a_title() -> None:
    assert set(TITLES) == {rule.name for rule in RULES}


def test_an_unfinished_run_is_judged_by_its_metrics(runs: Runs, tmp_path: Path) -> None:
    folder = runs("learning_rate_too_high")
    for name in ("metrics.jsonl", "train_config.yaml"):
        shutil.copy(folder / name, tmp_path / name)
    assert "learning_rate_too_high" in names(examine(tmp_path))
    silent = dict(unjudged(read_record(tmp_path)))
    assert "--resume" in silent["forgetting"][0]
    assert "not finished" in invoke("doctor", tmp_path).stderr


def record(
    losses: list[float],
    gains: list[float],
    *settings: str,
    epochs: float = 3.0,
    **summary: float,
) -> Record:
    """A run with these losses of batches and gains on held-out text, at a KL of 0.01."""
    lines: list[dict[str, float]] = []
    for step, loss in enumerate(losses, 1):
        epoch = epochs * step / len(losses)
        lines.append(
            {"step": step, "epoch": epoch, "train/nll": loss, "train/kl": 0.01}
            | {"train/learning_rate": 1e-4}
        )
    for number, gain in enumerate(gains, 1):
        step = len(losses) * number // len(gains)
        reading = {"val/nll": 5.0 - gain, "val/nll_base": 5.0, "val/kl": 0.01}
        lines.insert(
            step + number - 1, {"step": step, "epoch": epochs * step / len(losses)} | reading
        )
    whole = {"style_nll_base": 5.0, "style_nll": 5.0 - gains[-1], "kl_before_landing": 0.01}
    whole |= {"general_nll_base": 4.0, "general_nll": 4.0, "kl_final": 0.01, **summary}
    config = resolve(assignments=list(settings))
    return Record(Path("run"), config, lines, whole, {}, {"train": 10**6, "heldout": 10**5}, [])


def test_one_text_is_harder_than_another_under_the_base_too() -> None:
    """Batches of 5.38, 6.60 and 6.31 under the base alone were an unstable run to the doctor."""
    batches = [5.38, 6.60, 6.31]
    assert "learning_rate_too_high" not in names(examine(record(batches, [0.0, 0.01, 0.02])))
    (worst, *_) = examine(record(batches, [0.0, -0.7, -0.6]))
    assert worst.rule == "learning_rate_too_high"
    assert "At update 2 held-out text was 0.70 nats per token less likely" in worst.evidence[0]


@pytest.mark.parametrize(
    ("train", "unseen", "found"),
    [
        ((2.0, 1.9), (4.6, 4.5), False),  # an easy text to learn from, a hard one held out
        ((4.6, 1.2), (4.6, 4.2), True),
        ((6.0, 2.4), (3.0, 2.8), True),  # the hard one learnt by heart
        ((4.6, 3.9), (4.6, 4.1), False),
    ],
)
def test_learnt_by_heart_is_judged_against_the_base(
    train: tuple[float, float], unseen: tuple[float, float], found: bool
) -> None:
    run = record(
        [4.0] * 60,
        [0.1, 0.2, 0.3],
        train_nll_base=train[0],
        train_nll=train[1],
        style_nll_base=unseen[0],
        style_nll=unseen[1],
    )
    assert ("memorising" in names(examine(run))) == found


@pytest.mark.parametrize(
    ("settings", "epochs", "advice"),
    [
        ((), 3.0, "num_train_epochs 3 -> 1"),
        (("num_train_epochs=1",), 1.0, "max_steps 60 -> 20"),
        (("max_steps=60",), 3.0, "max_steps 60 -> 20"),
    ],
)
def test_less_is_advised_in_the_setting_that_counts(
    settings: tuple[str, ...], epochs: float, advice: str
) -> None:
    """Fewer epochs change nothing where max_steps rules, and 1 -> 1 changes nothing anywhere."""
    run = record([4.0] * 60, [0.4, 0.3, 0.2], *settings, epochs=epochs)
    (finding,) = [each for each in examine(run) if each.rule == "overfitting"]
    assert finding.advice[0].startswith(f"Train less ({advice})")


@pytest.mark.parametrize(("train", "rank"), [(50_000, 4), (90_000, 8), (5_000, None)])
def test_a_smaller_rank_is_advised_where_it_is_enough(train: int, rank: int | None) -> None:
    """lora_r -> 4 was advised where 4 was too much for the text too."""
    run = record([4.0] * 60, [0.1, 0.2, 0.3], "lora_r=16", trainable_parameters=16_000_000)
    (finding,) = [
        each
        for each in examine(replace(run, tokens={"train": train, "heldout": 10**5}))
        if each.rule == "too_little_data"
    ]
    assert ("lora_r" in finding.advice[0]) == (rank is not None)
    if rank:
        assert f"lora_r 16 -> {rank}" in finding.advice[0]
        fewer = replace(
            run,
            tokens={"train": train, "heldout": 10**5},
            summary={**run.summary, "trainable_parameters": 1_000_000 * rank},
        )
        assert "too_little_data" not in names(examine(fewer))


@pytest.mark.slow
def test_more_epochs_on_few_rows_reach_the_budget(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """More epochs on five rows, fewer than an update, once made no further update."""
    page = tmp_path / "page"
    page.mkdir()
    text = (novels / "one.txt").read_text(encoding="utf-8")[:400]
    (page / "one.txt").write_text(text, encoding="utf-8")

    def found(output: Path, *settings: str) -> dict[str, Finding]:
        few = ["max_steps=-1", "per_device_train_batch_size=16", "learning_rate=0.003", *settings]
        done = invoke("train", *small_run(tiny_base, page, output), *few)
        assert done.returncode == 0, done.stderr
        return {each.rule: each for each in examine(output)}

    before = found(tmp_path / "before")["budget_not_reached"]
    assert read_record(tmp_path / "before").steps == 3
    epochs = re.search(r"num_train_epochs 3 -> (\d+)", before.advice[0])
    assert epochs
    after = found(tmp_path / "after", f"num_train_epochs={epochs[1]}")
    assert "budget_not_reached" not in after


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_that_is_no_run(folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = invoke("doctor", tmp_path / folder)
    assert result.returncode == 2
    assert "no run here" in result.stderr
    assert "\n" not in result.stderr.strip()


@pytest.mark.parametrize("name", ["summary.json", "metrics.jsonl", "evaluation.json"])
@pytest.mark.parametrize("content", ["{", "[1]", '{"metrics": 3}'])
def test_a_damaged_file_is_one_sentence(
    name: str, content: str, runs: Runs, tmp_path: Path
) -> None:
    for kept in ("metrics.jsonl", "train_config.yaml", "summary.json"):
        shutil.copy(runs(HEALTHY) / kept, tmp_path / kept)
    (tmp_path / name).write_text(content + "\n")
    result = invoke("doctor", tmp_path)
    assert result.returncode == 2
    assert "cannot be read" in result.stderr


def test_the_doctor_loads_no_model_and_no_torch(runs: Runs) -> None:
    code = (
        "import sys; from pathlib import Path; from styledial.doctor import examine; "
        f"examine(Path({str(runs(HEALTHY))!r})); print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
