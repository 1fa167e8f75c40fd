"""model.revision: which version of a hub's model is trained on, and used by every later command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, FakeHub
from marks import slow_but
from running import invoke, small_run

from styledial.config import resolve
from styledial.config.show import as_file
from styledial.errors import ConfigError
from styledial.run.finished import on_base

MODEL, REVISION = "model.model_name_or_path", "model.revision"


@pytest.mark.parametrize(
    "typed",
    [
        {MODEL: "owner/tiny", REVISION: "v1"},
        {MODEL: "owner/tiny@v1"},
        {MODEL: "owner/tiny@v1", REVISION: "v1"},
        {MODEL: "https://huggingface.co/owner/tiny/tree/v1"},
    ],
)
def test_every_way_to_say_it_is_the_same(typed: dict[str, str]) -> None:
    model = resolve(options=typed).model
    assert (model.model_name_or_path, model.revision) == ("owner/tiny@v1", "v1")


def test_two_revisions_or_one_of_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keep one of the two"):
        resolve(options={MODEL: "owner/tiny@v1", REVISION: "v2"})
    for folder in (str(tmp_path), "bundled"):
        with pytest.raises(ConfigError, match=r"model\.revision is for a model on the hub"):
            resolve(options={MODEL: folder, REVISION: "v2"})


@pytest.mark.parametrize(
    ("other", "revision"),
    [("owner/tiny-instruct", None), ("owner/tiny-instruct@v2", "v2"), ("a folder", None)],
)
def test_another_base_leaves_no_revision_of_the_first(
    other: str, revision: str | None, tmp_path: Path
) -> None:
    """The settings that it was taken over with named the other model at the first's commit."""
    if other == "a folder":
        other = str(tmp_path / "tiny@v3")
        Path(other).mkdir()
    first = resolve(options={MODEL: "owner/tiny@v1"})
    (tmp_path / "settings.yaml").write_text(as_file(on_base(first, other)), encoding="utf-8")
    model = resolve(tmp_path / "settings.yaml").model
    assert (model.model_name_or_path, model.revision) == (other, revision)


@pytest.fixture
def hub(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    files = {path.name: path.read_bytes() for path in tiny_base.iterdir()}
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with FakeHub({"owner/tiny": files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.mark.parametrize("revision", slow_but(["main", COMMIT], "main"))
def test_a_run_is_taken_up_again_with_its_own_revision(
    hub: FakeHub, revision: str, novels: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = small_run(Path("owner/tiny"), novels, run)
    done = invoke("train", *settings, f"model.revision={revision}", "max_steps=1")
    assert done.returncode == 0, done.stderr
    assert json.loads((run / "base.json").read_text("utf-8"))["revision"] == COMMIT
    assert hub.asked(f"/revision/{revision}")
    named = json.loads((run / "adapter_config.json").read_text("utf-8"))
    assert (named["base_model_name_or_path"], named["revision"]) == ("owner/tiny", revision)
    # On another machine: the commit, wherever a branch of that name points by now.
    shutil.rmtree(tmp_path / "home")
    hub.requests.clear()
    done = invoke("generate", run, "--prompt", "夜里", "--max-new-tokens", "2")
    assert done.returncode == 0, done.stderr
    assert hub.asked(f"/revision/{COMMIT}")


def test_a_download_of_a_revision_is_found_by_it(hub: FakeHub, tmp_path: Path) -> None:
    done = invoke("download", "--model", "owner/tiny", "--revision", COMMIT)
    assert f'"owner/tiny@{COMMIT}"' in done.stderr
    hub.requests.clear()
    done = invoke("models", f"owner/tiny@{COMMIT}")
    assert done.returncode == 0
