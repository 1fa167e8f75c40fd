"""Only what a run wrote is ever removed or replaced."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from run_folders import AGAIN, FRESH, RESUME, a_run, contents, refused

from styledial.errors import UserError
from styledial.run_folder.claims import Claim, claimed, writing
from styledial.run_folder.layout import OWN, written_names


def test_a_run_is_replaced_and_what_lies_beside_it_stays(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    a_run(folder, "one")
    decoys = ("notes.txt", "checkpoints/best.pt", "checkpoints/step-20-kept/optimizer.pt",
              "export/mine/adapter_config.json", "tensorboard/mine", ".styledial-cache/mine",
              "config.json", "wandb/run")  # fmt: skip
    for name in decoys:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"mine: {name}")
    before = {name: contents(folder)[name] for name in decoys}
    a_run(folder, "two", steps=30)
    after = contents(folder)
    assert {name: after[name] for name in decoys} == before
    assert not (folder / "checkpoints/step-20").exists()
    written = [folder / name for name in after if name not in decoys]
    assert written
    assert all("one" not in path.read_text() for path in written)
    assert [path.name for path in (folder / OWN).iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("name", written_names(adapter=True))
@pytest.mark.parametrize("claim", [FRESH, AGAIN, RESUME])
def test_a_file_of_the_users_under_a_name_of_ours(tmp_path: Path, name: str, claim: Claim) -> None:
    (tmp_path / name).write_text("mine")
    refused(tmp_path, claim, name, "Move them away")
    assert [path.name for path in tmp_path.iterdir()] == [name]  # no lock of ours either


@pytest.mark.parametrize(
    "names",
    [
        ["config.json", "model.safetensors"],
        ["config.json", "pytorch_model-00001-of-00002.bin"],
        ["model-00001-of-00002.safetensors"],
        ["adapter_config.json"],
        ["base.Q4_K_M.gguf"],
        ["checkpoints/step-500/pytorch_model.bin"],
        ["checkpoints"],
        [".styledial-cache"],
    ],
)
@pytest.mark.parametrize("claim", [FRESH, AGAIN, RESUME])
def test_a_folder_of_somebody_elses(tmp_path: Path, names: list[str], claim: Claim) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    refused(tmp_path, claim, names[-1].split("/pytorch")[0])


def test_a_link_under_a_name_of_ours(tmp_path: Path) -> None:
    """Writing through it would change the file that it leads to."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/samples.md").symlink_to(tmp_path / "nowhere.md")
    refused(tmp_path / "out", FRESH, "samples.md")


@pytest.mark.parametrize(
    "name", ["summary.json", "metrics.jsonl", "checkpoints/step-20/state.json"]
)
def test_a_file_that_was_edited_is_the_users(tmp_path: Path, name: str) -> None:
    a_run(tmp_path / "out")
    path = tmp_path / "out" / name
    path.write_text(path.read_text().replace("one", "ONE"))
    refused(tmp_path / "out", AGAIN, name)


def test_a_file_that_was_added_to_a_checkpoint(tmp_path: Path) -> None:
    a_run(tmp_path / "out")
    (tmp_path / "out/checkpoints/step-20/notes.txt").write_text("mine")
    for claim in (AGAIN, RESUME):
        refused(tmp_path / "out", claim, "checkpoints/step-20/notes.txt")


def test_an_edited_export_stays(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    a_run(folder)
    (folder / "export/light/adapter_config.json").write_text("mine")
    with claimed(folder, AGAIN) as run:
        run.set_aside_run()
        run.let_go()
    assert list(contents(folder)) == ["export/light/adapter_config.json"]


def test_a_file_that_appears_while_the_run_goes_on(tmp_path: Path) -> None:
    with claimed(tmp_path / "out", FRESH) as run:
        (tmp_path / "out/samples.md").write_text("mine")
        with pytest.raises(UserError, match=r"samples\.md"):
            run.write_text("samples.md", "ours")
    assert (tmp_path / "out/samples.md").read_text() == "mine"


def test_a_run_of_a_version_without_a_manifest(tmp_path: Path) -> None:
    """Finished: its files can't be told from somebody's, so they stay. Interrupted: goes on."""
    folder = tmp_path / "out"
    a_run(folder)
    shutil.rmtree(folder / OWN)
    refused(folder, FRESH, "holds an earlier run")
    refused(folder, AGAIN, "summary.json", "adapter_model.safetensors")
    for name in ("summary.json", "adapter_config.json", "adapter_model.safetensors"):
        (folder / name).unlink()
    with claimed(folder, RESUME) as run:
        run.write_text("metrics.jsonl", "goes on")
    (folder / "style_dial.json").write_text('{"trained_kl_beta": 0.1, "points": []}')
    with writing(folder) as run:
        run.write_json("style_dial.json", {})


def test_a_refused_run_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        with contextlib.suppress(UserError), claimed(tmp_path / name, FRESH):
            raise UserError("no", "no")
    assert list(tmp_path.rglob("*")) == [tmp_path / "empty"]


# One owner
