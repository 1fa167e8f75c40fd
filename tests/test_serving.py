"""llama.cpp's server with strengths as names of models, asked over HTTP as its users do."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exports import exported
from running import invoke
from tiny_models import build

from styledial.dial import SCALES, DialPoint, scale_for
from styledial.errors import UserError
from styledial.serving.names import Names

POINTS = [DialPoint(s, 0.2 * s**2, 5 - s, 4.0) for s in SCALES]
IDS = list(range(5, 25))


@pytest.mark.parametrize(
    ("model", "scale"),
    [
        ("style", 1.0),
        ("style@base", 0.0),
        ("style@0", 0.0),
        ("style@0.08", scale_for(POINTS, 0.08)),
        ("style@light", scale_for(POINTS, 0.065)),
        ("style@轻微", scale_for(POINTS, 0.065)),
        ("style@max", SCALES[-1]),
    ],
)
def test_a_name_is_a_scale(model: str, scale: float) -> None:
    assert Names("style", POINTS).scale_of(model) == scale


@pytest.mark.parametrize(
    "model", ["other", "style@", "style@huge", "style@nan", "style@-1", "style@9", "../style"]
)
def test_a_name_that_is_not_served(model: str) -> None:
    with pytest.raises(UserError, match=r"is not served|reaches strengths"):
        Names("style", POINTS).scale_of(model)
    with pytest.raises(UserError, match="is not served"):
        Names("style", []).scale_of("style@0.08")


def test_a_folder_s_name_may_have_an_at_in_it() -> None:
    names = Names("novel@v2", POINTS)
    assert [names.scale_of(each) for each in ("novel@v2", "novel@v2@base")] == [1.0, 0.0]
    with pytest.raises(UserError, match="is not served"):
        names.scale_of("novel@light")


def test_serve_without_a_gguf_base_is_an_error(dialled_run: Path) -> None:
    """It printed how other engines are started, served nothing and ended with 0."""
    done = invoke("serve", dialled_run)
    assert done.returncode == 2
    assert "--base-gguf BASE.gguf" in done.stderr
    assert "--to vllm" in done.stderr


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tiny Llama with a strong adapter."""
    pytest.importorskip("xllamacpp", reason="llama.cpp (the extra llamacpp) is not installed")
    pytest.importorskip("gguf", reason="the extra gguf is not installed")
    from gguf_bases import write_base

    from styledial.models.gguf_lora import write_gguf_lora
    from styledial.serving import engine
    from styledial.serving.proxy import listening

    folder = tmp_path_factory.mktemp("served")
    base = build("llama", folder / "base", kind="llama")
    adapter, _, _ = exported(base, folder)
    write_base(base, folder / "base.gguf", "llama", heads_interleaved=True)
    write_gguf_lora(adapter, base, folder / "lora.gguf", name="style")
    with listening(Names("style", POINTS), 0) as server:
        server.engine = engine.start(
            folder / "base.gguf", folder / "lora.gguf", name="style", context=256, parallel=2
        )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def ask(address: str, path: str, content: Any = None, **headers: str) -> tuple[int, str]:
    data = None if content is None else json.dumps(content).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address + path, data=data, headers=headers)
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def completion(address: str, model: str, **how: Any) -> tuple[int, str]:
    asked = {"model": model, "prompt": IDS, "max_tokens": 12, "temperature": 0, **how}
    return ask(address, "/v1/completions", asked)


def text(address: str, model: str) -> str:
    return json.loads(completion(address, model)[1])["choices"][0]["text"]


def test_each_name_writes_at_its_strength(address: str) -> None:
    _, listed = ask(address, "/v1/models")
    names = [each["id"] for each in json.loads(listed)["data"]]
    assert names == ["style", "style@light", "style@medium", "style@strong", "style@base"]
    written = {name: text(address, name) for name in ("style@base", "style@0.02", "style")}
    assert len(set(written.values())) == 3
    assert json.loads(completion(address, "style")[1])["model"] == "style"  # and no path
    assert {name: text(address, name) for name in reversed(written)} == written


def test_two_at_once_keep_their_strengths(address: str) -> None:
    alone = {name: text(address, name) for name in ("style@base", "style")}
    found: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda name=name: found.update({name: text(address, name)}))
        for name in alone
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_a_stream_is_passed_on(address: str) -> None:
    _, whole = completion(address, "style@0.02", stream=True)
    lines = [line.removeprefix("data: ") for line in whole.split("\n") if line.startswith("data")]
    assert lines[-1] == "[DONE]"
    pieces = [json.loads(line)["choices"] for line in lines[:-1]]
    assert "".join(each[0]["text"] for each in pieces if each) == text(address, "style@0.02")


def test_what_is_refused(address: str) -> None:
    assert completion(address, "style@9")[0] == 400
    status, said = completion(address, "other")
    assert status == 400
    assert "There are style, style@light" in said
    assert "this server has /v1/models" in ask(address, "/")[1]
    assert ask(address, "/v1/models", Host="evil.example")[0] == 403
    assert ask(address, "/lora-adapters")[0] == 404
    assert ask(address, "/slots/0?action=save", {})[0] == 404
    assert ask(address, "/v1/completions", [1])[0] == 400
    assert completion(address, "style", prompt=[5] * 1_000)[0] == 400  # longer than the context


@pytest.mark.slow  # wrong ones: test_what_is_refused
def test_hostile_requests_are_answered(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    huge = "门" * 3_400_000  # 10 MB in UTF-8
    assert completion(address, "style", prompt=huge)[0] in (200, 400)  # llama.cpp's to say
    assert completion(address, "style", prompt="a\x00\x1b[2J\ud800")[0] in (200, 400)
    assert completion(address, "style\ud800\x1b[2J")[0] == 400
    assert completion(address, "../../etc/passwd")[0] == 400
    assert raw(address, b"[" * 1_000_000) == 400  # deeper than json goes
    assert raw(address, b"\xff\xfe") == 400
    assert raw(address, b"", length="\xb2") == 400
    assert raw(address, b"", length=str(65 << 20)) == 400
    left = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))
    left.sendall(b"POST /v1/completions HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 90\r\n\r\n")
    left.close()  # without its 90 bytes
    assert completion(address, "style")[0] == 200
    assert "Traceback" not in "".join(capfd.readouterr())


def raw(address: str, body: bytes, length: str = "") -> int:
    """The status for a body that isn't JSON."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    connection.putrequest("POST", "/v1/completions")
    connection.putheader("Content-Length", length.encode("latin-1") or str(len(body)))
    connection.endheaders()
    connection.send(body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_port_that_is_taken_is_said() -> None:
    from styledial.serving.proxy import listening

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match=r"--port .*choose another"):
            listening(Names("style", []), taken.getsockname()[1])
