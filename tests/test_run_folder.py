"""Nothing is lost: a run folder has one owner, and only what a run wrote is ever removed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from marks import slow_but
from running import SHORT_END, Done, invoke, small_run

from styledial.errors import UserError
from styledial.monitor import trackers
from styledial.run_folder import lock, manifest, ownership
from styledial.run_folder.claims import Claim, claimed, writing
from styledial.run_folder.layout import OWN, written_names
from styledial.run_folder.lock import LOCK, OWNER, Lock, Taken
from styledial.run_folder.ownership import RunFolder

FRESH, AGAIN, RESUME = Claim(), Claim(overwrite=True), Claim(resume=True)


def contents(folder: Path) -> dict[str, str]:
    """Path -> hash, of every file but those that say who owns the folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and OWN not in path.parts
    }


def a_run(folder: Path, mark: str = "one", steps: int = 20) -> None:
    """What a finished run leaves, each file with `mark` in it."""
    with claimed(folder, Claim(overwrite=folder.exists())) as run:
        run.set_aside_run()
        run.write_text("metrics.jsonl", "", grows=True)
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": 1, "tokens": 1, "mark": mark}) + "\n")
        a_checkpoint(folder, steps, mark)
        run.saved_whole()
        for name in ("adapter_config.json", "adapter_model.safetensors", "summary.json"):
            run.write_json(name, {"model": "base", "mark": mark})
        run.write_json("export/light/adapter_config.json", {"mark": mark})
        run.record(["metrics.jsonl"])


def a_checkpoint(folder: Path, step: int, mark: str) -> None:
    path = folder / f"checkpoints/step-{step}"
    path.mkdir(parents=True)
    (path / "state.json").write_text(json.dumps({"mark": mark}))
    (path / "optimizer.pt").write_text(mark)
    files = {p.name: manifest.described(p) for p in path.iterdir()}
    (path / "manifest.json").write_text(json.dumps({"format": 1, "files": files}))


def refused(folder: Path, claim: Claim, *words: str) -> str:
    before = contents(folder) if folder.is_dir() else {}
    with pytest.raises(UserError) as raised, claimed(folder, claim):
        pass
    assert all(word in raised.value.en for word in words), raised.value.en
    assert (contents(folder) if folder.is_dir() else {}) == before
    return raised.value.en


# Whose files they are


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


@pytest.fixture
def quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.1)
    monkeypatch.setattr(lock, "_STALE", 0.3)


