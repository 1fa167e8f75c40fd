"""The guide's six, tiny and random: the whole way from training to a merged model."""

import pytest
from marks import slow_but
from rehearsal import rehearse
from tiny_models import GUIDE, TEXT, build


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("books")
    (folder / "book.txt").write_text(TEXT * 3, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", slow_but(GUIDE, "Qwen/Qwen2.5-1.5B", "THUDM/chatglm3-6b"))
def test_train_adapter_generate_merge_reload(name, tmp_path, book, monkeypatch):
    if name == "THUDM/chatglm3-6b":
        pytest.importorskip("sentencepiece", reason="makes the tiny tokenizer.model")
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    figures = rehearse(name, build(name, tmp_path / "base"), tmp_path, book)
    assert figures.fresh_kl == 0.0
    assert figures.nll_after < figures.nll_before
    assert figures.generated > 0
    assert figures.merge_gap < 1e-4
    assert figures.round_trip
