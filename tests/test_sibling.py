"""An adapter taken over from its base to a model of the same shape: a sibling made here."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from running import invoke, small_run
from safetensors.torch import load_file
from test_models_identity import other_config, other_tokenizer

from styledial.config import resolve
from styledial.config.show import as_file
from styledial.errors import AdapterError, UserError
from styledial.models import identity
from styledial.models.adapter import base_of, load_adapter, save_model
from styledial.models.attach import attach_adapter
from styledial.models.identity import Base
from styledial.models.load import load_base
from styledial.models.policy import with_lora
from styledial.models.sibling import first_difference
from styledial.run.sibling import beside, is_other_base
from styledial.run.strengths import further
from styledial.strength import parse_strength

TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


@pytest.fixture(scope="module")
def base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def run(base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "style"
    done = invoke("train", *small_run(base, novels, folder), "max_steps=40", "kl_beta=0.1")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def sibling(base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base, all its weights tuned for some updates, with a chat template of its own."""
    tuned = tmp_path_factory.mktemp("tuned") / "out"
    settings = [*small_run(base, novels, tuned), "max_steps=6", "model.use_peft=false"]
    done = invoke("train", *settings, "learning_rate=0.001", "seed=7")
    assert done.returncode == 0, done.stderr
    folder = Path(shutil.copytree(base, tuned.parent / "tiny-instruct"))
    shutil.copyfile(tuned / "model.safetensors", folder / "model.safetensors")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kl_at_full(folder: Path) -> float:
    points = json.loads((folder / "style_dial.json").read_text())["points"]
    return next(point["kl"] for point in points if point["scale"] == 1.0)