def forked(work: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
    except UserError:
        os._exit(2)
    except BaseException:
        os._exit(1)
    os._exit(0)


def code_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_second_is_refused_with_who_has_it(tmp_path: Path) -> None:
    with claimed(tmp_path / "out", FRESH) as run:
        run.write_text("summary.json", "{}")
        for claim in (FRESH, AGAIN, RESUME):
            said = refused(tmp_path / "out", claim, "is in use", socket.gethostname())
            assert f"pid {os.getpid()} on {socket.gethostname()}, started 20" in said
        child = forked(lambda: writing_elsewhere(tmp_path / "out"))
        assert code_of(child) == 2
        with writing(tmp_path / "out") as same:  # this process's own report, say
            assert same is run
    with claimed(tmp_path / "out", AGAIN):
        pass


def writing_elsewhere(folder: Path) -> None:
    from styledial.run_folder import claims

    claims._owned.clear()  # this is another process
    with writing(folder) as run:
        run.write_text("style_dial.json", "{}")


def test_of_two_that_start_at_once_one_goes(tmp_path: Path) -> None:
    """Both used to run to their end, with the configuration of one and the weights of the other."""
    folder = tmp_path / "out"

    def run() -> None:
        with claimed(folder, FRESH) as own:
            own.write_text("summary.json", str(os.getpid()))
            time.sleep(0.3)
            assert (folder / "summary.json").read_text() == str(os.getpid())

    for _ in range(5):
        children = [forked(run) for _ in range(4)]
        assert sorted(code_of(child) for child in children) == [0, 2, 2, 2]
        shutil.rmtree(folder)


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    def hold() -> None:
        with claimed(tmp_path / "out", FRESH) as run:
            run.write_text("train_config.yaml", "x")
            time.sleep(60)

    child = forked(hold)
    while not (tmp_path / "out/train_config.yaml").exists():
        time.sleep(0.01)
    refused(tmp_path / "out", AGAIN, f"pid {child}")
    os.kill(child, signal.SIGKILL)
    code_of(child)
    with claimed(tmp_path / "out", AGAIN):
        pass


@pytest.mark.parametrize("beats", [True, False])
def test_an_owner_on_another_machine(tmp_path: Path, quick_beat: None, beats: bool) -> None:
    """Its lock isn't seen from here: what tells is whether its owner.json is touched."""
    (tmp_path / OWN).mkdir()
    owner = {"pid": 77, "host": "node-2", "started": "2026-11-26T10:00:00", "token": "t"}
    (tmp_path / OWN / OWNER).write_text(json.dumps(owner))

    def beat() -> None:
        for _ in range(100):
            os.utime(tmp_path / OWN / OWNER)
            time.sleep(0.05)

    child = forked(beat) if beats else 0
    own = Lock(tmp_path, tmp_path / OWN)
    if beats:
        with pytest.raises(Taken, match=r"pid 77 on node-2, started 2026-11-26T10:00"):
            own.acquire()
        os.kill(child, signal.SIGKILL)
        code_of(child)
    else:
        own.acquire()
        own.release()
        assert not (tmp_path / OWN / OWNER).exists()


def test_a_disk_without_locks(
    tmp_path: Path, quick_beat: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the pid tells on the same machine, and the touching of owner.json for a living one."""
    monkeypatch.setattr(lock, "_lock", lambda handle: False)
    first, second = (Lock(tmp_path, tmp_path / OWN) for _ in range(2))
    first.acquire()
    with pytest.raises(Taken):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
    child = forked(Lock(tmp_path, tmp_path / OWN).acquire)  # and it is gone without a release
    code_of(child)
    assert (tmp_path / OWN / OWNER).exists()
    first.acquire()
    first.release()


def test_a_process_that_stood_still_and_was_replaced_writes_no_more(
    tmp_path: Path, quick_beat: None
) -> None:
    with contextlib.suppress(UserError), claimed(tmp_path / "out", FRESH) as run:
        path = tmp_path / "out" / OWN / OWNER
        path.write_text(json.dumps({**json.loads(path.read_text()), "token": "another"}))
        until = time.monotonic() + 5
        while not run._lock.lost and time.monotonic() < until:
            time.sleep(0.02)
        with pytest.raises(UserError, match="another machine"):
            run.write_text("summary.json", "{}")
    assert not (tmp_path / "out/summary.json").exists()


def test_lock_files_are_small_and_stay(tmp_path: Path) -> None:
    a_run(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out" / OWN).iterdir()} == {LOCK, "manifest.json"}


# Replacing, and dying in the middle of it


class Crash(BaseException):
    """The process is gone: nothing that runs after it may count."""


# Everything that changes the disk, by the name it is called under.
CALLS = [
    (Path, "replace"), (Path, "rename"), (Path, "unlink"), (Path, "rmdir"), (Path, "mkdir"),
    (shutil, "rmtree"), (os, "fsync"), (ownership, "share"), (Path, "write_text"),
]  # fmt: skip


@contextlib.contextmanager
def failing(at: int, error: BaseException) -> Iterator[list[str]]:
    """The `at`-th call fails before it acts, and with a Crash all that follow do too."""
    made: list[str] = []

    def wrapped(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            made.append(name)
            if len(made) == at + 1 or (isinstance(error, Crash) and len(made) > at + 1):
                raise error
            return real(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in CALLS:
            patch.setattr(owner, name, wrapped(getattr(owner, name), name))
        yield made


def replace(folder: Path) -> None:
    """A new run as `run.train` makes it, in short."""
    with claimed(folder, AGAIN) as run:
        run.set_aside_run()
        run.write_json("train_config.yaml", {"mark": "two"})
        run.write_text("metrics.jsonl", "", grows=True)
        with (folder / "metrics.jsonl").open("a") as file:
            file.write('{"step": 1, "tokens": 1, "mark": "two"}\n')
        run.write_json("adapter_config.json", {"mark": "two"})
        run.write_json("adapter_model.safetensors", {"mark": "two"})
        run.let_go()
        run.write_json("summary.json", {"mark": "two"})


ERRORS = {
    "killed": Crash(),
    "full": OSError(28, "No space left on device"),
    "read-only": OSError(30, "Read-only file system"),
}


@pytest.mark.parametrize("error", slow_but(ERRORS, "killed"))
def test_whatever_fails_while_a_run_is_replaced_one_of_the_two_is_whole(
    tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # 50,000 of them; their places stay
    whole = tmp_path / "whole"
    a_run(whole)
    (whole / "notes.txt").write_text("mine")
    earlier = contents(whole)
    shutil.copytree(whole, tmp_path / "counted")
    with failing(10**6, ERRORS[error]) as made:
        replace(tmp_path / "counted")
    new = contents(tmp_path / "counted")
    assert len(made) > 60
    outcomes = set()
    for at in range(len(made)):
        folder = Path(shutil.copytree(whole, tmp_path / f"{at}"))
        with failing(at, ERRORS[error]), contextlib.suppress(Crash, UserError, OSError):
            replace(folder)
        lock_forgotten(folder)
        with writing(folder):  # the next process puts things right
            found = contents(folder)
        without = {n: h for n, h in new.items() if n != "summary.json"}
        assert found in (earlier, new, without), (at, made[at])
        outcomes.add([earlier, new, without].index(found))
        replace_now = {**found}  # and the folder can be used as before
        with contextlib.suppress(Crash):
            replace(folder)
        assert contents(folder) == new, replace_now
        shutil.rmtree(folder)
    assert outcomes >= {0, 2}


def lock_forgotten(folder: Path) -> None:
    """A Crash leaves the lock in this process; in a real one it went with it."""
    from styledial.run_folder import claims

    claims._owned.clear()
    with contextlib.suppress(OSError):
        (folder / OWN / OWNER).unlink()
    (folder / OWN / LOCK).unlink(missing_ok=True)  # the next one locks a file of its own


def test_a_resumed_run_that_dies_does_not_look_finished(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    a_run(folder)
    with contextlib.suppress(ValueError), claimed(folder, RESUME) as run:
        run.set_aside(["summary.json"])
        run.changed = True
        raise ValueError
    assert not (folder / "summary.json").exists()
    with writing(folder):
        assert not (folder / "summary.json").exists()
    with contextlib.suppress(ValueError), claimed(folder, AGAIN) as run:
        run.set_aside_run()
        raise ValueError
    assert not (folder / "summary.json").exists()  # as it was: an interrupted run


def test_a_resumed_run_that_does_nothing_leaves_it_finished(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    a_run(folder)
    before = contents(folder)
    with contextlib.suppress(ValueError), claimed(folder, RESUME) as run:
        run.set_aside(["summary.json"])
        raise ValueError
    assert contents(folder) == before


def test_checkpoints_on_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`checkpoints` as a link to a large disk: a rename can't reach it, and the link stays."""
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "large").mkdir()
    (folder / "checkpoints").symlink_to(tmp_path / "large")
    with claimed(folder, FRESH) as run:
        run.write_text("summary.json", "{}")
        a_checkpoint(folder, 20, "one")
    real = Path.replace

    def replace_on_one_disk(self: Path, target: Path) -> Path:
        if "step-20" in str(self) + str(target):
            raise OSError(18, "Invalid cross-device link")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace_on_one_disk)
    before = contents(folder)
    with contextlib.suppress(ValueError), claimed(folder, AGAIN) as run:
        run.set_aside_run()
        assert list((tmp_path / "large").iterdir()) == []
        raise ValueError
    assert contents(folder) == before
    assert (folder / "checkpoints").is_symlink()


