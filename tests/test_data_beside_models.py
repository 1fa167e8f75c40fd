"""Models and runs among the novels: what belongs to them isn't read, and every novel is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from styledial.data.reading.sources import KINDS, find_sources
from styledial.data.texts import general_passages
from styledial.errors import DataError
from styledial.run_folder import layout

NOVELS = ["readme of a house.txt", "samples.txt", "mybook.json", "config.txt", "vocabulary.txt"]
OF_A_MODEL = ["README.md", "LICENSE.txt", "USE_POLICY.md", "merges.txt", "vocab.txt", "vocab.json",
              "tokenizer.json", "samples.md"]  # fmt: skip
CARD = "---\nlicense: apache-2.0\nbase_model: some/base\n---\n# A model\n"


def folder(at: Path, *names: str) -> Path:
    at.mkdir(parents=True, exist_ok=True)
    for name in names:
        (at / name).write_text("他推开门，看见一个人站在雪里。\n", encoding="utf-8")
    return at


def read(at: Path) -> list[str]:
    """What would be read; everything else is listed, with a reason."""
    found = find_sources(at)
    of_a_kind = {path.name for path in at.iterdir() if path.suffix in KINDS}
    assert {source.name for source in found} | {layout.REPORT} >= of_a_kind
    return sorted(source.name for source in found if not source.refused)


@pytest.mark.parametrize(
    "marks",
    [
        ["config.json", "model.safetensors"],
        ["config.json", "model.safetensors.index.json"],
        ["config.json", "pytorch_model-00001-of-00002.bin"],
        ["adapter_config.json", "adapter_model.safetensors"],
        ["adapter_config.json", "adapter_model.bin"],
        ["qwen2.5-7b-q8_0.gguf"],
    ],
)
def test_what_belongs_to_a_model_is_no_novel(marks: list[str], tmp_path: Path) -> None:
    """A base's README.md and vocab.txt were trained on where it lay below data_dir."""
    at = folder(tmp_path / "novels", *marks, *OF_A_MODEL, *NOVELS)
    assert read(at) == sorted(NOVELS)


@pytest.mark.parametrize("marks", [[], ["config.json"], ["model.safetensors"], ["pages.bin"]])
def test_elsewhere_such_a_name_is_a_novel(marks: list[str], tmp_path: Path) -> None:
    at = folder(tmp_path / "novels", *marks, "README.md", "vocab.txt", "samples.md")
    (at / "README.md").write_text("---\n\n第一章 雪\n\nlicense: 他念道。\n", encoding="utf-8")
    assert {"README.md", "vocab.txt", "samples.md"} <= set(read(at))


def test_a_model_card_is_known_by_its_header(tmp_path: Path) -> None:
    """An export's lies beside the folders with the weights."""
    at = folder(tmp_path / "novels", "one.txt")
    (at / "README.md").write_text(CARD, encoding="utf-8")
    assert read(at) == ["one.txt"]


def test_no_file_of_a_run_is_read(strong_run: Path, tmp_path: Path) -> None:
    at = tmp_path / "novels"
    shutil.copytree(strong_run, at)
    written = {path.name for path in at.iterdir()}
    folder(at, *NOVELS)
    assert {layout.SAMPLES, layout.SUMMARY, layout.METRICS} <= written
    assert [name for name in read(at) if "/" not in name] == sorted(NOVELS)
    shutil.rmtree(at / layout.OWN)  # as a copy of the plain files is
    assert layout.SAMPLES not in read(at)


def test_a_damaged_list_of_a_run_loses_no_novel(tmp_path: Path) -> None:
    at = folder(tmp_path / "novels", "one.txt")
    for content in ("{", "[]", json.dumps({"files": 3}), json.dumps({"files": {"x": {}}})):
        (at / layout.OWN).mkdir(exist_ok=True)
        (at / layout.OWN / "manifest.json").write_text(content)
        assert read(at) == ["one.txt"]


def test_general_text_has_none_of_it_either(tmp_path: Path) -> None:
    at = folder(tmp_path / "general", "config.json", "model.safetensors", "vocab.txt", "one.txt")
    assert [p.book for p in general_passages(str(at), "data.general")] == ["one.txt"]
    (at / "one.txt").unlink()
    with pytest.raises(DataError):
        general_passages(str(at), "data.general")
