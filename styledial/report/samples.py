"""Before and after, side by side: the same prompt, the same seed."""

from __future__ import annotations

from typing import Any

from styledial.language import say
from styledial.report.parts import Pair, Section
from styledial.run_folder.reader import Run, mappings


def section(run: Run) -> Section:
    name, title = "samples", say("Samples", "样例")
    content = run.samples or {}
    pairs = _pairs(content.get("samples"))
    if not pairs:
        return Section(
            name,
            title,
            [
                say(
                    "samples.json is missing; a run writes it at its end.",
                    "缺少 samples.json；训练结束时会写出。",
                )
            ],
        )
    seed, most = content.get("seed"), content.get("max_new_tokens")
    lines = [
        say(
            f"Same prompt, same seed ({seed}), at most {most} tokens; unselected.",
            f"相同开头，相同随机种子（{seed}），至多 {most} 个 token；未经挑选。",
        )
    ]
    return Section(name, title, lines, pairs=pairs)


def _pairs(samples: Any) -> list[Pair]:
    return [
        Pair(*(str(sample.get(part, "")) for part in ("prompt", "before", "after")))
        for sample in mappings(samples)
    ]
