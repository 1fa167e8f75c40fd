"""Whole commands: from the start of the process to its end, as a user waits for them.

    trl             TRL's own script (`trl sft`): load, train, save the adapter
    ours_plain      `styledial train` without KL: the same, and samples, readings of held-out text
                    and the report
    ours            with KL to the base, landing included, without anchor text
    ours_anchor     as the template has it: with anchor text that the base writes first

All read one text (the bundled one, or --text), with the same rows, LoRA and number of updates.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from environment import FOLDER, ROOT

WHOLE = ("trl", "ours_plain", "ours", "ours_anchor")


def one_command(
    python: Path, way: str, model: Path, rows: int, length: int, updates: int, text: Path | None
) -> dict[str, Any]:
    """Run a way once; seconds on the clock, processor seconds, and whether it ended well."""
    output = FOLDER / "output" / way
    shutil.rmtree(output, ignore_errors=True)
    log = FOLDER / "logs" / f"whole-{way}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    made = material(text)
    work = _Work(python, model, made, output, rows, length, updates)
    command = _trl(work) if way == "trl" else _styledial(work, way)
    # Nothing is asked of a network, which would make a time of this kind worthless.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with log.open("w") as file:
        done = subprocess.run(command, stdout=file, stderr=file, env=environment, check=False)
    seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{way} ended with {done.returncode}: see {log}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "processor_seconds": used}


def material(text: Path | None) -> Path:
    """A folder with the text for both: novels/text.txt, and jsonl/train.jsonl of its paragraphs."""
    folder = FOLDER / "text"
    sources = [text] if text else sorted((ROOT / "styledial" / "assets").glob("*/*.txt"))
    content = "\n\n".join(path.read_text(encoding="utf-8") for path in sources)
    (folder / "novels").mkdir(parents=True, exist_ok=True)
    (folder / "jsonl").mkdir(parents=True, exist_ok=True)
    (folder / "novels" / "text.txt").write_text(content, encoding="utf-8")
    lines = (json.dumps({"text": p}) for p in content.split("\n") if p.strip())
    (folder / "jsonl" / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


class _Work(NamedTuple):
    """What both programs are told: `made` holds the text, `rows` of `length` tokens an update."""

    python: Path
    model: Path
    made: Path
    output: Path
    rows: int
    length: int
    updates: int


def _trl(work: _Work) -> list[str]:
    script = work.python.parent / "trl"
    return [
        *(str(script), "sft", "--model_name_or_path", str(work.model)),
        *("--dataset_name", str(work.made / "jsonl"), "--output_dir", str(work.output)),
        *("--packing", "true", "--packing_strategy", "wrapped", "--max_length", str(work.length)),
        *("--use_peft", "true", "--lora_r", "8", "--lora_alpha", "16", "--lora_dropout", "0"),
        *("--lora_target_modules", "all-linear", "--per_device_train_batch_size", str(work.rows)),
        *("--gradient_accumulation_steps", "1", "--max_steps", str(work.updates)),
        *("--learning_rate", "2e-4", "--lr_scheduler_type", "cosine", "--report_to", "none"),
        *("--gradient_checkpointing", "true", "--save_strategy", "no", *_precision()),
    ]


def _styledial(work: _Work, way: str) -> list[str]:
    mode = "off" if way == "ours_plain" else "budget"
    anchor = "self" if way == "ours_anchor" else "off"
    return [
        *(
            str(work.python),
            str(ROOT / "train.py"),
            "--overwrite",
            f"model.model_name_or_path={work.model}",
        ),
        *(f"data.data_dir={work.made / 'novels'}", f"training.output_dir={work.output}"),
        *(f"data.max_length={work.length}", f"data.anchor={anchor}", "model.lora_r=8"),
        *("model.lora_alpha=16", "model.lora_dropout=0", f"training.max_steps={work.updates}"),
        *(f"training.per_device_train_batch_size={work.rows}", f"training.kl_mode={mode}"),
        *("training.gradient_accumulation_steps=1", "training.learning_rate=2e-4"),
        "training.gradient_checkpointing=true",
    ]


def _precision() -> list[str]:
    """fp32 on a CPU, as StyleDial takes it there, and bf16 weights on a GPU."""
    if shutil.which("nvidia-smi"):
        return ["--dtype", "bfloat16"]
    return ["--dtype", "float32", "--use_cpu", "true", "--bf16", "false"]
