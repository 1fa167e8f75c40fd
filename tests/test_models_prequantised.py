"""Bases whose own files are quantised: loaded, trained, dialled and merged; others refused."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import quantised_bases as quantised
import torch
from adapters import random_adapter
from hub_server import FakeHub
from rehearsal import kl, rehearse
from running import invoke, small_run
from tiny_models import TEXT

from styledial.build.model import as_its_files
from styledial.config import resolve
from styledial.errors import ModelError
from styledial.memory.fit import allows_4bit
from styledial.memory.plan import plan
from styledial.models.adapter import base_of
from styledial.models.identity import Base
from styledial.models.load import load_base
from styledial.models.merge import left_by_merge, merges_into_its_base
from styledial.models.prequantised import check_use, why_not
from styledial.models.quantise import is_quantised
from styledial.run.proposal import Novels, propose

IDS = torch.arange(10, 34).unsqueeze(0)
quiet = pytest.mark.filterwarnings("ignore:MatMul8bitLt", "ignore:.*kernels")


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"needs the package {package}")


def kind(name: str, make: Callable[[Path], Path], package: str = "torch", *, slow: bool = True):
    return pytest.param(make, id=name, marks=[needs(package), *[pytest.mark.slow] * slow])


DEQUANTISED = [
    kind("fp8", quantised.fp8, slow=False),
    kind("fp8-experts", lambda folder: quantised.fp8(folder, "qwen3_moe")),
    kind("mxfp4", quantised.mxfp4),
    kind("rows-of-fp8", lambda f: quantised.compressed(f, "fp8"), "compressed_tensors"),
    kind("packed-int4", lambda f: quantised.compressed(f, "int4"), "compressed_tensors"),
]
KEPT = [
    kind("nf4", lambda folder: quantised.bnb(folder, 4), "bitsandbytes"),
    kind("int8", lambda folder: quantised.bnb(folder, 8), "bitsandbytes"),
]


def books_in(folder: Path) -> Path:
    (folder / "books").mkdir()
    (folder / "books/book.txt").write_text(TEXT * 3, encoding="utf-8")
    return folder / "books"


@pytest.mark.slow  # kept as they are: test_models_quantise.py
@quiet
@pytest.mark.parametrize("make", DEQUANTISED)
def test_dequantised_as_it_is_read(make, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    plain = make(tmp_path / "base")
    model, exact = (load_base(str(f), dtype="float32") for f in (tmp_path / "base", plain))
    assert "dequantised as they are read" in capfd.readouterr().err
    assert not is_quantised(model)
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, exact(IDS).logits)
    figures = rehearse("fp8", tmp_path / "base", tmp_path, books_in(tmp_path))
    assert figures.fresh_kl == 0.0
    assert figures.nll_after < figures.nll_before
    assert figures.merge_gap < 1e-4
    dialled = invoke("dial", figures.adapter, "--remeasure", "--export", "max")
    assert dialled.returncode == 0, dialled.stderr
    written = ("--prompt", "江湖", "--max-new-tokens", "2")
    assert invoke("generate", figures.adapter / "export/max", *written).returncode == 0


@quiet
@pytest.mark.parametrize("make", KEPT)
def test_bitsandbytes_stays_as_it_is(make, tmp_path: Path) -> None:
    plain = make(tmp_path / "base")
    model, exact = (load_base(str(f), dtype="float32") for f in (tmp_path / "base", plain))
    assert is_quantised(model)
    bits = 4 if getattr(model, "is_loaded_in_4bit", False) else 8
    with torch.no_grad():
        near = load_base(str(plain), dtype="float32", **{f"load_in_{bits}bit": True})
        assert torch.equal(model(IDS).logits, near(IDS).logits)  # the same as if made now
        assert not torch.equal(model(IDS).logits, exact(IDS).logits)
    assert kl(random_adapter(tmp_path / "base", spread=0.0).train(), IDS) == 0.0
    config = resolve(None, None, {}, [f"model.model_name_or_path={tmp_path / 'base'}"])
    assert getattr(as_its_files(config).model, f"load_in_{bits}bit")
    figures = rehearse("bnb", tmp_path / "base", tmp_path, books_in(tmp_path))
    assert base_of(figures.adapter).loading[f"load_in_{bits}bit"] is True
    assert figures.fresh_kl == 0.0
    assert figures.nll_after < figures.nll_before
    # LLM.int8() rounds activations too, which a merge doesn't.
    assert figures.merge_gap < (1e-4 if bits == 4 else 0.5)
    dialled = invoke("dial", figures.adapter, "--remeasure")
    assert dialled.returncode == 0, dialled.stderr
    merged = tmp_path / "again"
    done = invoke("merge", figures.adapter, "-o", merged)
    assert done.returncode == 0, done.stderr
    assert f"own files are in {bits} bits" in done.stderr
    assert "quantization_config" not in json.loads((merged / "config.json").read_text())


# gptqmodel leaves temporary folders to the garbage collector.
@pytest.mark.filterwarnings("ignore:Implicitly cleaning up")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@quiet
@pytest.mark.parametrize(
    "make",
    [kind("gptq", quantised.gptq, "gptqmodel"), kind("awq", quantised.awq, "gptqmodel")],
)
def test_gptq_and_awq_stay_as_they_are(make, tmp_path: Path) -> None:
    plain = make(tmp_path / "base")
    model, exact = (load_base(str(f), dtype="float32") for f in (tmp_path / "base", plain))
    assert is_quantised(model)
    with torch.no_grad():  # the packed products are computed in fp16
        assert torch.allclose(model(IDS).logits, exact(IDS).logits, atol=0.02)
    policy = random_adapter(tmp_path / "base", spread=0.0).train()
    assert kl(policy, IDS) == 0.0
    assert {"q_proj", "down_proj"} <= {name.split(".")[-4] for name in policy.trainable_state()}
    run = tmp_path / "run"
    settings = small_run(tmp_path / "base", books_in(tmp_path), run)
    trained = invoke("train", *settings, "training.max_steps=12")
    assert trained.returncode == 0, trained.stderr
    assert "styledial merge" not in trained.stderr
    summary = json.loads((run / "summary.json").read_text())
    assert summary["style_nll"] < summary["style_nll_base"]
    refused = invoke("merge", run, "-o", tmp_path / "again")
    assert refused.returncode == 2
    assert "--base" in refused.stderr
    # As that advises.
    moved = invoke("dial", run, "--base", plain, "--export", "max")
    assert moved.returncode == 0, moved.stderr
    written = next(path for path in tmp_path.rglob("max") if path.is_dir())
    merged = invoke("merge", written, "-o", tmp_path / "again")
    assert merged.returncode == 0, merged.stderr


@pytest.mark.parametrize(
    ("method", "named"),
    [
        ("gptq", "gptqmodel"),
        ("awq", "gptqmodel"),
        ("hqq", "can't be trained on here"),
        ("compressed-tensors", "pip install compressed-tensors"),
    ],
)
def test_what_is_missing_and_what_to_use_instead(method: str, named: str) -> None:
    reason = why_not({"quantization_config": {"quant_method": method}})
    if reason is None:
        pytest.skip(f"{method} works on this machine")
    assert named in reason[0]
    assert (
        "pip install" in reason[0] or "the unquantised model, usually of the same name" in reason[0]
    )


NF4 = {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False}
INT8 = {"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": True}
FP8 = {"quant_method": "fp8"}
GPTQ = {"quant_method": "gptq", "bits": 4}


@pytest.fixture
def hub(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """owner/nf4, int8, gptq and fp8: config.json alone says how the files are quantised."""
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    plain = json.loads((tiny_base / "config.json").read_text("utf-8"))
    bases = {
        f"owner/{name}": {"config.json": json.dumps(plain | {"quantization_config": how}).encode()}
        for name, how in (("nf4", NF4), ("int8", INT8), ("gptq", GPTQ), ("fp8", FP8))
    }
    with FakeHub(bases) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def named(base: object, *more: str):
    return resolve(None, None, {}, [f"model.model_name_or_path={base}", *more])


def test_files_of_a_hubs_model_that_is_not_here_decide(hub: FakeHub) -> None:
    for name, bits in (("nf4", (True, False)), ("int8", (False, True)), ("gptq", (False, False))):
        model = as_its_files(named(f"owner/{name}")).model
        assert (model.load_in_4bit, model.load_in_8bit) == bits
    config = named("owner/absent")
    assert as_its_files(config) == config


def test_a_command_asks_the_hub_once(hub: FakeHub) -> None:
    config = named("owner/gptq")
    as_its_files(config)
    allows_4bit(config)
    with pytest.raises(ModelError):
        plan(config, device="cpu")
    assert len(hub.asked("resolve")) == 1


def test_without_a_network_nobody_waits(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers tries five times, with 23 s in between."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"waits for {seconds} s"))
    config = named("owner/nf4")
    assert as_its_files(config) == config


@needs("bitsandbytes")
def test_four_bits_are_not_advised_for_quantised_files(hub: FakeHub, tiny_base: Path) -> None:
    assert allows_4bit(named(tiny_base))
    assert not allows_4bit(named("owner/gptq"))
    assert not allows_4bit(named("owner/fp8"))


def test_memory_of_gptq_is_not_planned(hub: FakeHub) -> None:
    with pytest.raises(ModelError, match=r"\(GPTQ\); memory is not planned"):
        plan(named("owner/gptq"), device="cpu")


@pytest.mark.parametrize(
    ("files", "bits", "how", "advice"),
    [
        (NF4, 4, {"use_peft": False}, "set use_peft: true, or name the unquantised model"),
        (GPTQ, None, {"use_peft": False}, "set use_peft: true, or name the unquantised model"),
        ({"quant_method": "awq"}, None, {"use_peft": False}, "or name the unquantised model"),
        (INT8, 8, {"use_dora": True}, "set use_dora: false, or name the unquantised model"),
        (FP8, 4, {"use_peft": False}, "set load_in_4bit: false"),
    ],
)
def test_advice_about_quantised_files_works(files: dict, bits, how: dict, advice: str) -> None:
    settings = {"use_peft": True, "use_dora": False} | how
    with pytest.raises(ModelError) as raised:
        check_use({"quantization_config": files}, bits, **settings)
    assert advice in raised.value.en
    assert "set load_in_4bit: true" not in raised.value.en


def test_dequantised_files_may_be_tuned_whole() -> None:
    check_use({"quantization_config": FP8}, None, use_peft=False, use_dora=True)


@quiet
@needs("bitsandbytes")
def test_start_plans_quantised_files_as_they_are(tmp_path: Path) -> None:
    plain = quantised.bnb(tmp_path / "base", 4)
    novels = Novels("books", 1, 100_000, True)
    small, large = (
        propose(novels, None, base=str(base), given={"data.max_length": "64"})
        for base in (tmp_path / "base", plain)
    )
    assert small.config.model.load_in_4bit
    assert small.planned
    assert large.planned
    assert small.planned.breakdown["weights"] < large.planned.breakdown["weights"]


@quiet
@pytest.mark.parametrize("setting", ["load_in_4bit", "load_in_8bit"])
def test_bits_of_what_is_quantised_already_are_refused(setting: str, tmp_path: Path) -> None:
    quantised.fp8(tmp_path / "base")
    with pytest.raises(ModelError, match=rf"model\.{setting}: the base's files are quantised"):
        load_base(str(tmp_path / "base"), **{setting: True})


@quiet
@pytest.mark.slow
def test_a_dequantised_base_is_tuned_whole(novels: Path, tmp_path: Path) -> None:
    quantised.fp8(tmp_path / "base")
    run = tmp_path / "run"
    settings = small_run(tmp_path / "base", novels, run)
    done = invoke("train", *settings, "model.use_peft=false", "max_steps=2", "learning_rate=0.0001")
    assert done.returncode == 0, done.stderr
    assert "quantization_config" not in json.loads((run / "config.json").read_text())
    with torch.no_grad():
        tuned, base = (load_base(str(folder))(IDS).logits for folder in (run, tmp_path / "base"))
    assert 0 < (tuned - base).abs().max() < 1
    done = invoke("generate", run, "--prompt", "江湖", "--max-new-tokens", "2")
    assert done.returncode == 0, done.stderr


@quiet
@needs("bitsandbytes")
def test_full_tuning_of_quantised_files_is_refused(novels: Path, tmp_path: Path) -> None:
    quantised.bnb(tmp_path / "base", 4)
    settings = small_run(tmp_path / "base", novels, tmp_path / "run")
    done = invoke("train", *settings, "model.use_peft=false")
    assert done.returncode == 2
    assert "quantised weights can't be trained themselves" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_base_that_has_moved_breaks_no_advice(tmp_path: Path) -> None:
    """--base says where it is now; the run still names the folder that is gone."""
    moved = Base(str(tmp_path / "gone"), loading={"load_in_4bit": True})
    (tmp_path / "base.json").write_text(json.dumps(asdict(moved)), encoding="utf-8")
    assert merges_into_its_base(tmp_path)
    assert "in 4 bits" in left_by_merge(tmp_path)[0]
