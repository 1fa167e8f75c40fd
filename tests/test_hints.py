"""Names of other tools: each hint is accepted when it is carried out, or a reason is given."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import invoke

from styledial.commands import command
from styledial.config import resolve
from styledial.config.elsewhere import OURS, WHY_NOT
from styledial.config.whole import SECTIONS, all_keys
from styledial.errors import ConfigError
from styledial.language import typed

# As people have them in files for transformers, TRL, LLaMA-Factory, axolotl and unsloth.
ALIASES = {
    "lr=2e-4": "training.learning_rate", "num_epochs=3": "training.num_train_epochs",
    "micro_batch_size=2": "training.per_device_train_batch_size", "sequence_len=2048": "data.max_length",
    "cutoff_len=1024": "data.max_length", "max_seq_length=2048": "data.max_length",
    "lora_rank=8": "model.lora_r", "lora_target=all": "model.lora_target_modules",
    "lora_target=q_proj,v_proj": "model.lora_target_modules", "r=16": "model.lora_r",
    "target_modules=[q_proj,v_proj]": "model.lora_target_modules", "base_model=Qwen/Qwen2.5-7B": "model.model_name_or_path",
    "val_size=0.1": "data.validation_split", "val_set_size=0.05": "data.validation_split",
    "lr_scheduler=cosine": "training.lr_scheduler_type", "random_state=3407": "training.seed",
    "torch_dtype=bf16": "model.dtype", "num_warmup_steps=10": "training.warmup_steps",
    "cosine_min_lr_ratio=0.1": "training.min_lr_ratio", "use_gradient_checkpointing=true": "training.gradient_checkpointing",
    "log_with=wandb": "training.report_to", "flash_attn=fa2": "model.attn_implementation",
    "model_revision=v1": "model.revision", "kl_coef=0.1": "training.kl_beta", "epoch=3": "training.num_train_epochs",
    "max_train_steps=100": "training.max_steps", "gradient_clipping=1.0": "training.max_grad_norm",
}  # fmt: skip


def _hint(typed: str) -> str | None:
    with pytest.raises(ConfigError) as caught:
        resolve(assignments=[typed])
    found = re.search(r"Did you mean `([\w.]+)`\?", caught.value.en)
    if not found:
        assert "is not a setting" in caught.value.en
        return None
    resolve(assignments=[f"{found[1]}={typed.partition('=')[2]}"])
    return found[1]


@pytest.mark.parametrize(("typed", "ours"), ALIASES.items())
def test_a_name_of_another_tool_leads_to_ours(typed: str, ours: str) -> None:
    assert _hint(typed) == ours


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("bf16=true", "model.dtype"),
        ("lora_target_linear=true", "model.lora_target_modules: all-linear"),
        ("eval_steps=50", "a dozen times"),
        ("optim=adamw_8bit", "AdamW"),
        ("overwrite_output_dir=true", "--overwrite"),
        (
            "use_gradient_checkpointing=unsloth",
            "`training.gradient_checkpointing` is, allowed: true or false or one of auto, every_second",
        ),
        ("val_size=200", "`data.validation_split` is, allowed: a number, > 0, <= 0.5"),
        ("lr_scheduler_kwargs={min_lr_rate: 0.1}", "training.min_lr_ratio"),
    ],
)
def test_what_has_no_setting_gets_a_sentence(typed: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(assignments=[typed])
    assert said in caught.value.en
    assert "Did you mean" not in caught.value.en


def test_a_folder_that_looks_like_an_option_is_typed_as_a_folder() -> None:
    assert command("dial", Path("-run")).endswith("dial ./-run")
    assert command("dial", Path("a b"), "--export", "0.1").endswith("dial 'a b' --export 0.1")


def test_warmup_in_updates_is_accepted() -> None:
    """`warmup_steps=10` got the hint `warmup_ratio`, which refuses 10."""
    assert resolve(assignments=["warmup_steps=10"]).training.warmup_steps == 10


def test_every_hint_for_a_name_of_transformers_works() -> None:
    from transformers import TrainingArguments

    unknown = [f for f in dataclasses.fields(TrainingArguments) if f.name not in all_keys()]
    assert len(unknown) > 50
    for field in unknown:
        plain = isinstance(field.default, int | float | str)
        values = [10, field.default if plain else "no"]
        for value in values:
            _hint(f"{field.name}={value}")


def test_every_near_miss_of_our_own_names_works() -> None:
    for section, kind in SECTIONS.items():
        for key in kind.model_fields:
            for wrong in (key + "s", key[:-1]):
                if wrong not in all_keys() and wrong not in SECTIONS:
                    for value in (1, "true"):
                        _hint(f"{section}.{wrong}={value}")


def test_the_tables_name_settings_that_there_are() -> None:
    assert set(OURS.values()) <= all_keys().keys()
    assert not set(OURS) & all_keys().keys()
    assert not set(WHY_NOT) & all_keys().keys()
    assert not set(WHY_NOT) & set(OURS)
    named = re.findall(
        r"\b(model|data|training)\.(\w+)", " ".join(en for en, _ in WHY_NOT.values())
    )
    assert all(key in SECTIONS[section].model_fields for section, key in named)


@pytest.mark.parametrize("command", ["generate", "doctor", "report"])
@pytest.mark.parametrize(
    ("named", "such_as"),
    [("my runs", "'my runs/a', 'my runs/b'"), ("my runs/a/checkpoints", "'my runs/a'"), (".", "")],
)
def test_a_folder_near_a_run_leads_to_it(
    command: str, named: str, such_as: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "my runs" / name / "checkpoints").mkdir(parents=True)
        (tmp_path / "my runs" / name / "summary.json").write_text("{}")
    done = invoke(command, named, *(["--prompt", "x"] if command == "generate" else []))
    assert done.returncode == 2
    assert ("such as" in done.stderr, such_as in done.stderr) == (bool(such_as), True), done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
@pytest.mark.parametrize("name", [b"bad\xff", b"\xb5\xc4 it's", b"-\xe9\\x"])
def test_a_folder_whose_name_is_no_utf_8_is_typed_as_a_shell_reads_it(
    name: bytes, tmp_path: Path
) -> None:
    """`generate bad\\udcff` was printed, which no shell takes for that folder."""
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    bash = shutil.which("bash") or pytest.skip("no bash")
    found = subprocess.run(
        [bash, "-c", f"cd {typed(folder)} && pwd"], capture_output=True, check=False
    )
    assert found.stdout.strip() == os.fsencode(folder)