# Whole runs


def trained(*args: object) -> Done:
    with pytest.MonkeyPatch.context() as patch:
        for each in SHORT_END:
            patch.setattr(*each)
        return invoke("train", *args)


def short(base: Path, novels: Path, output: Path) -> list[str]:
    return [*small_run(base, novels, output), "max_steps=2"]


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"]])
@pytest.mark.parametrize("where", ["base", "base/inside", "general"])
def test_a_run_into_what_it_reads(
    more: list[str], where: str, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """With --overwrite the base's config.json and weights were deleted, with exit code 0."""
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    general = Path(shutil.copytree(novels, tmp_path / "general"))
    before = contents(tmp_path)
    done = trained(*short(base, novels, tmp_path / where), f"data.general={general}", *more)
    assert done.returncode == 2
    assert "name a folder outside" in done.stderr
    assert contents(tmp_path) == before


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"]])
def test_a_run_into_a_project_or_another_model(
    more: list[str], tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(tiny_base, tmp_path / "model"))
    project = tmp_path / "project"
    for name in ("train_config.yaml", "config.json", "checkpoints/best.pt", "export/a/config.json"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("{}")
    before = contents(tmp_path)
    for folder, name in ((model, "model.safetensors"), (project, "train_config.yaml")):
        done = trained(*short(tiny_base, novels, folder), *more)
        assert done.returncode == 2
        assert name in done.stderr
    assert contents(tmp_path) == before


def test_a_cache_that_would_be_cleared(tiny_base: Path, novels: Path, tmp_path: Path) -> None:
    cache = tmp_path / "out/.styledial-cache/states"
    done = trained(*short(tiny_base, novels, tmp_path / "out"), f"training.reference_cache={cache}")
    assert done.returncode == 2
    assert "a folder that the run clears" in done.stderr


@pytest.fixture(scope="module")
def chat_run(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on a base with a chat template."""
    folder = tmp_path_factory.mktemp("chat")
    base = Path(shutil.copytree(tiny_base, folder / "base"))
    (base / "chat_template.jinja").write_text("{{ messages[0].content }}")
    done = trained(*short(base, novels, folder / "out"))
    assert done.returncode == 0, done.stderr
    assert (folder / "out/chat_template.jinja").is_file()
    return folder / "out"


def test_a_chat_template_doesnt_outlive_its_run(
    chat_run: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """A base's run in the place of a chat model's shipped the other's template."""
    folder = Path(shutil.copytree(chat_run, tmp_path / "out"))
    done = trained(*short(tiny_base, novels, folder), "--overwrite")
    assert done.returncode == 0, done.stderr
    assert not (folder / "chat_template.jinja").exists()
    assert (folder / "tokenizer.json").is_file()


def test_a_tracker_that_cannot_start_costs_nothing(
    chat_run: Path, tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finished run that was to be replaced used to be gone by then."""
    folder = Path(shutil.copytree(chat_run, tmp_path / "out"))
    before = contents(folder)

    def broken(*args: object, **named: object) -> None:
        raise UserError("training.report_to: wandb could not be started", "")

    monkeypatch.setattr(trackers, "Trackers", broken)
    done = trained(*short(tiny_base, novels, folder), "--overwrite")
    assert done.returncode == 2
    assert "could not be started" in done.stderr
    assert contents(folder) == before


def test_everything_that_a_run_left_is_listed(chat_run: Path) -> None:
    run = RunFolder(chat_run)
    listed = manifest.Manifest.load(chat_run / OWN)
    assert listed
    # A checkpoint lists its own files, in a manifest of its own.
    others = {name for name in contents(chat_run) if not name.startswith("checkpoints/")}
    assert set(listed.files) == others
    run.manifest = listed
    assert all(run.ours(name) for name in listed.files)
    assert not any(entry.get("grows") for entry in listed.files.values())


def test_other_commands_wait_their_turn(chat_run: Path, tmp_path: Path) -> None:
    """A report in the middle of a run would be of half a run, and overwritten."""
    folder = Path(shutil.copytree(chat_run, tmp_path / "out"))
    before = contents(folder)
    with Holding(folder):
        for command in (["dial", folder], ["evaluate", folder], ["report", folder]):
            done = invoke(*command)
            assert done.returncode == 2
            assert "is in use by another StyleDial process" in done.stderr
        assert invoke("report", folder, "-o", tmp_path / "r.html").returncode == 0
    assert contents(folder) == before


class Holding:
    """Another process that owns the folder for as long as the block lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        def hold() -> None:
            with writing(self.folder):
                ready.touch()
                time.sleep(300)

        ready = self.folder.parent / "held"
        self.child = forked(hold)
        while not ready.exists():
            time.sleep(0.01)

    def __exit__(self, *error: object) -> None:
        os.kill(self.child, signal.SIGKILL)
        code_of(self.child)


def test_the_settings_file_may_be_edited_to_what_is_asked_for(
    chat_run: Path, novels: Path, tmp_path: Path
) -> None:
    """`--config out/train_config.yaml --resume`, after a change in it: taken, and left as it is."""
    folder = tmp_path / "out"
    base = chat_run.parent / "base"
    settings = [*short(base, novels, folder), "save_steps=1"]
    assert trained(*settings).returncode == 0
    path = folder / "train_config.yaml"
    edited = path.read_text().replace("max_steps: 2", "max_steps: 3  # a little more")
    path.write_text(edited)
    done = trained("--config", path, "--resume")
    assert done.returncode == 0, done.stderr
    assert path.read_text() == edited
    assert json.loads((folder / "summary.json").read_text())["steps"] == 3
    done = trained("--config", path, "--overwrite")
    assert done.returncode == 2
    assert "train_config.yaml" in done.stderr
