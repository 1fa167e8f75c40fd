"""Variables of the environment with a value that a library can't read: one sentence that names it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from running import ENV, invoke

from styledial.variables import blamed


def _raised(run) -> BaseException:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever the library raises
        run()
    return raised.value


def test_the_variable_that_a_library_names(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._logging._internal as logs

    monkeypatch.setenv("TORCH_LOGS", "nonsense")
    said = blamed(_raised(lambda: logs._parse_log_settings(os.environ["TORCH_LOGS"])))
    assert said is not None
    assert said.en.startswith("TORCH_LOGS=nonsense in the environment")
    assert "unset TORCH_LOGS" in said.zh


def test_a_folder_that_is_a_file(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    said = blamed(_raised((tmp_path / "file/hub").mkdir))
    assert said is not None
    assert "HF_HOME" in said.en


@pytest.mark.parametrize(
    "error",
    [
        ValueError("max_steps has to be positive"),
        RuntimeError("out of memory; try PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"),
        KeyError("HOME"),
        KeyError("1"),
        ValueError("HF_TOKEN: 'hf_secret' is not a token"),
    ],
)
def test_other_errors_are_no_variables_fault(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert blamed(error) is None


@pytest.mark.parametrize("address", ["not a url", "ftp://hub", "http://"])
def test_an_address_that_is_none(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    done = invoke("download", "--model", "owner/name")
    assert done.returncode == 2
    assert f"HF_ENDPOINT={address}: is not the address of a hub" in done.stderr


@pytest.mark.slow  # its parts: above
def test_a_command_says_it_in_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "styledial", "generate", "bundled", "--prompt", "江湖"],
        env={**ENV, "TORCH_LOGS": "nonsense"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "unset TORCH_LOGS" in done.stderr
    assert "Traceback" not in done.stderr
