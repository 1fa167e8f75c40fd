"""How fast a folder of novels is prepared, whether the time grows linearly, and the peak memory.

    python benchmarks/prepare.py --sizes 100 1000 --workers 2

The corpus is made from the sentences of real novels, drawn anew for each chapter, as files of
two megabytes in UTF-8, GB18030 and Big5 with banners, stamps and hard wrapping. Memory is the
sum of the resident sets of all processes, so pages that they share count several times. On a
machine that does other work, processor seconds (POSIX only) say more than those on the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from styledial.data.novels import read_text

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = Path(os.environ.get("STYLEDIAL_SHARED", ROOT.parent / "shared")) / "corpora" / "style_zh"
FILE = 2_000_000  # bytes of a made file
MANNERS = (("utf-8", 3), ("gb18030", 1), ("big5hkscs", 1))


def sentences(sample: Path) -> tuple[list[str], list[str]]:
    """(simplified, traditional) sentences of the sample's novels."""
    plain: list[str] = []
    old: list[str] = []
    for path in sorted(sample.glob("*.txt")):
        found = re.findall(r"[^\n。！？]{4,80}[。！？][”」]?", read_text(path))
        (old if "big5" in path.name else plain).extend(s.strip() for s in found)
    return plain, old


def make_book(draw: random.Random, pool: list[str], encoding: str, number: int) -> bytes:
    """A novel of about FILE bytes with what scraped files carry."""
    lines = ["好书网 www.haoshu-example.com", f"《书{number}》", ""]
    size, chapter = 0, 0
    width = 3 if encoding == "utf-8" else 2
    while size * width < FILE:
        chapter += 1
        lines += [
            f"第{chapter}回  {draw.choice(pool)[:8]}  {draw.choice(pool)[:8]}".rstrip("。！？")
        ]
        lines += [f"更新时间:2007-1-12 23:57:15 本章字数:{draw.randint(2000, 9000)}", ""]
        if encoding == "big5hkscs":
            lines[-2:] = [""]
        for _ in range(draw.randint(20, 60)):
            text = "".join(draw.choices(pool, k=draw.randint(2, 8)))
            size += len(text)
            if encoding == "big5hkscs":
                text = "    " + text
                lines += [text[i : i + 52] for i in range(0, len(text), 52)]
            else:
                lines.append("　　" + text)
    return "\r\n".join(lines).encode(encoding, "ignore")


def make_corpus(folder: Path, megabytes: int, sample: Path) -> int:
    """Bytes written; the same bytes at each call."""
    plain, old = sentences(sample)
    folder.mkdir(parents=True)
    total = number = 0
    names = [name for name, weight in MANNERS for _ in range(weight)]
    while total < megabytes * 1_000_000:
        number += 1
        encoding = names[number % len(names)]
        pool = old if encoding == "big5hkscs" else plain
        data = make_book(random.Random(number), pool, encoding, number)
        (folder / f"{number:05}_{encoding}.txt").write_bytes(data)
        total += len(data)
    return total


def measure(folder: Path, out: Path, workers: int) -> tuple[float, float, float]:
    """(seconds, processor seconds, peak MB), of all processes together."""
    before = processor_seconds()
    command = [sys.executable, "-m", "styledial.cli.prepare", str(folder), "-o", str(out)]
    began = time.monotonic()
    with out.with_suffix(".log").open("w") as log:
        run = psutil.Popen(
            [*command, "--workers", str(workers)], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )
        peak = 0
        while run.poll() is None:
            peak = max(peak, resident(run))
            time.sleep(0.05)
    if run.returncode:
        raise SystemExit(out.with_suffix(".log").read_text()[-2000:])
    return time.monotonic() - began, processor_seconds() - before, peak / 1e6


def processor_seconds() -> float:
    """Of all ended child processes and theirs; 0 on Windows, which doesn't add them up."""
    if os.name != "posix":
        return 0.0
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident(run: psutil.Process) -> int:
    total = 0
    for process in [run, *run.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it ended between the two calls
    return total


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sizes", type=int, nargs="+", default=[100, 1000], help="megabytes")
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--sample", type=Path, default=SAMPLE, help="folder of real novels")
    asked.add_argument("--at", type=Path, default=None, help="folder for the corpus")
    args = asked.parse_args()
    if not args.sample.is_dir():
        raise SystemExit(f"{args.sample}: is not there. Name a folder of novels with --sample.")
    at = Path(tempfile.mkdtemp(prefix="styledial-bench-", dir=args.at))
    rows = []
    try:
        for size in args.sizes:
            corpus, out = at / f"corpus{size}", at / f"out{size}.jsonl"
            total = make_corpus(corpus, size, args.sample)
            seconds, busy, peak = measure(corpus, out, args.workers)
            manifest = json.loads(out.with_suffix("").with_suffix(".manifest.json").read_text())
            kept = sum(book["kept"] for book in manifest["books"])
            rows.append((total, seconds, busy))
            print(
                f"{total / 1e6:8.0f} MB  {len(manifest['books'])} files, {kept} kept  "
                f"{seconds:7.1f} s  {total / 1e6 / seconds:5.2f} MB/s  processor {busy:7.1f} s  "
                f"peak {peak:6.0f} MB",
                flush=True,
            )
            shutil.rmtree(corpus)
            out.unlink()
    finally:
        shutil.rmtree(at)
    if len(rows) > 1:
        small, large = rows[0], rows[-1]
        grown = [b / a if a else 0.0 for a, b in zip(small, large, strict=True)]
        print(f"text x{grown[0]:.1f}, time x{grown[1]:.1f}, processor x{grown[2]:.1f}")


if __name__ == "__main__":
    main()
