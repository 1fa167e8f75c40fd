"""How the run went, update by update: the curves of metrics.jsonl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from styledial.config import KLMode
from styledial.language import say
from styledial.report.charts import curve
from styledial.report.drawing import Points
from styledial.report.parts import Figure, Section
from styledial.run_folder.metrics import is_number
from styledial.run_folder.reader import Run

_GIB = 2**30


@dataclass(frozen=True)
class _Plot:
    """A metric of metrics.jsonl as a figure; `how` goes to charts.curve."""

    key: str
    title: str
    note: str = ""
    unit: float = 1.0
    how: Mapping[str, Any] = field(default_factory=dict)


def section(run: Run) -> Section:
    """What the run was for: loss on the novels, and the distance from the base."""
    name, title = "training", say("Training", "训练过程")
    if not run.metrics:
        missing = say(
            "metrics.jsonl is missing or empty, so there are no curves.",
            "缺少 metrics.jsonl 或其中没有记录，无法画出曲线。",
        )
        return Section(name, title, [missing])
    steps = run.metrics[-1]["step"]
    lines = [
        say(
            f"{steps:,} updates. Thin lines are single updates, thick lines their running mean, "
            "dots the same on text that it was not trained on.",
            f"共 {steps:,} 步。细线是每一步的值，粗线是滑动平均，圆点是未参与训练的文本上的值。",
        )
    ]
    plots = [_loss(), _distance(run)]
    return Section(name, title, lines, [_figure(run, plot) for plot in plots])


def details(run: Run) -> Section:
    """Learning rate, throughput and memory over the run, and lambda where there is KL to weigh."""
    plots = [_weight()] * _mode(run).reads_kl + _machinery()
    figures = [_figure(run, plot) for plot in plots] if run.metrics else []
    return Section("details", say("Training in detail", "训练细节"), figures=figures)


def values(metrics: list[dict[str, Any]], key: str, unit: float = 1.0) -> Points:
    """(step, value / unit) of the records that have `key`."""
    return [(r["step"], r[key] / unit) for r in metrics if is_number(r.get(key))]


def _figure(run: Run, plot: _Plot) -> Figure:
    points = values(run.metrics, plot.key, plot.unit)
    heldout: Points = []
    if "train/" in plot.key:
        heldout = values(run.metrics, plot.key.replace("train/", "val/"))
    legend: Sequence[str] = [say("training text", "训练文本"), say("held-out text", "留出文本")]
    svg = curve(points, label=plot.title, x_title=say("update", "步"), dots=heldout, **plot.how)
    return Figure(plot.title, svg, plot.note, legend if heldout else ())


def _loss() -> _Plot:
    return _Plot(
        "train/nll",
        say("Loss on the novels (nats per token)", "小说的损失（nats/token）"),
        say("Lower: it predicts the books better.", "越低，对原著的预测越准。"),
        how={"smooth": True, "number_format": ".2~f"},
    )


def _distance(run: Run) -> _Plot:
    """KL; `anchor` and plain fine-tuning don't read it on their training rows, and write 0."""
    target = _target(run)
    note = say("Higher: a stronger style.", "越高，风格越强。")
    if target is not None:
        note += say(f" Dashed: the target, {target:g}.", f"虚线为目标 {target:g}。")
    return _Plot(
        "train/kl" if _mode(run).reads_kl else "val/kl",
        say("Distance from the base (KL, nats per token)", "与基座的距离（KL，nats/token）"),
        note if _mode(run).reads_kl else note + _read_apart(target is not None),
        how={"smooth": True, "rule": target, "y_zero": True},
    )


def _read_apart(scaled: bool) -> str:
    """Of KL that isn't read on the rows that are learnt; `scaled`: to a target at the end."""
    if scaled:
        return say(
            " On held-out text, before the adapter was scaled to the target.",
            "在留出文本上测量，缩放到目标之前。",
        )
    return say(" On held-out text.", "在留出文本上测量。")


def _weight() -> _Plot:
    return _Plot(
        "train/lambda",
        say("Weight of KL (lambda)", "KL 的权重（lambda）"),
        say("Logarithmic. It rises where KL is above its aim.", "对数刻度。KL 高于目标时上升。"),
        how={"log": True},
    )


def _machinery() -> list[_Plot]:
    per_second = {"smooth": True, "y_zero": True, "number_format": "~s"}
    return [
        _Plot(
            "train/learning_rate",
            say("Learning rate", "学习率"),
            how={"y_zero": True, "number_format": "~e"},
        ),
        _Plot(
            "train/tokens_per_second",
            say("Throughput (tokens per second)", "吞吐量（token/秒）"),
            say("Style tokens only.", "只计风格文本。"),
            how=per_second,
        ),
        _Plot(
            "train/peak_memory_bytes",
            say("Memory (GiB)", "内存（GiB）"),
            say(
                "The most held so far (GPU memory, or the process on a CPU).",
                "到此为止的最大占用（GPU 显存；CPU 上为进程内存）。",
            ),
            unit=_GIB,
            how={"y_zero": True},
        ),
    ]


def _target(run: Run) -> float | None:
    beta = (run.summary or {}).get("kl_beta", _as_float(run.setting("training.kl_beta")))
    return _mode(run).target(float(beta)) if is_number(beta) else None


def _mode(run: Run) -> KLMode:
    written = run.setting("training.kl_mode")
    return KLMode.of_summary({**({"kl_mode": written} if written else {}), **(run.summary or {})})


def _as_float(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
