"""What `styledial start` proposes: a base that fits this machine, a strength, a length, and costs.

Nothing is downloaded or written: memory is planned from shapes, text is counted from the files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from styledial.build.model import as_its_files
from styledial.config import BUNDLED, Config, resolve
from styledial.data.novels import read_folder
from styledial.data.texts import style_folder
from styledial.errors import StyleDialError
from styledial.language import say
from styledial.memory.fit import ACCUMULATION, BATCH, CHECKPOINTING, allows_4bit, fits, nearest
from styledial.memory.gpus import Card
from styledial.memory.plan import UTILISATION, Plan, plan
from styledial.models.configuration import model_config
from styledial.models.prequantised import settings_in, unmeasured
from styledial.models.registry import known
from styledial.run.cpu_time import cpu_seconds
from styledial.run.start_block import described
from styledial.strength import name_of
from styledial.units import about, count, disk_size, epochs, memory_size

# The guide's bases, largest first: (preset, base).
_BASES = (
    ("large", "Qwen/Qwen2.5-14B"),
    ("standard", "Qwen/Qwen2.5-7B"),
    ("standard_4bit", "Qwen/Qwen2.5-7B"),
    ("standard", "Qwen/Qwen2.5-1.5B"),
)
# What the bundled base is trained with, as in configs/demo.yaml.
_TOY = ("max_length=128", "learning_rate=0.002", "per_device_train_batch_size=8",
        "gradient_accumulation_steps=1", "gradient_checkpointing=false")  # fmt: skip
# Changes that leave what is learnt as it is.
_HARMLESS = {BATCH, ACCUMULATION, CHECKPOINTING}
# Below this the controller doesn't settle; a short text is read more often, up to a limit.
_FEWEST_UPDATES, _MOST_EPOCHS = 60, 10
# Characters to a token, for bases of the size that one downloads; the bundled one has 1.
_CHINESE, _OTHER = 1.5, 4.4
_CHINESE_SHARE = 0.2


@dataclass(frozen=True)
class Novels:
    """What a folder holds. `bundled`: it is the sample, as there was no folder."""

    folder: str
    books: int
    characters: int
    chinese: bool

    @property
    def bundled(self) -> bool:
        """Whether these are the sample novels."""
        return self.folder == BUNDLED

    def tokens(self, base: str) -> int:
        """About how many tokens they are for this base."""
        if base == BUNDLED:
            return self.characters
        return int(self.characters / (_CHINESE if self.chinese else _OTHER))


@dataclass(frozen=True)
class Proposal:
    """A configuration and what it costs. `planned` is None where memory can't be known before
    training, `seconds` where the speed isn't known."""

    config: Config
    preset: str | None
    novels: Novels
    card: Card | None
    planned: Plan | None
    updates: int
    seconds: float | None

    @property
    def base(self) -> str:
        """The base, as it is named in the configuration."""
        return self.config.model.model_name_or_path


def count_novels(folder: str) -> Novels:
    """Read and clean the novels as a run does. Raises DataError where there is no text."""
    passages, dialogues = read_folder(style_folder(folder), 0.05, tell=lambda line: None)
    texts = [p.text for p in passages]
    texts += [message["content"] for d in dialogues for message in d.messages]
    sample = "".join(text[:2000] for text in texts[:50])
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in sample)
    return Novels(
        folder,
        len({p.book for p in passages} | {d.book for d in dialogues}),
        sum(map(len, texts)),
        chinese > _CHINESE_SHARE * max(len(sample), 1),
    )


def propose(
    novels: Novels, card: Card | None, *, base: str | None, given: Mapping[str, str]
) -> Proposal:
    """The largest base that fits `card`, or `base`; the bundled one without a GPU.

    `given`: settings that the user named, "section.key" -> as typed. Costs 5 to 15 s of one core
    for each base that is tried. Raises ConfigError for a setting that isn't allowed.
    """
    for preset, name in _candidates(card, base):
        more = [f"model_name_or_path={name}", f"data_dir={novels.folder}"]
        toy = _TOY if name == BUNDLED else ()
        config = resolve(None, preset, dict(given), [*more, *toy])
        fitted = _fitted(config, card)
        if fitted is not None:
            break
    config, planned = fitted or (config, None)  # of the smallest, if not even that one fits
    config, updates = _long_enough(
        config, novels, epochs_given="training.num_train_epochs" in given
    )
    seconds = _time(config, planned, card, updates)
    return Proposal(config, preset, novels, card, planned, updates, seconds)


def _candidates(card: Card | None, base: str | None) -> Iterator[tuple[str | None, str]]:
    if base is not None or card is None:
        name = base or BUNDLED
        yield None if name == BUNDLED else "standard", name
        return
    four_bit = allows_4bit(resolve(None, "standard"))
    for preset, name in _BASES:
        if preset != "standard_4bit" or four_bit:
            yield preset, name


def _fitted(config: Config, card: Card | None) -> tuple[Config, Plan | None] | None:
    """`config` as it fits the card, with its plan; None where it doesn't without changing what is
    learnt."""
    name = config.model.model_name_or_path
    model = known(name)
    if name != BUNDLED and model is None and not Path(name).expanduser().is_dir():
        return config, None  # its shape is on a hub
    if card and model and not config.model.load_in_4bit and 2 * model.parameters > card.memory:
        return None
    config = as_its_files(config)
    if unmeasured(settings_in(model_config(name))):
        return config, None
    try:
        planned = plan(config, card=card, device="cuda" if card else "cpu")
        if card is None or fits(planned, card):
            return config, planned
        other = nearest(config, planned, card)
    except StyleDialError:
        raise
    except Exception:  # a model that can't be run on fakes may still train
        return config, None
    if other is None or not other.changes.keys() <= _HARMLESS:
        return None
    return other.config, other.plan


