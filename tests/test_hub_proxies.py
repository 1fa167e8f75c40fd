"""Proxies that the environment names and the HTTP library can't use: a sentence, no password."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from huggingface_hub.utils import close_session
from running import invoke

from styledial.errors import UserError
from styledial.hub.proxies import check_proxies

SOCKS = importlib.util.find_spec("socksio") is not None


@pytest.fixture(autouse=True)
def _no_session(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    close_session()
    yield
    close_session()


@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY", "HTTP_PROXY"])
@pytest.mark.parametrize(
    "value", ["::::", "http://host:port", "ftp://host:21", "http://me:secret@host:x"]
)
def test_an_address_that_is_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was an internal error of `download`, `train` and `models NAME`."""
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"{name} in the environment: no proxy") as raised:
        check_proxies()
    assert "secret" not in raised.value.en + raised.value.zh


@pytest.mark.skipif(SOCKS, reason="socksio is installed")
@pytest.mark.parametrize("command", [["download", "--to", "new", "--model"], ["models"]])
def test_socks_needs_a_package(
    command: list[str], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    done = invoke(*command, "owner/model")
    assert (done.returncode, "pip install socksio" in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["http://127.0.0.1:1080", "127.0.0.1:1080", ""])
def test_one_that_can_be_used(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    check_proxies()
