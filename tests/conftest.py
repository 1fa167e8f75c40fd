"""Shared pieces: a 2-layer model that really trains, made once per test run."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
# Sentences are compared in English; the Chinese ones are asked for where they are tested.
os.environ["STYLEDIAL_LANG"] = "en"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Tiny matrices: a second thread costs more than it brings, far more on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Anchor text that one test's base wrote is kept for the other tests', and not in the user's cache.
_home = tempfile.TemporaryDirectory(prefix="styledial-tests-")
os.environ["STYLEDIAL_HOME"] = _home.name
# A test never asks the hub; the libraries read this once, at import.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The material beside the project; tests that need it skip where it isn't."""
    folder = Path(os.environ.get("STYLEDIAL_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("../shared is not here: real novels and oracles are needed for this test")
    return folder


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """made_once(name, make): a folder that make(folder) fills in whichever worker asks first; for
    all to read."""
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        place, done = common / f"all-{name}", common / f"all-{name}.done"
        with FileLock(common / f"all-{name}.lock"):
            if not done.exists():
                make(place)
                done.touch()
        return place

    return folder


@pytest.fixture(scope="session")
def tiny_base(made_once: Callable[..., Path]) -> Path:
    """A 2-layer Qwen2 with a character tokenizer, briefly trained on the package's modern prose."""
    return made_once("base", train_base)


def train_base(folder: Path) -> None:
    import build_base
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from styledial.data.pack import pack

    torch.manual_seed(0)
    texts = build_base.texts("modern")[:6]
    tokenizer = build_base.character_tokenizer(texts + build_base.texts("wuxia"))
    end = len(tokenizer) - 1
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=end,
        )
    )
    rows = pack(build_base.as_passages(texts), tokenizer, 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(60):
        chosen = [(step * 16 + i) % len(rows) for i in range(16)]
        build_base.mean_nll(model, rows, chosen).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="session")
def novels(made_once: Callable[..., Path]) -> Path:
    """A folder with the package's sample novel as two books."""
    from styledial.data.texts import ASSETS

    def write(folder: Path) -> None:
        folder.mkdir()
        files = sorted((ASSETS / "wuxia").glob("*.txt"))[:4]
        for name, part in (("one.txt", files[:2]), ("two.txt", files[2:])):
            text = "\n".join(path.read_text(encoding="utf-8") for path in part)
            (folder / name).write_text(text, encoding="utf-8")

    return made_once("novels", write)


@pytest.fixture(scope="session")
def finished_run(tiny_base: Path, novels: Path, made_once: Callable[..., Path]) -> Path:
    """A run in which nothing goes wrong, with its evaluation; what it said is in said.txt beside
    it."""
    from pathologies import HEALTHY, settings_of
    from running import invoke, small_run

    def train(folder: Path) -> None:
        settings = [*small_run(tiny_base, novels, folder / "run")]
        settings += settings_of(HEALTHY, novels, folder)
        done = invoke("train", "--preset", "quick", *settings)
        assert done.returncode == 0, done.stderr
        (folder / "said.txt").write_text(done.stderr, encoding="utf-8")

    return made_once("finished", train) / "run"


@pytest.fixture(scope="session")
def strong_run(tiny_base: Path, novels: Path, made_once: Callable[..., Path]) -> Path:
    """A run at 0.15, its dial not measured: to be copied by those who measure and export."""
    from running import invoke, small_run

    def train(folder: Path) -> None:
        settings = [*small_run(tiny_base, novels, folder), "max_steps=80", "kl_beta=0.15"]
        done = invoke("train", *settings)
        assert done.returncode == 0, done.stderr

    return made_once("strong", train)


@pytest.fixture(scope="session")
def dialled_run(strong_run: Path, made_once: Callable[..., Path]) -> Path:
    """The same with its dial measured."""
    from running import invoke

    def dial(folder: Path) -> None:
        assert invoke("dial", shutil.copytree(strong_run, folder)).returncode == 0

    return made_once("dialled", dial)


@pytest.fixture(scope="session")
def reported_run(
    tiny_base: Path,
    novels: Path,
    made_once: Callable[..., Path],
) -> Path:
    """A run with its report, figures and all, and a dial of a known curve, written afterwards."""
    from running import invoke, small_run
    from test_dial import CURVE

    from styledial.dial import FILE, as_json
    from styledial.files import write_json

    def train(folder: Path) -> None:
        settings = [*small_run(tiny_base, novels, folder), "max_steps=24"]
        done = invoke("train", *settings, whole_end=True)
        assert done.returncode == 0, done.stderr
        write_json(folder / FILE, as_json(0.1, CURVE, {"style_nll": 5.0, "general_nll": 4.0}))

    return made_once("reported", train)


@pytest.fixture
def with_card(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """with_card(card): this machine's GPU."""
    from styledial.memory import gpus

    return lambda card: monkeypatch.setattr(gpus, "found_card", lambda: card)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache with nothing in it."""
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