def _long_enough(config: Config, novels: Novels, *, epochs_given: bool) -> tuple[Config, int]:
    """With epochs enough for the controller to settle, and how many updates that is."""
    training = config.training
    rows = training.micro_batch * training.gradient_accumulation_steps
    tokens = novels.tokens(config.model.model_name_or_path) * (1 - config.data.validation_split)
    an_epoch = max(tokens / (rows * config.data.max_length), 1)
    epochs = training.num_train_epochs
    if not epochs_given and epochs * an_epoch < _FEWEST_UPDATES:
        epochs = float(min(math.ceil(_FEWEST_UPDATES / an_epoch), _MOST_EPOCHS))
        config = config.with_values({"training.num_train_epochs": epochs}, "styledial start")
    return config, max(1, round(epochs * an_epoch))


def _time(config: Config, planned: Plan | None, card: Card | None, updates: int) -> float | None:
    if card is None:
        parameters, _ = described(config.model.model_name_or_path)
        return cpu_seconds(config, parameters, updates) if parameters else None
    each = planned.seconds_per_update(card) if planned else None
    return each * updates if each else None


def proposal_lines(proposal: Proposal) -> Iterator[str]:
    """What is proposed and what it costs, for people."""
    novels, config = proposal.novels, proposal.config
    yield _machine(proposal.card)
    kind = say("Chinese", "中文") if novels.chinese else say("not Chinese", "非中文")
    where = say("the bundled sample", "自带样例") if novels.bundled else novels.folder
    yield say(
        f"Novels: {where}: {count(novels.books, 'book', 'books', '部')}, "
        f"{novels.characters:,} characters, {kind}.",
        f"小说：{where}，{novels.books} 部，{novels.characters:,} 字，{kind}。",
    )
    yield from _base_lines(proposal)
    beta = config.training.kl_beta
    yield say(
        f"Strength: {name_of(beta)}, kl_beta {beta:g}.",
        f"强度：{name_of(beta)}，kl_beta {beta:g}。",
    )
    passes = epochs(config.training.num_train_epochs)
    updates = count(proposal.updates, "update", "updates", "步")
    yield say(f"Length: {passes[0]}, about {updates}.", f"长度：{passes[1]}，约 {updates}。")
    yield from _costs(proposal)


def _machine(card: Card | None) -> str:
    if card is None:
        return say(
            "GPU: none. Without one only small models train in reasonable time.",
            "显卡：无。没有 GPU 时，只有小模型能在合理时间内训练。",
        )
    return say(
        f"GPU: {card.name}, {memory_size(card.memory)} free.",
        f"显卡：{card.name}，可用 {memory_size(card.memory)}。",
    )


def _base_lines(proposal: Proposal) -> Iterator[str]:
    name, model = proposal.base, known(proposal.base)
    if name == BUNDLED:
        yield say(
            "Base: bundled, a toy model that shows how everything works; its writing is not good. "
            "For real results use a GPU, or name a model with --model-name.",
            "基座：bundled，用来演示全过程的玩具模型，写不出好文章。要真正的效果，"
            "请使用 GPU，或用 --model-name 指定模型。",
        )
        if not proposal.novels.chinese:
            yield say(
                "Note: the bundled model knows Chinese only; these novels are in another language.",
                "注意：自带模型只懂中文，而这些小说是其他语言。",
            )
        return
    loaded = say(" in 4 bits", "，4 位") if proposal.config.model.load_in_4bit else ""
    yield say(f"Base: {name}{loaded}.", f"基座：{name}{loaded}。")
    if model is not None:
        size = disk_size(2 * model.parameters)
        yield say(
            f"  about {size} to download if it isn't here yet; licence: {model.licence}.",
            f"  若尚未下载，约需下载 {size}；许可：{model.licence}。",
        )


def _costs(proposal: Proposal) -> Iterator[str]:
    planned, card = proposal.planned, proposal.card
    if planned is None:
        yield say(
            "Memory and time: not known before training for this base.",
            "显存与时间：此基座在训练之前无法得知。",
        )
        return
    total = memory_size(planned.total)
    if card is None:
        yield say(
            f"Memory: about {total} for model and training, besides the program itself.",
            f"内存：模型与训练约占 {total}，不含程序本身。",
        )
    else:
        yield say(f"GPU memory: about {total}.", f"显存：约 {total}。")
    if proposal.seconds is None:
        yield say(
            "Time: not known before the first updates.",
            "时间：训练开始后的前几次更新会显示。",
        )
    elif card is None:
        yield say(
            f"Time: all updates take about {about(proposal.seconds)} on this CPU (estimated).",
            f"时间：全部更新在这个 CPU 上约需 {about(proposal.seconds)}（估计）。",
        )
    else:
        yield say(
            f"Time: about {about(proposal.seconds)}, if the GPU reaches {UTILISATION:.0%} of its "
            "speed (assumed).",
            f"时间：约 {about(proposal.seconds)}（假设达到标称速度的 {UTILISATION:.0%}）。",
        )


def as_options(proposal: Proposal, output: str) -> dict[str, Any]:
    """The proposal as options of `styledial start`."""
    training = proposal.config.training
    return {
        "--data-dir": proposal.novels.folder,
        "--model-name": proposal.base,
        "--strength": f"{training.kl_beta:g}",
        "--epochs": f"{training.num_train_epochs:g}",
        "--output": output,
    }
