"""A proxy before llama.cpp's server, which turns a model's name into the LoRA's scale.

Everything else is llama.cpp's: templates, sampling, streaming, slots. This listens on the loopback
address alone, answers only requests addressed to it by such a name (a web page can't reach it
through a name of its own), and passes on two paths.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from styledial.errors import UserError
from styledial.serving.engine import Engine
from styledial.serving.names import Names

HOST = "127.0.0.1"
_PATHS = ("/v1/chat/completions", "/v1/completions")
_MOST_BYTES = 64 << 20  # JSON may write a character of three bytes in six
_LOOPBACK = ("127.0.0.1", "localhost")


def _all_paths() -> str:
    return f"this server has /v1/models, {' and '.join(_PATHS)}"


def listening(names: Names, port: int) -> Server:
    """A server on 127.0.0.1; give it its `engine`, then `serve_forever`. Raises UserError for a
    port that is taken, before an engine is loaded for minutes."""
    try:
        return Server((HOST, port), names)
    except OSError as error:
        raise UserError(
            f"--port {port}: cannot be listened on ({error.strerror}); choose another, or 0 for "
            "a free one.",
            f"--port {port}：无法监听（{error.strerror}）；请换一个端口，或用 0 自动选择。",
        ) from None


class Server(ThreadingHTTPServer):
    """Passes requests for `names` on to `engine`."""

    daemon_threads = True
    allow_reuse_address = False  # two servers on a port would take turns on some systems
    engine: Engine

    def __init__(self, address: tuple[str, int], names: Names) -> None:
        super().__init__(address, _Handler)
        self.names = names

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves early is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.0"  # the end of the connection ends a stream

    def do_GET(self) -> None:
        """The list of models."""
        if not self._is_local():
            return
        if self.path == "/v1/models":
            models = [{"id": name, "object": "model"} for name in self.server.names.listed()]
            self._json(200, {"object": "list", "data": models})
        elif self.path == "/health":
            self._json(200, {"status": "ok"})
        else:
            self._error(404, f"{self.path[:80]}: no such path; {_all_paths()}")

    def do_POST(self) -> None:
        """A completion, at the strength that the model's name has in it."""
        if not self._is_local():
            return
        if self.path not in _PATHS:
            self._error(404, f"{self.path[:80]}: no such path; {_all_paths()}")
            return
        try:
            asked = self._asked()
            scale = self.server.names.scale_of(str(asked.get("model") or self.server.names.name))
        except UserError as error:
            self._error(400, str(error))
            return
        self._pass_on({**asked, "lora": [{"id": 0, "scale": scale}]})

    def _asked(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > _MOST_BYTES:
            raise UserError(
                f"the request needs a Content-Length of at most {_MOST_BYTES:,} bytes.",
                f"请求须有 Content-Length，且不超过 {_MOST_BYTES:,} 字节。",
            )
        try:
            found = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise UserError("the request is not a JSON object.", "请求不是 JSON 对象。")
        return found

    def _pass_on(self, asked: dict[str, Any]) -> None:
        request = urllib.request.Request(
            self.server.engine.address + self.path,
            data=json.dumps(asked).encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self.server.engine.key}",
            },
        )
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error  # it is an answer too: the engine says what is wrong
        except urllib.error.URLError as error:
            self._error(502, f"llama.cpp doesn't answer ({error.reason})")
            return
        with answer:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
            self.end_headers()
            while piece := answer.read1(1 << 16):
                self.wfile.write(piece)
                self.wfile.flush()

    def _is_local(self) -> bool:
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host in _LOOPBACK:
            return True
        self._error(403, "this server answers requests to 127.0.0.1 and localhost only")
        return False

    def _error(self, status: int, message: str) -> None:
        self._json(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def _json(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Prompts stay out of the terminal."""
