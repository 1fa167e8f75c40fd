"""How the run went, update by update: metrics.jsonl as six curves."""

from __future__ import annotations

from typing import Any

from styledial.config import OFF
from styledial.language import say
from styledial.report.charts import curve
from styledial.report.drawing import Points
from styledial.report.parts import Figure, Section
from styledial.run_folder.reader import Run, is_number

_GIB = 2**30


def section(run: Run) -> Section:
    name, title = "training", say("Training", "训练过程")
    if not run.metrics:
        return Section(
            name,
            title,
            [
                say(
                    "metrics.jsonl is missing or empty, so there are no curves.",
                    "缺少 metrics.jsonl 或其中没有记录，无法画出曲线。",
                )
            ],
        )
    last = run.metrics[-1]
    lines = [
        say(
            f"{last['step']:,} updates. Thick lines are running means over a twentieth of the run; "
            "thin ones are single updates.",
            f"共 {last['step']:,} 步。粗线是二十分之一长度上的滑动平均，细线是每一步的值。",
        )
    ]
    return Section(name, title, lines, _figures(run))


def _figures(run: Run) -> list[Figure]:
    step = say("update", "步")
    budget = _budget(run)
    named = (
        ""
        if budget is None
        else say(f" Dashed: the budget, {budget:g}.", f"虚线为预算 {budget:g}。")
    )

    def drawn(key: str, title: str, note: str, **how: Any) -> Figure:
        points = values(run.metrics, key, how.pop("unit", 1.0))
        heldout = values(run.metrics, key.replace("train/", "val/")) if "train/" in key else []
        if heldout:
            how["dots"] = heldout
        legend = [say("training rows", "训练行"), say("held-out text", "留出文本")]
        svg = curve(points, label=title, x_title=step, **how)
        return Figure(title, svg, note, legend if heldout else ())

    # Plain fine-tuning doesn't read KL on its training rows: it writes 0 there.
    plain = _mode(run) == OFF
    return [
        drawn(
            "train/nll",
            say("NLL of the novels", "小说 NLL"),
            say("Nats per token.", "nats/token。"),
            smooth=True,
            number_format=".2~f",
        ),
        drawn(
            "val/kl" if plain else "train/kl",
            say("KL to the base", "与基座的 KL"),
            say("Nats per token, on held-out text.", "nats/token，留出文本。")
            if plain
            else say(
                "Nats per token. Held-out text counts in the end.",
                "nats/token。最终以留出文本为准。",
            )
            + named,
            smooth=True,
            rule=budget,
            y_zero=True,
        ),
        drawn(
            "train/lambda",
            say("Weight of KL (lambda)", "KL 的权重（lambda）"),
            say(
                "Logarithmic. It rises where KL is above its aim.", "对数刻度。KL 高于目标时上升。"
            ),
            log=True,
        ),
        drawn(
            "train/learning_rate",
            say("Learning rate", "学习率"),
            "",
            y_zero=True,
            number_format="~e",
        ),
        drawn(
            "train/tokens_per_second",
            say("Throughput", "吞吐量"),
            say("Style tokens per second.", "每秒风格 token 数。"),
            smooth=True,
            y_zero=True,
            number_format="~s",
        ),
        drawn(
            "train/peak_memory_bytes",
            say("Memory", "内存"),
            say(
                "GiB, the most held so far (GPU memory, or the process on a CPU).",
                "GiB，到此为止的最大占用（GPU 显存；CPU 上为进程内存）。",
            ),
            unit=_GIB,
            y_zero=True,
        ),
    ]


def values(metrics: list[dict[str, Any]], key: str, unit: float = 1.0) -> Points:
    """(step, value / unit) of the records that have `key`."""
    return [(r["step"], r[key] / unit) for r in metrics if is_number(r.get(key))]


def _budget(run: Run) -> float | None:
    summary = run.summary or {}
    beta = summary.get("kl_beta", _as_float(run.setting("training.kl_beta")))
    if _mode(run) != "budget" or not is_number(beta):
        return None
    return float(beta)


def _mode(run: Run) -> Any:
    return (run.summary or {}).get("kl_mode", run.setting("training.kl_mode"))


def _as_float(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
