"""llama.cpp's own converters beside ours: the same GGUF LoRA, and a merge that they take.

STYLEDIAL_LLAMA_CPP names a folder with llama.cpp's convert_*.py, of its repository or of the source
package of llama-cpp-python.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from running import invoke
from test_gguf_lora import FAMILIES, adapter_on

from styledial.models.gguf_lora import write_gguf_lora

gguf = pytest.importorskip("gguf", reason="the extra gguf is not installed")


@pytest.fixture(scope="module")
def llama_cpp() -> Path:
    folder = Path(os.environ.get("STYLEDIAL_LLAMA_CPP", ""))
    if not (folder / "convert_lora_to_gguf.py").is_file():
        pytest.skip("STYLEDIAL_LLAMA_CPP doesn't name a folder with llama.cpp's converters")
    return folder


def tensors(file: Path) -> dict[str, np.ndarray]:
    return {each.name: np.array(each.data) for each in gguf.GGUFReader(file).tensors}


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_lora_is_the_one_that_llama_cpp_writes(
    kind: str, llama_cpp: Path, tmp_path: Path
) -> None:
    base, adapter = adapter_on(kind, tmp_path)
    write_gguf_lora(adapter, base, tmp_path / "ours.gguf", name="tiny")
    theirs = tmp_path / "theirs.gguf"
    command = [sys.executable, str(llama_cpp / "convert_lora_to_gguf.py"), str(adapter)]
    command += ["--base", str(base), "--outtype", "f32", "--outfile", str(theirs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected, found = tensors(theirs), tensors(tmp_path / "ours.gguf")
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_failure_of_the_converter_is_one_sentence(
    llama_cpp: Path, dialled_run: Path, tmp_path: Path
) -> None:
    """It knows tokenizers by name, and not the tests' own."""
    out = tmp_path / "out"
    how = ("--llama-cpp", llama_cpp, "--strength", "0.05", "--no-measure", "-o", out)
    done = invoke("export", dialled_run, "--to", "gguf", *how)
    assert done.returncode == 1
    assert "convert_hf_to_gguf.py: failed" in done.stderr
    assert not out.exists()
