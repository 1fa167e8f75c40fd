"""Rules about the text: too little of it, learnt too well, or learnt by heart."""

from __future__ import annotations

from collections.abc import Iterator

from styledial.doctor.change import Change, in_words
from styledial.doctor.finding import Found, Words, rule
from styledial.doctor.length import shorter
from styledial.doctor.record import Record
from styledial.doctor.strength import is_scaled, lower_strength, turned_down

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
# Times its target: what is scaled down from further away is not judged by how it reads there.
_FAR_BEYOND = 2.0
# Of 32-token openings of the training text, continued word for word.
_RECITED = 0.01


@rule("advice", "tokens", "summary")
def too_little_data(run: Record) -> Iterator[Found]:
    """Less text than can be measured on, or far less than the adapter could store."""
    train, heldout = run.tokens["train"], run.tokens["heldout"]
    if heldout >= _HELDOUT_TOKENS and not is_crowded(run):
        return
    change = _smaller_rank(run) if is_crowded(run) else {}
    words = in_words(run, change)
    per_weight = _per_weight(run, train)
    few = heldout < _HELDOUT_TOKENS
    yield Found(
        (
            f"{train:,} tokens to learn from{per_weight[0]}; {heldout:,} held out"
            + (f" (below {_HELDOUT_TOKENS:,} KL and style are known only roughly)." if few else ".")
            + _gap(run)[0],
            f"训练 {train:,} token{per_weight[1]}；留出 {heldout:,} token"
            + (f"（少于 {_HELDOUT_TOKENS:,} 时 KL 与风格只能粗略得知）。" if few else "。")
            + _gap(run)[1],
        ),
        (
            "Add text: a whole novel is 100,000 tokens or more. `styledial prepare` shows what was "
            "left out of your folder and why." + (f" Until then: {words}." if change else ""),
            "增加文本：一部小说通常有十万 token 以上。`styledial prepare` 会列出文件夹中"
            "未采用的部分及原因。" + (f"在此之前可用 {words}。" if change else ""),
        ),
        change,
    )


def is_crowded(run: Record) -> bool:
    """Whether the adapter could store the text many times over; False where that isn't known."""
    train = run.tokens.get("train")
    weights = run.summary.get("trainable_parameters", 0)
    return run.config.model.use_peft and train is not None and train < _TOKENS_PER_WEIGHT * weights


def _per_weight(run: Record, train: int) -> Words:
    weights = run.summary.get("trainable_parameters")
    if not weights:
        return "", ""
    return (
        f", {train / weights:.2g} for each of {weights:,} trained weights",
        f"，每个可训练参数（共 {weights:,}）{train / weights:.2g} 个",
    )


def _smaller_rank(run: Record) -> Change:
    """The largest power of two at which the text is no longer too little; {} below 1."""
    train, weights = run.tokens["train"], run.summary["trainable_parameters"]
    enough = int(run.config.model.lora_r * train / (_TOKENS_PER_WEIGHT * weights))
    return {"model.lora_r": 1 << (enough.bit_length() - 1)} if enough else {}


def _gap(run: Record) -> Words:
    if "train_nll" not in run.summary:
        return "", ""
    gain = run.summary["train_nll_base"] - run.summary["train_nll"]
    return (
        f" Gained on it {gain:.3f} nats per token, on held-out text {run.gain:.3f}.",
        f"训练文本改善 {gain:.3f} nats/token，留出文本改善 {run.gain:.3f}。",
    )


@rule("warning", "readings", moves="weaker")
def overfitting(run: Record) -> Iterator[Found]:
    """Held-out text got worse again although the model did not come nearer to its base."""
    best = _best(run)
    fall = run.gains[best] - run.gains[-1]
    last = run.readings[-1]["val/kl"]
    nearer = last < 0.9 * run.readings[best]["val/kl"]
    # What is scaled down at the end may read badly before.
    too_strong = is_scaled(run) and last > _FAR_BEYOND * run.config.training.kl_beta
    if nearer or too_strong or fall < max(_FALL, _PART * run.gains[best]):
        return
    epoch = run.readings[best]["epoch"]
    change = shorter(run, epoch)
    words, budget = in_words(run, change), lower_strength(run)
    or_else = in_words(run, budget) or turned_down(run)
    yield Found(
        (
            f"Held-out NLL was best at epoch {epoch:.1f} (update {run.readings[best]['step']}) and "
            f"has risen by {fall:.3f} nats per token since.",
            f"留出文本的 NLL 在第 {epoch:.1f} 轮（第 {run.readings[best]['step']} 步）最好，"
            f"之后上升了 {fall:.3f} nats/token。",
        ),
        (
            (f"Train less ({words}), add text" if change else "Add text") + f", or use {or_else}.",
            (f"缩短训练（{words}）、增加文本" if change else "增加文本") + f"，或用 {or_else}。",
        ),
        change or budget,
    )


@rule("warning", "summary", moves="weaker")
def memorising(run: Record) -> Iterator[Found]:
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
    fewer, budget = shorter(run, min(best, run.epochs / 2)), lower_strength(run)
    words = in_words(run, {**fewer, **budget})
    yield Found(
        ("".join(each[0] for each in seen).strip(), "".join(each[1] for each in seen)),
        (
            f"Train less and hold it closer to the base: {words or turned_down(run)}. Don't "
            "publish this model's output as new text if the novels are under copyright.",
            f"缩短训练，并让它离基座更近：{words or turned_down(run)}。若小说有版权，"
            "不要把它的输出当作新作发布。",
        ),
        {**fewer, **budget},
    )


def _left(run: Record, name: str) -> float | None:
    """Of the base's NLL on a text, the part that is left: texts differ in how hard they are."""
    before = run.summary.get(f"{name}_base")
    return run.summary[name] / before if before and name in run.summary else None


def _best(run: Record) -> int:
    """The reading at which held-out text was predicted best."""
    return max(range(len(run.gains)), key=lambda i: run.gains[i])
