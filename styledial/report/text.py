"""The text that the run read: each file, what came of it, and what was dropped."""

from __future__ import annotations

from collections import Counter
from typing import Any

from styledial.data.manifest import reason_name
from styledial.language import say
from styledial.report.numbers import whole
from styledial.report.parts import Section, Table
from styledial.run_folder.metrics import is_number
from styledial.run_folder.reader import Run, mapping, mappings

# A folder of thousands of novels would make the page unreadable; the file has them all.
_SHOWN = 100


def section(run: Run) -> Section:
    """data_manifest.json: at most 100 files, and what was dropped in all."""
    name, title = "text", say("Text", "文本")
    if not run.manifest:
        return Section(
            name,
            title,
            [
                say(
                    "data_manifest.json is missing; a run writes it at its end. "
                    "`styledial prepare` reads a folder alone and says what was dropped.",
                    "缺少 data_manifest.json；训练结束时会写出。`styledial prepare` "
                    "可单独处理文件夹并说明去掉了什么。",
                )
            ],
        )
    books = mappings(run.manifest.get("books"))
    lines = [_totals(run.manifest, books)]
    notes = run.manifest.get("notes")
    notes = [str(note) for note in notes] if isinstance(notes, list) else []
    if len(books) > _SHOWN:
        notes.append(
            say(
                f"The first {_SHOWN} of {len(books)} files are shown; data_manifest.json has all.",
                f"仅列出 {len(books)} 个文件中的前 {_SHOWN} 个；全部见 data_manifest.json。",
            )
        )
    tables = [_files(books[:_SHOWN])]
    dropped = _dropped(books)
    if dropped:
        tables.append(dropped)
    return Section(name, title, lines + notes, tables=tables)


def _totals(manifest: dict[str, Any], books: list[dict[str, Any]]) -> str:
    kept = sum(bool(b.get("kept")) for b in books)
    tokens = mapping(manifest.get("tokens"))
    train, heldout, general = (whole(tokens.get(k)) for k in ("train", "heldout", "general"))
    return say(
        f"{kept} of {len(books)} files used: {train} tokens to train on; {heldout} held-out and "
        f"{general} general tokens were measured on. Novels from `{manifest.get('data_dir')}`, "
        f"general text `{manifest.get('general')}`, anchor `{manifest.get('anchor')}`.",
        f"采用 {kept} 个文件（共 {len(books)} 个）：训练 {train} token；"
        f"在 {heldout} 个留出 token 和 {general} 个通用 token 上测量。小说来自 "
        f"`{manifest.get('data_dir')}`，通用文本 `{manifest.get('general')}`，锚定 "
        f"`{manifest.get('anchor')}`。",
    )


def _files(books: list[dict[str, Any]]) -> Table:
    head = [say("file", "文件"), say("encoding", "编码"), say("characters in", "读入字数"),
            say("kept", "保留字数"), say("not used because", "未采用的原因")]  # fmt: skip
    rows = [
        [
            str(b.get("file", "")),
            str(b.get("encoding") or ""),
            whole(b.get("chars_in")),
            whole(b.get("chars_out") if b.get("kept") else 0),
            "" if b.get("kept") else str(b.get("reason") or ""),
        ]
        for b in books
    ]
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    return Table(head, rows, frozenset({2, 3}), say("Files", "文件"))


def _dropped(books: list[dict[str, Any]]) -> Table | None:
    drops: Counter[str] = Counter()
    for book in books:
        of_book = mapping(book.get("drops"))
        drops.update({why: int(n) for why, n in of_book.items() if is_number(n)})
    if not drops:
        return None
    rows = [[reason_name(why), whole(n)] for why, n in drops.most_common()]
    head = [say("dropped", "去掉的内容"), say("characters", "字数")]
    return Table(head, rows, frozenset({1}), say("What was dropped", "去掉了什么"), folded=True)