@pytest.mark.slow
def test_from_the_base_to_its_sibling(run: Path, base: Path, sibling: Path) -> None:
    before = files_of(run)
    done = invoke("dial", run, "--base", sibling, "--export", "0.05")
    assert done.returncode == 0, done.stderr
    assert "is not the base of" in done.stderr
    assert files_of(run) == before
    moved = run.with_name("style-on-tiny-instruct")
    assert base_of(moved).model == str(sibling)
    settings = json.loads((moved / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(sibling)
    assert (moved / "chat_template.jinja").read_text() == TEMPLATE
    one, two = (load_file(each / "adapter_model.safetensors") for each in (run, moved))
    assert all(torch.equal(one[name], two[name]) for name in one.keys() | two.keys())
    assert_measured_on_both(run, moved, base)
    assert_works_as_a_run(moved, sibling)


def assert_measured_on_both(run: Path, moved: Path, base: Path) -> None:
    """The two bases differ, so the same adapter has another strength; each figure is its own."""
    trained = json.loads((run / "summary.json").read_text())
    there = json.loads((moved / "summary.json").read_text())
    assert there["taken_from"]["kl_final"] == trained["kl_final"]
    assert there["taken_from"]["model"] == str(base)
    assert there["kl_final"] == kl_at_full(moved)
    assert there["kl_final"] == pytest.approx(trained["kl_final"], rel=0.5)
    assert abs(there["kl_final"] - trained["kl_final"]) > 1e-4
    assert there["style_nll_base"] < trained["style_nll_base"]  # the sibling has read the novels
    assert there["style_nll"] < there["style_nll_base"]


def assert_works_as_a_run(moved: Path, sibling: Path) -> None:
    """At the strength asked for, and no other base in the sibling's place."""
    exported = json.loads((moved / "export/kl-0.05/summary.json").read_text())
    assert exported["model"] == str(sibling)
    assert exported["kl_final"] == 0.05
    written = ("--prompt", "话说", "--max-new-tokens", "3", "--strength", "0.05")
    assert invoke("generate", moved, *written).returncode == 0
    assert invoke("generate", moved / "export/kl-0.05", *written[:4]).returncode == 0
    once = files_of(moved)
    again = invoke("dial", moved, "--remeasure")
    assert again.returncode == 0, again.stderr
    assert json.loads((moved / "style_dial.json").read_text()) == json.loads(
        once[moved / "style_dial.json"]
    )
    merged = moved.with_name("merged")
    assert invoke("merge", moved, "-o", merged, "--strength", "0.05").returncode == 0
    assert invoke("export", moved, "--to", "peft", "--strength", "0.05").returncode == 0
    policy, _ = load_adapter(moved)
    assert policy.causal_lm.name_or_path == str(sibling)
    assert invoke("report", moved).returncode == 0
    assert "Name the run that it comes from, style" in invoke("doctor", moved).stderr


@pytest.mark.slow
def test_what_was_taken_over_is_used_again(run: Path, sibling: Path, tmp_path: Path) -> None:
    target = tmp_path / "there"
    assert invoke("dial", run, "--base", sibling, "-o", target).returncode == 0
    before = files_of(target)
    assert invoke("dial", run, "--base", sibling, "-o", target).returncode == 0
    assert files_of(target) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    done = invoke("dial", run, "--base", sibling, "-o", tmp_path / "mine")
    assert done.returncode == 2
    assert "is left as it is" in done.stderr
    assert "-o" in invoke("dial", run, "-o", tmp_path / "x").stderr
    assert not (tmp_path / "x").exists()


def test_beside_a_folder_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dial . --base OTHER` ended in a traceback: `.` has no name to put an ending to."""
    (tmp_path / "style/export").mkdir(parents=True)
    wanted = tmp_path / "style-on-Other"
    for here, written in (("style", "."), ("style/export", ".."), (".", "style"), (".", "./style")):
        monkeypatch.chdir(tmp_path / here)
        assert beside(Path(written), "owner/Other@v1").absolute() == wanted
        shown = shlex.split(further(Path(written))[1])[-1].partition("=")[2]
        assert Path(shown).absolute() == tmp_path / "style-longer"


@pytest.mark.parametrize("reached", [0.1, 0.05])
@pytest.mark.parametrize("origin", [{}, {"taken_from": {"run": "style"}}])
@pytest.mark.parametrize("missed", ["strong", "0.3"])
def test_the_way_further_reaches_what_was_asked(
    missed: str, origin: dict, reached: float, tmp_path: Path
) -> None:
    """Trained again at the budget of 0.1, it came to 0.1 again where 0.175 was asked for."""
    summary = {"kl_beta": 0.1, "kl_final": reached, "kl_mode": "budget", "steps": 9, **origin}
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    words = shlex.split(further(tmp_path, parse_strength(missed))[1])
    assert words[words.index("--strength") + 1] == missed


def narrower(folder: Path) -> None:
    rebuilt(folder, intermediate_size=96)


def deeper(folder: Path) -> None:
    rebuilt(folder, num_hidden_layers=3)


def longer_vocabulary(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    rebuilt(folder, vocab_size=config["vocab_size"] + 8)


def other_family(folder: Path) -> None:
    rebuilt(folder, "llama")


def rebuilt(folder: Path, kind: str = "qwen2", **changes: int) -> None:
    """Another random model in `folder`, with its tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = {**json.loads((folder / "config.json").read_text()), **changes}
    for key in ("model_type", "architectures", "layer_types"):
        config.pop(key)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config))
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def fresh(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that was never trained: its shapes are what is compared."""
    folder = tmp_path_factory.mktemp("fresh")
    how = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": "all-linear"}
    save_model(with_lora(load_base(str(base)), **how), folder)
    return folder


@pytest.mark.parametrize("base_is_here", [True, False])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (narrower, ("intermediate_size is 96", "has 96 ")),
        (deeper, ("num_hidden_layers is 3", "no counterpart in the adapter")),
        (longer_vocabulary, ("vocab_size is", None)),
        (other_tokenizer, ("tokenizer has the id", "tokenizer has the id")),
        (other_family, ("model_type is llama", None)),
        (other_config, (None, None)),
    ],
)
def test_the_first_difference_is_named(
    change,
    named: tuple[str | None, ...],
    base_is_here: bool,
    fresh: Path,
    base: Path,
    tmp_path: Path,
) -> None:
    """Without the base, the adapter's own matrices and tokenizer say what they can."""
    other = Path(shutil.copytree(base, tmp_path / "other"))
    change(other)
    place = str(base) if base_is_here else str(tmp_path / "gone")
    found = first_difference(fresh, Base(place), str(other))
    expected = named[0] if base_is_here else named[1]
    assert found is None if expected is None else expected in found[0]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (None, AdapterError, "model_type is mistral"),
        ("novels gone", AdapterError, "the novels of this run are not there"),
        ("target is there", UserError, "exists already"),
        ("adapter gone", AdapterError, "its adapter is gone"),
        ("full tuning", AdapterError, "use_peft: false is a plain model"),
    ],
)
def test_a_model_is_downloaded_only_where_it_can_be_used(
    change: str | None,
    error: type,
    words: str,
    fresh: Path,
    base: Path,
    novels: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The whole of it was, and then its first number refused."""
    monkeypatch.setattr(identity, "source_folder", lambda *_, **__: pytest.fail("a download"))
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    run, target = shutil.copytree(fresh, tmp_path / "run"), tmp_path / "there"
    own = Base(str(base), identity={"weights": "0"})
    (run / "base.json").write_text(json.dumps(asdict(own)), encoding="utf-8")
    (run / "summary.json").write_text(json.dumps({"model": str(base)}), encoding="utf-8")
    text = tmp_path / "gone" if change == "novels gone" else novels
    settings = as_file(resolve(options={"data.data_dir": str(text)}))
    (run / "train_config.yaml").write_text(settings, encoding="utf-8")
    if change == "target is there":
        (target / "notes").mkdir(parents=True)
    if change in ("adapter gone", "full tuning"):
        (run / "adapter_config.json").unlink()
    if change == "full tuning":
        shutil.copy(base / "config.json", run)
    with pytest.raises(error, match=words):
        is_other_base(run, "mistralai/Mistral-7B-v0.1", target)


@pytest.mark.parametrize("kind", ["empty", "garbage", "zeros", "cut", "a list"])
def test_a_damaged_pickle_is_one_sentence(
    kind: str, fresh: Path, base: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(fresh, tmp_path / "adapter"))
    weights = load_file(folder / "adapter_model.safetensors")
    (folder / "adapter_model.safetensors").unlink()
    path = folder / "adapter_model.bin"
    torch.save(weights if kind == "cut" else list(weights.values()), path)
    whole = path.read_bytes()
    contents = {"empty": b"", "garbage": b"hello " * 99, "zeros": bytes(500), "a list": whole}
    path.write_bytes(contents.get(kind, whole[: len(whole) // 2]))
    with pytest.raises(AdapterError, match=r"adapter_model\.bin: is truncated or damaged"):
        attach_adapter(load_base(str(base)), folder, "tiny")
    torch.save(weights, path)
    assert attach_adapter(load_base(str(base)), folder, "tiny")


@pytest.mark.parametrize("kind", ["LOKR", "IA3", "ADALORA"])
def test_another_kind_of_adapter_is_named(
    kind: str, fresh: Path, base: Path, tmp_path: Path
) -> None:
    """It was called damaged, to be restored from a copy."""
    folder = Path(shutil.copytree(fresh, tmp_path / "adapter"))
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "peft_type": kind}))
    with pytest.raises(AdapterError, match=f"of the kind {kind}; only LoRA"):
        attach_adapter(load_base(str(base)), folder, "tiny")


@pytest.mark.parametrize(("value", "said"), [(True, True), (None, False), ({}, False)])
def test_settings_of_a_newer_peft_are_said_if_they_are_on(
    value: object, said: bool, fresh: Path, base: Path, tmp_path: Path,
    capfd: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """PEFT's own warning, with a path of this machine, was all that was said."""
    folder = Path(shutil.copytree(fresh, tmp_path / "adapter"))
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "from_the_future": value}))
    assert attach_adapter(load_base(str(base)), folder, "tiny")
    shown = capfd.readouterr().err
    assert ("leaves out (from_the_future)" in shown) is said, shown


@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False])
def test_a_damaged_adapter_is_one_sentence(
    there: bool, run: Path, sibling: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    weights = copy / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    if not there:
        weights.unlink()
    done = invoke("dial", copy, "--base", sibling)
    assert done.returncode == 2
    assert ("is truncated" if there else "is missing") in done.stderr
    assert not (tmp_path / "copy-on-tiny-instruct").exists()


@pytest.mark.slow
def test_another_shape_is_refused(run: Path, base: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(base, tmp_path / "other"))
    narrower(other)
    before = files_of(run)
    done = invoke("dial", run, "--base", other)
    assert done.returncode == 2
    assert "has another shape: its intermediate_size is 96" in done.stderr
    assert "\n" not in done.stderr.strip()
    assert files_of(run) == before
    assert not run.with_name("style-on-other").exists()


@pytest.mark.slow
def test_the_same_base_elsewhere_is_no_sibling(run: Path, base: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(base, tmp_path / "copy")
    assert invoke("dial", run, "--base", copy).returncode == 0
    assert not run.with_name("style-on-copy").exists()
    other_config(Path(copy))  # of the norm: another model, of the same shape
    assert invoke("dial", run, "--base", copy).returncode == 0
    assert run.with_name("style-on-copy").is_dir()
