"""Rules about the text: too little of it, learnt too well, or learnt by heart."""

from __future__ import annotations

from collections.abc import Iterator

from styledial.doctor.finding import Words, rule
from styledial.doctor.length import shorter
from styledial.doctor.record import Record

# NLL varies by about 2.5 nats from token to token: over 1,000 tokens its mean is known to 0.08,
# and gains are 0.1 to 0.5. KL and the budget are read on the same text.
_HELDOUT_TOKENS = 1_000
# A weight can hold about 2 bits (Allen-Zhu and Li, arXiv 2404.05405), a token of text has about
# 4: at this ratio the adapter could hold the text some fifty times over.
_TOKENS_PER_WEIGHT = 0.01
# Held-out gain may fall this much below its best before it is called a fall: nats, and part.
_FALL, _PART = 0.02, 0.1
# Learnt by heart: of the base's NLL, half the part left on training text as on unseen text.
_HALF = 0.5
# Of 32-token openings of the training text, continued word for word.
_RECITED = 0.01


@rule("advice", "tokens", "summary")
def too_little_data(run: Record) -> Iterator[tuple[Words, Words]]:
    """Less text than can be measured on, or far less than the adapter could store."""
    train, heldout = run.tokens.get("train", 0), run.tokens.get("heldout", 0)
    weights = run.summary.get("trainable_parameters", 0)
    crowded = run.config.model.use_peft and train < _TOKENS_PER_WEIGHT * weights
    if heldout >= _HELDOUT_TOKENS and not crowded:
        return
    smaller = _smaller_rank(run, train, weights) if crowded else ("", "")
    yield (
        (
            f"{train:,} tokens to learn from, {train / max(weights, 1):.2g} for each of "
            f"{weights:,} trained weights; {heldout:,} held out (below {_HELDOUT_TOKENS:,} KL "
            "and style are known only roughly)." + _gap(run)[0],
            f"训练 {train:,} token，每个可训练参数（共 {weights:,}）只有 "
            f"{train / max(weights, 1):.2g} 个；留出 {heldout:,} token"
            f"（少于 {_HELDOUT_TOKENS:,} 时 KL 与风格只能粗略得知）。" + _gap(run)[1],
        ),
        (
            "Add text: a whole novel is 100,000 tokens or more. `styledial prepare` shows what was "
            "left out of your folder and why." + smaller[0],
            "增加文本：一部小说通常有十万 token 以上。`styledial prepare` 会列出文件夹中"
            "未采用的部分及原因。" + smaller[1],
        ),
    )


def _smaller_rank(run: Record, train: int, weights: int) -> Words:
    """The largest power of two at which the text is no longer too little; nothing below 1."""
    now = run.config.model.lora_r
    enough = int(now * train / (_TOKENS_PER_WEIGHT * weights))
    if not enough:
        return "", ""
    rank = 1 << (enough.bit_length() - 1)
    return (
        f" Meanwhile a smaller lora_r ({now} -> {rank}).",
        f"在此之前可减小 lora_r（{now} -> {rank}）。",
    )


def _gap(run: Record) -> Words:
    if "train_nll" not in run.summary:
        return "", ""
    gain = run.summary["train_nll_base"] - run.summary["train_nll"]
    return (
        f" Gained on it {gain:.3f} nats per token, on held-out text {run.gain:.3f}.",
        f"训练文本改善 {gain:.3f} nats/token，留出文本改善 {run.gain:.3f}。",
    )


@rule("warning", "readings")
def overfitting(run: Record) -> Iterator[tuple[Words, Words]]:
    """Held-out text got worse again although the model did not come nearer to its base."""
    best = _best(run)
    fall = run.gains[best] - run.gains[-1]
    nearer = run.readings[-1]["val/kl"] < 0.9 * run.readings[best]["val/kl"]
    if nearer or fall < max(_FALL, _PART * run.gains[best]):
        return
    epoch = run.readings[best]["epoch"]
    less, zh = shorter(run, epoch)
    yield (
        (
            f"Held-out NLL was best at epoch {epoch:.1f} (update {run.readings[best]['step']}) and "
            f"has risen by {fall:.3f} nats per token since.",
            f"留出文本的 NLL 在第 {epoch:.1f} 轮（第 {run.readings[best]['step']} 步）最好，"
            f"之后上升了 {fall:.3f} nats/token。",
        ),
        (
            f"Train less ({less}), add text, or use a KL budget of 0.1 (kl_mode: budget).",
            f"缩短训练（{zh}）、增加文本，或用 0.1 的 KL 预算（kl_mode: budget）。",
        ),
    )


@rule("warning", "summary")
def memorising(run: Record) -> Iterator[tuple[Words, Words]]:
    """The novels themselves come back, not their style."""
    recited = run.metric("extraction_rate_32")
    by_heart = recited is not None and recited.value - recited.base > _RECITED
    learnt, unseen = _left(run, "train_nll"), _left(run, "style_nll")
    if not by_heart and (learnt is None or unseen is None or learnt > _HALF * unseen):
        return
    seen = [("", "")]
    if by_heart and recited:
        seen.append(
            (
                f" {recited.value:.1%} of openings of 32 tokens were continued word for word.",
                f"32 token 的开头有 {recited.value:.1%} 被逐字续出。",
            )
        )
    if learnt is not None and unseen is not None:
        seen.append(
            (
                f" NLL is {learnt:.0%} of the base's on the training text, {unseen:.0%} on unseen "
                "text of the same books.",
                f"训练文本的 NLL 是基座的 {learnt:.0%}，同样书籍的未见文本是 {unseen:.0%}。",
            )
        )
    best = run.readings[_best(run)]["epoch"] if run.readings else run.epochs
    fewer, zh = shorter(run, min(best, run.epochs / 2))
    held = run.budget is not None
    yield (
        ("".join(each[0] for each in seen).strip(), "".join(each[1] for each in seen)),
        (
            f"Train less ({fewer}) and "
            + ("a lower kl_beta" if held else "a budget (kl_mode: budget)")
            + "; don't publish this "
            "adapter's output as new text if the novels are under copyright.",
            f"缩短训练（{zh}），并"
            + ("减小 kl_beta" if held else "使用预算（kl_mode: budget）")
            + "；若小说有版权，"
            "不要把它的输出当作新作发布。",
        ),
    )


def _left(run: Record, name: str) -> float | None:
    """Of the base's NLL on a text, the part that is left: texts differ in how hard they are."""
    before = run.summary.get(f"{name}_base")
    return run.summary[name] / before if before and name in run.summary else None


def _best(run: Record) -> int:
    """The reading at which held-out text was predicted best."""
    return max(range(len(run.gains)), key=lambda i: run.gains[i])
