"""From the user's folders to packed rows: what is read, tokenised and packed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from styledial.build.readings import MOST
from styledial.build.rows import shares_rows
from styledial.config import BUNDLED, OFF, Config
from styledial.data.name_mask import NameMask
from styledial.data.names import find_names
from styledial.data.novels import read_folder
from styledial.data.overrides import Overrides
from styledial.data.pack import PackedRows, pack
from styledial.data.passage import Dialogue, Passage
from styledial.data.prompts import sample_prompts
from styledial.data.texts import general_passages, style_folder
from styledial.errors import DataError
from styledial.language import say
from styledial.progress import stage
from styledial.training.measure import halves
from styledial.training.row_order import RowOrder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Material:
    """What the user's folder holds: running text, and dialogues where there are any."""

    passages: list[Passage]
    dialogues: list[Dialogue]

    def opening(self) -> str:
        """A piece of the text, to recognise its language."""
        if self.passages:
            return self.passages[0].text[:5000]
        return self.dialogues[0].messages[-1]["content"]


@dataclass(frozen=True)
class Texts:
    """Everything that is read: packed rows of the novels and of the general text, and how
    many books and chapters the novels are, and how many dialogues there are."""

    style: PackedRows
    heldout: PackedRows
    general: PackedRows
    prompts: tuple[str, ...]
    books: int = 0
    chapters: int = 0
    dialogues: int = 0
    shared_rows: bool = True  # whether a row may hold several texts
    read: int = MOST.heldout  # held-out tokens that KL and style NLL are read on, at most

    def halves(self) -> tuple[list[int], list[int]]:
        """Held-out rows for setting the scale, and others for reporting what came of it."""
        return halves(self.heldout, self.read)

    def read_as(self, heldout: int, general: int, prompts: int = MOST.prompts) -> Texts:
        """The same, of which so many tokens are read and so many prompts written on from."""
        general_rows, asked = self.general.at_most(general), self.prompts[:prompts]
        return replace(self, read=heldout, general=general_rows, prompts=asked)


def read_material(config: Config, cache: Path, tell: Callable[[str], None]) -> Material:
    """The user's folder, cleaned and split; raises DataError. `tell` gets a sentence
    for each file left out."""
    return Material(
        *read_folder(
            style_folder(config.data.data_dir),
            config.data.validation_split,
            cache=cache,
            to_simplified=config.data.to_simplified,
            dedup=config.data.dedup,
            overrides=Overrides(
                tuple(config.data.keep), tuple(config.data.drop), tuple(config.data.encoding)
            ),
            tell=tell,
        )
    )


def prepare_texts(config: Config, material: Material, tokenizer: PreTrainedTokenizerBase) -> Texts:
    """Tokenise and pack. Raises DataError where there is too little text to train and measure."""
    length, together = config.data.max_length, shares_rows(config)
    general_text = general_passages(config.data.general, "data.general")
    unlearnt = _unlearnt(config, material, general_text, tokenizer)
    style, heldout = (
        pack(
            [p for p in material.passages if p.split == split],
            tokenizer,
            length,
            [d for d in material.dialogues if d.split == split],
            share_rows=together,
            unlearnt=unlearnt,
        )
        for split in ("train", "heldout")
    )
    for rows, en, zh in ((style, "training", "训练"), (heldout, "held-out", "留出")):
        if len(rows) == 0:
            raise DataError(
                f"data.data_dir: {config.data.data_dir} has too little text ({en} part is empty); "
                "add text, a few hundred characters at the very least.",
                f"data.data_dir：{config.data.data_dir} 的文本太少（{zh}部分为空）；"
                "请增加文本，至少几百字。",
            )
    general = pack(general_text, tokenizer, length, share_rows=together)
    if len(general) == 0:
        raise no_general_text("data.general", config.data.general)
    heldout, general = heldout.at_most(MOST.heldout), general.at_most(MOST.general)
    return Texts(
        style,
        heldout,
        general,
        sample_prompts(material.opening()),
        books=len({p.book for p in material.passages}),
        chapters=len({(p.book, p.chapter) for p in material.passages}),
        dialogues=len(material.dialogues),
        shared_rows=together,
    )


def _unlearnt(
    config: Config, material: Material, general: list[Passage], tokenizer: PreTrainedTokenizerBase
) -> Callable[[list[int]], list[int]] | None:
    """What masks the books' names; None where they are learnt. The sample texts of the package
    are general text beside the user's own."""
    if config.data.mask_names == OFF:
        return None
    books: dict[str, list[str]] = {}
    for passage in material.passages:
        books.setdefault(passage.book, []).append(passage.text)
    samples = [p for which in ("general", "modern") for p in general_passages(BUNDLED, "", which)]
    with stage(say("looking for names", "识别人名地名")):
        names = find_names(
            ["\n".join(parts) for parts in books.values()],
            "\n".join(passage.text for passage in [*general, *samples]),
        )
    return NameMask(tokenizer, names)


def style_order(config: Config, rows: PackedRows, processes: int) -> RowOrder:
    """The order in which updates take the style rows, the same for every run of these settings."""
    training = config.training
    return RowOrder(
        len(rows),
        training.micro_batch,
        training.gradient_accumulation_steps,
        processes,
        training.seed,
        None if training.max_steps > 0 else training.num_train_epochs,
    )


def no_general_text(setting: str, source: str) -> DataError:
    """The error for a general text without any text in it; `setting` names `source`."""
    return DataError(
        f"{setting}: {source} has no text; name another, or `bundled`.",
        f"{setting}：{source} 中没有文字；请换一个，或写 bundled。",
    )
