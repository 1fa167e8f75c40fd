"""Rules about what a run's time and memory go on.

More accumulation alone makes nothing faster: an update then takes as much longer as there are
fewer updates. Every advice here says what does.
"""

from __future__ import annotations

from collections.abc import Iterator

from styledial.config.allowed import as_yaml
from styledial.doctor.finding import Found, rule
from styledial.doctor.record import Record
from styledial.run_folder.metrics import seconds_of
from styledial.units import epochs

# Below a twentieth of the time there is nothing to be won.
_WORTH = 0.05
# A pass of the base that is repeated: rows come round again from here on.
_EPOCHS = 1.5
# Tokens of a micro-batch. A GPU multiplies about 150 to 300 numbers for each that it fetches, so
# weights that are fetched for fewer tokens than that leave it waiting; a few times as many hide
# the launches too.
_SMALL = 1_024
# Of the memory: what was used may double and still fit.
_HALF = 0.5
# Of the time: checkpoints are there for the case that something happens.
_CHECKPOINTS = 0.15


@rule("advice", "time", "updates")
def slow_reference(run: Record) -> Iterator[Found]:
    """The base's pass is made again in every epoch although its result never changes."""
    later = seconds_of([line for line in run.lines if line["epoch"] > 1])
    share = later.get("reference", 0.0) / max(sum(later.values()), 1e-9)
    off = run.config.training.reference_cache == "off"
    uncached = off or run.summary.get("reference_rows_saved") == 0
    if run.epochs < _EPOCHS or not uncached or share < _WORTH:
        return
    spared, passes = share * (1 - 1 / run.epochs), epochs(run.epochs)
    yield Found(
        (
            f"The base's forward pass took {share:.0%} of the time after the first epoch, with "
            f"nothing new to find ({passes[0]}); "
            + ("reference_cache is off." if off else "there was no room for its cache."),
            f"第一轮之后仍在重算基座前向，结果不变，却占时间的 {share:.0%}"
            f"（共 {passes[1]}）；" + ("reference_cache 为 off。" if off else "磁盘放不下缓存。"),
        ),
        (
            "Set reference_cache: "
            + ("auto" if off else "a folder on a larger disk")
            + f" (saves about {spared:.0%} of the time; the result is the same to the bit).",
            "设 reference_cache: "
            + ("auto" if off else "更大磁盘上的文件夹")
            + f"（约省 {spared:.0%} 的时间，结果逐位相同）。",
        ),
        {"training.reference_cache": "auto"} if off else {},
    )


@rule("advice", "memory", "updates")
def slow_small_micro_batch(run: Record) -> Iterator[Found]:
    """Many small micro-batches an update, with memory for larger ones."""
    training = run.config.training
    batch, accumulation = training.micro_batch, training.gradient_accumulation_steps
    length = run.config.data.max_length
    if accumulation == 1 or batch * length >= _SMALL or _used(run) > _HALF:
        return
    times = 1
    while accumulation % (2 * times) == 0 and batch * times * length < _SMALL:
        times *= 2
    if times == 1:
        times = accumulation
    yield Found(
        (
            f"Each update is {accumulation} micro-batches of {batch} x {length} tokens, fewer "
            f"than {_SMALL:,} at once; {_used(run):.0%} of the memory was used.",
            f"每次更新分为 {accumulation} 个 {batch} x {length} token 的小批，"
            f"一次不足 {_SMALL:,} 个；显存只用了 {_used(run):.0%}。",
        ),
        (
            f"per_device_train_batch_size {batch} -> {batch * times} with "
            f"gradient_accumulation_steps {accumulation} -> {accumulation // times}: the same "
            "updates, faster. More accumulation alone would not be faster.",
            f"per_device_train_batch_size {batch} -> {batch * times}，同时 "
            f"gradient_accumulation_steps {accumulation} -> {accumulation // times}："
            "更新不变，速度更快。只增加累积并不会变快。",
        ),
        {
            "training.per_device_train_batch_size": batch * times,
            "training.gradient_accumulation_steps": accumulation // times,
        },
    )


@rule("advice", "time")
def slow_checkpoints(run: Record) -> Iterator[Found]:
    """Checkpoints so often that they are a good part of the run."""
    share = run.share("checkpoint")
    every = run.config.training.save_steps
    if share < _CHECKPOINTS or every >= run.steps:
        return  # that of the last update is always written
    wanted = max(int(every * share / 0.02), every + 1)
    yield Found(
        (
            f"Checkpoints took {share:.0%} of the time (save_steps {every}).",
            f"保存检查点占时间的 {share:.0%}（save_steps 为 {every}）。",
        ),
        (
            f"Save less often: save_steps {every} -> {wanted}. That of the last update is "
            "always written.",
            f"减少保存次数：save_steps {every} -> {wanted}。最后一步的总会保存。",
        ),
        {"training.save_steps": wanted},
    )


@rule("info", "memory")
def memory_headroom(run: Record) -> Iterator[Found]:
    """Activations are recomputed although there is memory to spare."""
    used = _used(run)
    setting = as_yaml(run.config.training.gradient_checkpointing)
    if not run.config.training.recomputed or used > _HALF:
        return
    total = run.summary["memory_bytes"] / 2**30
    yield Found(
        (
            f"At most {used:.0%} of {total:.0f} GiB were used, and gradient_checkpointing is "
            f"{setting}.",
            f"{total:.0f} GiB 中最多用了 {used:.0%}，而 gradient_checkpointing 为 {setting}。",
        ),
        (
            "gradient_checkpointing: false is faster (the forward pass is then made once); if "
            "memory runs out, put it back. Or use the room for a larger max_length.",
            "gradient_checkpointing: false 更快（前向只算一次）；若显存不足再改回。"
            "也可把空间用于更大的 max_length。",
        ),
        {"training.gradient_checkpointing": False},
    )


def _used(run: Record) -> float:
    """The most memory held, as part of what there is; 1 where that isn't known."""
    total = run.summary.get("memory_bytes") or 0
    return run.summary.get("peak_memory_bytes", total) / total if total else 1.0
