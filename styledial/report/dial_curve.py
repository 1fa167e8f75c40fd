"""The dial: KL at every scale with the guide's bands, and what each strength buys and costs."""

from __future__ import annotations

from styledial.dial import DialPoint
from styledial.language import say, typed
from styledial.report.charts import bands_curve, two_curves
from styledial.report.numbers import NONE, number, signed
from styledial.report.parts import Figure, Section, Table
from styledial.run_folder.reader import Run
from styledial.strength import name_of, named_bands


def section(run: Run) -> Section:
    """The measured dial, or the command that measures it."""
    name, title = "dial", say("The dial: other strengths", "强度调节")
    if not run.dial:
        command = f"`styledial dial {typed(run.folder)}`"
        return Section(
            name,
            title,
            [
                say(
                    f"Not measured yet. {command} measures every strength that this adapter can be "
                    "turned to, and the report shows them.",
                    f"尚未测量。{command} 会测量该适配器的各个强度，报告随之更新。",
                )
            ],
        )
    points = sorted(run.dial, key=lambda point: point.scale)
    top = max(point.kl for point in points)
    lines = [
        say(
            f"Without training again, this adapter can be turned to any strength up to {top:.3f}.",
            f"不必重新训练，这个适配器就能调到 {top:.3f} 以内的任何强度。",
        )
    ]
    return Section(name, title, lines, _figures(run, points), [_table(run, points)])


def _figures(run: Run, points: list[DialPoint]) -> list[Figure]:
    whole = next((p for p in points if p.scale == 1), None)
    strength = say(
        "Strength at each scale (KL, nats per token)", "各缩放下的强度（KL，nats/token）"
    )
    cost = say(
        "What each strength gains and costs (nats per token)", "各强度的收益与代价（nats/token）"
    )
    figures = [
        Figure(
            strength,
            bands_curve(
                [(p.scale, p.kl) for p in points],
                bands=named_bands(),
                label=strength,
                chosen=(whole.scale, whole.kl) if whole else None,
                chosen_name=say("this adapter", "本适配器"),
                x_title=say("scale of the adapter", "适配器缩放"),
            ),
            say(
                "Measured on held-out text; shaded: light, medium and strong.",
                "在留出文本上测量；阴影为轻微、中等、强烈三档。",
            ),
        )
    ]
    base = run.dial_base
    if base:
        style, general = base
        curves = [
            [(p.kl, style - p.style_nll) for p in points],
            [(p.kl, p.general_nll - general) for p in points],
        ]
        legend = [
            say("gained on the novels", "风格收益"),
            say("lost on general text", "通用文本上的代价"),
        ]
        svg = two_curves(
            curves,
            label=cost,
            x_title=say("strength (KL)", "强度（KL）"),
            marked_x=whole.kl if whole else None,
        )
        note = say(
            "Change of loss against the base; below 0 general text got better. Dashed: this "
            "adapter.",
            "相对基座的损失变化；低于 0 表示通用文本变好。虚线为本适配器。",
        )
        figures.append(Figure(cost, svg, note, legend))
    return figures


def _table(run: Run, points: list[DialPoint]) -> Table:
    general = run.dial_base[1] if run.dial_base else None
    head = [say("scale", "缩放"), "KL", say("loss, novels", "小说损失"),
            say("loss, general", "通用文本损失"), say("change", "变化"),
            say("strength", "强度")]  # fmt: skip
    rows = [
        [
            f"{p.scale:g}",
            number(p.kl, 4),
            number(p.style_nll),
            number(p.general_nll),
            signed(p.general_nll - general) if general is not None else NONE,
            name_of(p.kl),
        ]
        for p in points
    ]
    title = say("Every measured scale", "全部测量值")
    return Table(head, rows, frozenset(range(5)), title, folded=True)
