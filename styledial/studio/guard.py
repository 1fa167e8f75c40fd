"""Access rules of the studio's server: who may ask, from where, and for which paths.

host        on the loopback address, requests addressed to it by such a name only: a web page
            can't reach it through a name of its own
origin      requests that a page sends come from the studio's own page
password    elsewhere than on the loopback address, HTTP Basic on every request
path        those that the page needs; Gradio's routes for files, uploads and proxies aren't
answers     a content security policy that lets the page load nothing from elsewhere
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_MOST_BYTES = 16 << 20
_PATHS = re.compile(
    r"/|/report/.+|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt"
    r"|/(?:static|assets|svelte)/.+"
    r"|/gradio_api/(?:queue/(?:join|data)|run/predict|heartbeat/\w+|cancel|reset|app_id|info|startup-events"
    r"|login_check|theme\.css)/?"
)
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; worker-src 'self' blob:; manifest-src 'self'; "
    "frame-ancestors 'self'; base-uri 'self'; form-action 'self'"
)
_WAIT = 1.0  # seconds after a wrong password

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Guard:
    """ASGI middleware. `password` None: the loopback address, without one."""

    def __init__(self, app: Any, password: str | None) -> None:
        self._app, self._password = app, password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may be asked, answer the rest."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        status = await self._refused(scope, headers)
        if status:
            await _answer(send, status)
            return
        await self._app(scope, receive, _with_policy(send))

    async def _refused(self, scope: Scope, headers: dict[str, str]) -> int:
        """The status to refuse with, 0 for what is passed on."""
        host = headers.get("host", "")
        if self._password is None and re.sub(r":\d+$", "", host) not in LOOPBACK:
            return 403
        if "origin" in headers and re.sub(r"^https?://", "", headers["origin"]) != host:
            return 403
        if self._password is not None and not _knows(headers, self._password):
            if "authorization" in headers:
                await asyncio.sleep(_WAIT)
            return 401
        if not _PATHS.fullmatch(scope["path"]):
            return 404
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405
        if scope["method"] == "POST":
            length = headers.get("content-length", "")
            known = length.isascii() and length.isdigit()
            return 0 if known and int(length) <= _MOST_BYTES else 413
        return 0


def _knows(headers: dict[str, str], password: str) -> bool:
    """Whether the request has the password; its user name may be anything."""
    scheme, _, code = headers.get("authorization", "").partition(" ")
    try:
        said = base64.b64decode(code, validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return False
    return secrets.compare_digest(said.partition(b":")[2], password.encode())


def _with_policy(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [each for each in message["headers"] if each[0].lower() != b"server"]
            message = {**message, "headers": [*kept, *_headers()]}
        await send(message)

    return sending


def _headers() -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", _POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]


_SENTENCES = {
    401: "The studio's password, please; the user name may be anything.",
    403: "This address answers its own page only.",
    404: "No such page.",
    405: "No such method.",
    413: f"A request needs a length, of at most {_MOST_BYTES:,} bytes.",
}


async def _answer(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_headers()]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="StyleDial studio", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": _SENTENCES[status].encode()})
