"""The data manifest: each input file, how much of it was kept, and why the rest was dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from styledial.data.pipeline import Prepared
from styledial.data.store import Book
from styledial.files import read_json, write_json
from styledial.language import say

FILE = "manifest.json"
_REASONS = {
    "title": "章节标题", "contents": "目录", "preface": "前言简介", "book title": "书名",
    "notes": "注释", "banner": "网站横幅", "stamp": "更新时间戳", "notice": "声明",
    "advertisement": "广告", "separator": "分隔线", "navigation": "导航", "credits": "制作信息",
    "markup": "标签", "broken characters": "坏字符", "repeated paragraph": "重复段落",
    "header": "文件头", "licence": "许可声明", "legend": "凡例", "colophon": "版权页",
    "imprint": "出版信息",
    "title page": "书名页", "copyright page": "版权页", "hidden": "隐藏文字", "ruby": "注音",
    "annotation": "排版注记", "emphasis": "强调符号", "illustration": "插图", "footnote": "脚注",
    "author's note": "作者的话", "missing page": "缺失的页面", "empty record": "空记录",
    "page number": "页码", "line mark": "行首标记", "running head": "页眉页脚",
    "page without a text layer": "没有文字层的页面",
    "not in the reading order": "不在阅读顺序中的页面",
    "member refused": "压缩包内未读的文件", "member of another kind": "压缩包内其他类型的文件",
    "member with a path that leads outside": "路径指向包外的文件", "data.drop": "按 data.drop 去掉",
    "duplicate": "重复内容", "gap": "留出部分两侧的间隔", "layout": "空白与排版",
    "not a JSON object": "不是 JSON 对象",
    "neither text nor a dialogue": "既非文本也非对话",
    "a dialogue without user and assistant by turns": "对话轮次不合要求",
}  # fmt: skip


def entry(book: Book) -> dict[str, Any]:
    """The line of one file in the manifest; lengths in characters, drops too."""
    return {
        "file": book.file,
        "encoding": book.encoding,
        "chars_in": book.chars_in,
        "chars_out": book.chars_out,
        "kept": book.kept,
        "reason": book.reason,
        "drops": book.drops,
        "sha256": book.sha256,
    }


def write_manifest(path: Path, prepared: Prepared) -> None:
    """Write manifest.json: an entry a file, and the notes."""
    write_json(path, {"books": [entry(b) for b in prepared.books], "notes": prepared.notes})


def hashes_of(manifest: Path) -> dict[str, str]:
    """SHA-256 of each file that a manifest names; nothing where there is no such manifest."""
    try:
        books = read_json(manifest)["books"]
        return {book["file"]: book["sha256"] for book in books}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def reason_name(reason: str) -> str:
    """The reason for a drop in the user's language."""
    en = {"gap": "gap beside held-out text", "layout": "blanks and layout"}.get(reason, reason)
    return say(en, _REASONS.get(reason, reason))


def left_out(prepared: Prepared) -> Iterator[str]:
    """A sentence for each file that isn't used, and the notes."""
    for book in prepared.books:
        if not book.kept:
            yield say(
                f"not used: {book.file}: {book.reason}", f"未采用：{book.file}：{book.reason}"
            )
    yield from prepared.notes


def summary(prepared: Prepared) -> Iterator[str]:
    """What the user reads on the screen: a line per book, totals, what was dropped."""
    for book in prepared.books:
        if book.kept:
            size = say(f"{book.chars_out:,} characters", f"{book.chars_out:,} 字")
            yield f"  {size:>20}  {book.encoding or '':<14}  {book.file}"
        else:
            yield say(
                f"    not kept  {book.file}: {book.reason}",
                f"      未采用  {book.file}：{book.reason}",
            )
    drops: Counter[str] = Counter()
    for book in prepared.books:
        drops.update({why: n for why, n in book.drops.items() if why != "layout"})
    if drops:
        listed = ", ".join(f"{reason_name(why)} {n:,}" for why, n in drops.most_common())
        yield say(f"Characters dropped: {listed}", f"去掉的字符：{listed}")
    for book in prepared.books:
        if book.kept and book.broken:
            yield say(
                f"{book.file}: {book.broken} broken characters in the file itself",
                f"{book.file}：文件本身有 {book.broken} 个坏字符",
            )
    yield from prepared.notes
    yield totals(prepared)


def totals(prepared: Prepared) -> str:
    """How many files were kept, and how much text that is."""
    every = len(prepared.books)
    kept = sum(book.kept for book in prepared.books)
    train, heldout = (prepared.written.get(side, 0) for side in ("train", "heldout"))
    files = (f"{kept} of {every} files kept", f"采用 {kept} 个文件（共 {every} 个）")
    return say(
        f"{files[0]}: {train:,} characters to train on, {heldout:,} held out",
        f"{files[1]}：训练 {train:,} 字，留出 {heldout:,} 字",
    )
