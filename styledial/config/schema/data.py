"""The settings under `data`."""

from __future__ import annotations

from typing import Literal

from styledial.config.setting import BUNDLED, OFF, SAID, SAME, Section, setting


class DataSettings(Section):
    """The novels, and the general text on which general ability is measured."""

    data_dir: str = setting(
        "data/novels",
        "Folder with your novels (.txt, .md, .epub, .jsonl); `bundled` is a small sample.",
        "存放小说（.txt、.md、.epub、.jsonl）的文件夹；bundled 为自带样例。",
        min_length=1,
        resume=SAME,
    )
    max_length: int = setting(
        512,
        "Tokens per training sequence; shorter needs less memory, longer learns longer structure.",
        "每条训练序列的 token 数；短则省显存，长则学到更长的结构。",
        ge=16,
        le=131072,
        resume=SAME,
    )
    validation_split: float = setting(
        0.05,
        "Part of each book held out, in whole chapters or sections, to measure style and KL on.",
        "每本书留出的比例（整章或成段留出），用来测量风格与 KL。",
        gt=0,
        le=0.5,
        resume=SAME,
    )
    to_simplified: bool = setting(
        False,
        "Turn traditional characters into simplified ones.",
        "把繁体字转为简体字。",
        resume=SAME,
    )
    dedup: bool = setting(
        True,
        "Remove exact and near duplicates; the cleaner copy is kept.",
        "去掉完全或近似重复的内容，保留较干净的一份。",
        resume=SAME,
    )
    keep: list[str] = setting(
        [],
        "Lines that cleaning must not drop, as regular expressions: ['^Chapter 9 of the report'].",
        "清洗时不得去掉的行，用正则表达式书写，如 ['^第九章程']。",
        resume=SAME,
    )
    drop: list[str] = setting(
        [],
        "Lines that cleaning must drop, as regular expressions: ['^Sponsored by'].",
        "清洗时一律去掉的行，用正则表达式书写，如 ['^本书由.*赞助']。",
        resume=SAME,
    )
    encoding: list[str] = setting(
        [],
        "Encodings by file, where the one that was found is wrong: [old.txt=gb18030].",
        "自动判断有误时按文件指定编码，如 [old.txt=gb18030]。",
        resume=SAME,
    )
    mask_names: Literal["on", "off"] = setting(
        OFF,
        "on: names of people and places that are the books' own are read but not learnt, so that "
        "the model writes them into other texts less often; they are found by how they are used.",
        "on：书中特有的人名、地名只读不学，使模型较少把它们写进别的文字；名字按用法自动识别。",
        resume=SAME,
    )
    general: str = setting(
        BUNDLED,
        "General text on which general ability is measured: a file, a folder, or `bundled`.",
        "用来衡量通用能力的文本：文件、文件夹或 bundled。",
        min_length=1,
        resume=SAID,
    )
    anchor: str = setting(
        "self",
        "General text on which the model is kept close to the base, against forgetting: self "
        "(written by the base itself), a file, a folder, `bundled`, or off.",
        "锚定文本，训练时在其上保持与基座一致以减少遗忘：self（由基座自己写出）、文件、文件夹、"
        "bundled 或 off。",
        min_length=1,
        resume=SAME,
    )
    anchor_ratio: float = setting(
        0.2,
        "Fraction of the training tokens that come from the anchor text.",
        "锚定文本占训练 token 的比例。",
        gt=0,
        le=0.5,
        resume=SAME,
    )
    anchor_tokens: int | None = setting(
        None,
        "With anchor self: tokens that the base writes before the first update; null: a tenth of "
        "the tokens of the novels that the run trains on, at most 32768.",
        "anchor 为 self 时，基座在训练前写出多少 token；null 即训练所用小说 token 数的十分之一，"
        "至多 32768。",
        ge=1,
        resume=SAME,
    )
    anchor_chat: float = setting(
        0.33,
        "With anchor self and a base that answers: fraction of the anchor text that it writes in "
        "its chat format, questions and answers; 0 for none.",
        "anchor 为 self 且基座会对话时，锚定文本中由它按对话格式自问自答写出的比例；0 表示不要。",
        ge=0,
        le=1,
        resume=SAME,
    )
