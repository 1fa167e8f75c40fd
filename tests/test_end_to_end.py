"""The main job on a real, tiny model: exact files, style learnt, KL at its budget."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from running import invoke, run_cli, run_train, small_run

from styledial.config import resolve
from styledial.data.novels import read_novels
from styledial.data.pack import pack
from styledial.errors import StyleDialError
from styledial.models.adapter import load_adapter
from styledial.models.load import load_base, load_tokenizer
from styledial.models.policy import with_lora
from styledial.run.train import train_from_config
from styledial.run_folder.metrics import read_metrics
from styledial.training.measure import measure

SUMMARY_KEYS = {
    "model", "kl_beta", "kl_final", "style_nll_base", "style_nll", "general_nll_base",
    "general_nll", "steps", "tokens", "tokens_per_second", "peak_memory_bytes", "wall_seconds",
    "versions", "kl_before_landing", "adapter_scale",
}  # fmt: skip


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def test_exact_files(finished_run: Path) -> None:
    assert {p.name for p in finished_run.iterdir()} == {
        ".styledial-run",
        "adapter_config.json",
        "adapter_model.safetensors",
        "base.json",
        "checkpoints",
        "data_manifest.json",
        "evaluation.json",
        "metrics.jsonl",
        "report.html",
        "samples.json",
        "samples.md",
        "strength_samples.json",
        "summary.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "train_config.yaml",
    }
    assert set(summary_of(finished_run)) >= SUMMARY_KEYS


def test_style_is_learnt_and_kl_is_at_its_budget(finished_run: Path) -> None:
    summary = summary_of(finished_run)
    assert summary["style_nll"] < summary["style_nll_base"] - 0.05
    assert summary["kl_final"] == pytest.approx(0.1, rel=0.25)
    assert summary["steps"] == 60


def test_metrics_are_one_line_an_update(finished_run: Path) -> None:
    records = read_metrics(finished_run / "metrics.jsonl")
    assert [r["step"] for r in records] == list(range(1, 61))
    assert records[0]["train/kl"] == 0
    first, last = (sum(r["train/nll"] for r in part) for part in (records[:10], records[-10:]))
    assert last < first


def test_plain_peft_loads_it_at_the_reported_kl(
    finished_run: Path, tiny_base: Path, novels: Path
) -> None:
    policy, tokenizer = load_adapter(finished_run, dtype="float32")
    heldout = [p for p in read_novels(novels, 0.2) if p.split == "heldout"]
    rows = pack(heldout, tokenizer, 64)
    found = measure(policy, rows, batch_size=8, device=torch.device("cpu"))
    assert found.kl == pytest.approx(summary_of(finished_run)["kl_final"], rel=0.1)


def test_generate_writes_on_from_the_prompt(finished_run: Path) -> None:
    args = [
        "generate",
        str(finished_run),
        "--prompt",
        "话说",
        "--max-new-tokens",
        "20",
        "--seed",
        "7",
    ]
    one, two = (run_cli(args) for _ in range(2))
    assert one.exit_code == 0
    assert one.stdout.startswith("话说")
    assert len(one.output) > 5
    assert one.output == two.output


@pytest.mark.slow  # two runs are one: test_resume.py
def test_the_resolved_config_repeats_the_run(finished_run: Path, tmp_path: Path) -> None:
    output = tmp_path / "again"
    more = [f"training.output_dir={output}", "training.evaluate_at_end=off"]
    done = invoke("train", "--config", finished_run / "train_config.yaml", *more)
    assert done.returncode == 0, done.stderr
    one, two = (
        [(r["step"], r["train/nll"], r["train/kl"]) for r in read_metrics(f / "metrics.jsonl")]
        for f in (finished_run, output)
    )
    assert one == two


@pytest.mark.slow  # commands in this process are what the other tests run
def test_it_does_so_as_a_process_of_its_own(
    finished_run: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "evaluate_at_end=quick"]
    done = run_train("--preset", "quick", "--kl_beta", "0.1", *settings)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        p.name for p in finished_run.iterdir()
    }


@pytest.mark.slow  # over its budget: test_doctor.py; saved: test_remote_code.py
def test_full_tuning_against_a_frozen_copy(tiny_base: Path, novels: Path, tmp_path: Path) -> None:
    output = tmp_path / "full"
    done = invoke(
        "train",
        *small_run(tiny_base, novels, output),
        "model.use_peft=false",
        "training.learning_rate=0.0005",
        "max_steps=80",
    )
    assert done.returncode == 0, done.stderr
    summary = summary_of(output)
    assert (output / "model.safetensors").is_file()
    assert summary["style_nll"] < summary["style_nll_base"] - 0.05
    late = [r["train/kl"] for r in read_metrics(output / "metrics.jsonl")][-20:]
    assert sum(late) / len(late) == pytest.approx(0.1, rel=0.25)


@pytest.mark.slow  # in short runs: test_resume_more.py
def test_the_anchor_is_written_by_the_base_and_forgetting_is_less(
    finished_run: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    output = tmp_path / "anchored"
    done = invoke(
        "train", "--preset", "quick", *small_run(tiny_base, novels, output), "anchor=self"
    )
    assert done.returncode == 0, done.stderr
    held, free = summary_of(output), summary_of(finished_run)
    wrote = held["anchor"]
    assert wrote == {"source": "self", "rows": 32, "chat_rows": 0, "rows_per_update": 2}
    assert held["general_kl"] < free["general_kl"]
    assert held["kl_final"] == pytest.approx(0.1, rel=0.25)
    assert read_metrics(output / "metrics.jsonl")[-1]["train/anchor_kl"] > 0
    assert not (output / ".styledial-cache").exists()


def test_a_fresh_adapter_is_exactly_the_base(tiny_base: Path, novels: Path) -> None:
    base = load_base(str(tiny_base), dtype="float32")
    tokenizer = load_tokenizer(str(tiny_base))
    policy = with_lora(base, r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear")
    rows = pack(read_novels(novels, 0.2), tokenizer, 64)
    found = measure(policy, rows, batch_size=8, device=torch.device("cpu"), only=range(16))
    assert found.kl == 0.0
    assert found.nll == found.nll_base


def test_a_base_with_dropout_starts_at_kl_zero(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """The bundled base had attention dropout in its config, and its first KL was 0.056."""
    shutil.copytree(tiny_base, tmp_path / "base")
    config = tmp_path / "base/config.json"
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "attention_dropout": 0.3}))
    output = tmp_path / "out"
    settings = [*small_run(tmp_path / "base", novels, output), "max_steps=1"]
    assert invoke("train", *settings).returncode == 0
    assert read_metrics(output / "metrics.jsonl")[0]["train/kl"] == 0


def test_a_folder_of_the_users_own_named_cache_is_left_alone(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    (tmp_path / "out/cache").mkdir(parents=True)
    (tmp_path / "out/cache/mine.txt").write_text("keep")
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "max_steps=1"]
    assert invoke("train", *settings).returncode == 0
    assert (tmp_path / "out/cache/mine.txt").read_text() == "keep"


def test_resume_refuses_what_it_cannot_go_on_from(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "max_steps=2"]
    assert invoke("train", *settings, little_text=True).returncode == 0
    done = invoke("train", *settings, "--resume", little_text=True)
    assert "all 2 updates are made" in done.stderr
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    done = invoke("train", *settings, "--resume", "lora_r=4")
    assert done.returncode == 2
    assert "model.lora_r 8 -> 4" in done.stderr
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before


def test_a_run_that_comes_apart_says_so(
    tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from styledial.training import step

    real = step.objective

    def broken(*args, **kwargs):
        loss, parts = real(*args, **kwargs)
        return loss * float("nan"), parts * float("nan")

    monkeypatch.setattr(step, "objective", broken)
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "max_steps=6"]
    settings += ["training.max_skipped_updates=2"]
    with pytest.raises(
        StyleDialError, match=r"2 times in a row; rows \d+ 「.+Lower training.learn"
    ):
        train_from_config(resolve(None, None, {}, settings))
    assert not (tmp_path / "out/summary.json").exists()


def test_a_run_reads_heldout_text_and_its_own_clock(finished_run: Path) -> None:
    records = read_metrics(finished_run / "metrics.jsonl")
    read = [r for r in records if "val/nll" in r]
    assert [r["step"] for r in read] == list(range(5, 61, 5))
    assert read[-1]["val/nll"] < read[0]["val/nll_base"]
    for record in records:
        shares = {k: v for k, v in record.items() if k.startswith("time/") and k != "time/seconds"}
        assert sum(shares.values()) == pytest.approx(1)
        assert record["time/seconds"] > 0
        assert "val/nll" not in record or record["time/heldout"] > 0
