"""Record what the commands show, for docs/screen.md and docs/screen.zh.md.

    python scripts/record_screens.py             run everything, put it into both documents
    python scripts/record_screens.py --only plan --dry    some of it, printed, nothing written

Every command is run as a user would, in both languages, on a terminal of 80 columns (a pty) and
without one. Its text takes the place of the block behind the comment with its name:

    <!-- demo, terminal -->   what a bar says, one after another; then what is left in the end
    <!-- demo, pipe -->       without a terminal: stderr and stdout together
    <!-- times -->            a table: when the first line came, and the longest silence

The first line is to come within 0.5 s, and no silence is to last longer than 10 s: where that is
missed, the table and the last lines printed say so, and the exit code is 1. The small real base
comes from ../shared (or STYLEDIAL_SHARED); without it that run is left out, and its block stays.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from screen_recording import COLUMNS, Recording, on_a_terminal, without_one

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("STYLEDIAL_SHARED", ROOT.parent / "shared"))
DOCUMENTS = {"en": ROOT / "docs/screen.md", "zh": ROOT / "docs/screen.zh.md"}


@dataclass(frozen=True)
class Command:
    """`words` behind `styledial`; `base`: it needs the small real base."""

    name: str
    words: tuple[str, ...]
    base: bool = False


COMMANDS = (
    Command("demo", ("train", "--config", "configs/demo.yaml", "--overwrite")),
    Command(
        "real",
        (
            "train", "--overwrite", "model.model_name_or_path=models/SmolLM2-135M",
            "data.data_dir=novels", "data.max_length=128", "training.output_dir=outputs/real",
            "training.max_steps=4", "training.per_device_train_batch_size=2",
            "training.gradient_accumulation_steps=1", "training.gradient_checkpointing=false",
        ),
        base=True,
    ),
    Command("plan", ("plan", "--preset", "standard_4bit", "--gpu", "RTX 3060")),
    Command("dial", ("dial", "outputs/demo", "--export", "light,medium,strong", "--remeasure")),
    Command("merge", ("merge", "outputs/demo", "-o", "outputs/merged", "--strength", "light")),
    Command("generate", ("generate", "outputs/merged", "--prompt", "他推开门，看见")),
)  # fmt: skip


def prepare(folder: Path) -> bool:
    """The folder in which everything is run; whether the small real base is there."""
    (folder / "configs").symlink_to(ROOT / "configs")
    script = SHARED / "models/get_smollm2.py"
    novels = SHARED / "corpora/style_en/gutenberg"
    if not script.is_file() or not novels.is_dir():
        return False
    base = Path.home() / ".cache/styledial/smollm2-135m"
    done = subprocess.run([sys.executable, str(script), str(base)], check=False)
    if done.returncode:
        return False
    (folder / "models").mkdir()
    (folder / "models/SmolLM2-135M").symlink_to(base)
    (folder / "novels").mkdir()
    book = sorted(novels.glob("*.txt"))[0]
    (folder / "novels" / book.name).write_bytes(book.read_bytes())
    return True


def environment(language: str) -> dict[str, str]:
    """No network, the program on the PATH, 80 columns."""
    return {
        **os.environ, "STYLEDIAL_LANG": language, "HF_HUB_OFFLINE": "1", "COLUMNS": str(COLUMNS),
        "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip


def replaced(document: str, name: str, block: str) -> str:
    """`document` with `block` in place of the block of code or the table behind the comment
    `name`."""
    mark = f"<!-- {name} -->\n"
    if mark not in document:
        sys.exit(f"no comment {mark.strip()} in the document")
    before, after = document.split(mark)
    old = re.match(r"\n*(```.*?\n```\n|(\|[^\n]*\n)+)?\n*", after, flags=re.DOTALL)
    assert old
    return f"{before}{mark}\n{block}\n{after[old.end() :]}".rstrip("\n") + "\n"


def fenced(text: str) -> str:
    """As a block of code."""
    return f"```text\n{text}\n```\n"


def times(made: dict[tuple[str, str, str], Recording], language: str) -> str:
    """The table of both measures."""
    head = {
        "en": "| command | | first line | longest silence | in all |",
        "zh": "| 命令 | | 第一行 | 最长沉默 | 总用时 |",
    }[language]
    where = {
        "en": {"terminal": "terminal", "pipe": "without"},
        "zh": {"terminal": "终端", "pipe": "无终端"},
    }
    unit = {"en": "s", "zh": "秒"}[language]
    lines = [head, "|---|---|---|---|---|"]
    for (name, spoken, kind), each in made.items():
        if spoken == language:
            lines.append(
                f"| {name} | {where[language][kind]} | {each.first or 0:.2f} {unit} | "
                f"{each.silence:.1f} {unit} | {each.seconds:.0f} {unit} |"
            )
    return "\n".join(lines) + "\n"


def record(only: list[str], languages: list[str]) -> dict[tuple[str, str, str], Recording]:
    """Everything that was asked for: (command, language, where) -> what was seen."""
    made = {}
    with tempfile.TemporaryDirectory(prefix="styledial-") as passing:
        folder = Path(passing)
        real = prepare(folder)
        for language in languages:
            for each in COMMANDS:
                if (only and each.name not in only) or (each.base and not real):
                    continue
                for kind, run in (("terminal", on_a_terminal), ("pipe", without_one)):
                    if each.name == "merge":
                        subprocess.run(["rm", "-rf", str(folder / "outputs/merged")], check=True)
                    words = ["styledial", *each.words]
                    print(f"$ {shlex.join(words)}  ({language}, {kind})", flush=True)
                    found = run(words, folder, environment(language))
                    made[each.name, language, kind] = found
                    print(
                        f"  first line {found.first or 0:.2f} s, longest silence "
                        f"{found.silence:.1f} s, {found.seconds:.0f} s in all"
                    )
                    for missed in found.missed:
                        print(f"  MISSED: {missed}", flush=True)
    return made


def write(made: dict[tuple[str, str, str], Recording], languages: list[str], whole: bool) -> None:
    """Into the documents."""
    for language in languages:
        document = DOCUMENTS[language].read_text(encoding="utf-8")
        for (name, spoken, kind), found in made.items():
            if spoken != language:
                continue
            if kind == "terminal" and found.frames:
                document = replaced(document, f"{name}, bar", fenced("\n".join(found.frames)))
            document = replaced(document, f"{name}, {kind}", fenced(found.left))
        if whole:
            document = replaced(document, "times", times(made, language))
            cores = {"en": f"{os.cpu_count()} CPU cores", "zh": f"{os.cpu_count()} 个 CPU 核"}
            on = f"{date.today().isoformat()}, {cores[language]}"
            document = re.sub(r"<!-- on -->.*<!-- -->", f"<!-- on -->{on}<!-- -->", document)
        DOCUMENTS[language].write_text(document, encoding="utf-8")


def main() -> int:
    """The number of recordings in which something was missed, as an exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], help="demo, real, plan, ...")
    parser.add_argument("--language", action="append", choices=sorted(DOCUMENTS))
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    asked = parser.parse_args()
    languages = asked.language or list(DOCUMENTS)
    made = record(asked.only, languages)
    if asked.dry:
        for (name, language, kind), found in made.items():
            print(f"\n--- {name}, {language}, {kind}", *found.frames, "---", found.left, sep="\n")
    else:
        write(made, languages, whole=not asked.only)
    missed = {key: each.missed for key, each in made.items() if each.missed}
    print(f"\n{len(made)} recordings; missed in {len(missed)}")
    for key, what in missed.items():
        print(f"  {', '.join(key)}: {'; '.join(what)}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
