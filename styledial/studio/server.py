"""The page behind its guard, on one port."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from styledial.errors import StyleDialError, UserError
from styledial.studio.places import Places

_THEME_FONTS = ["system-ui", "-apple-system", "Segoe UI", "PingFang SC", "Noto Sans CJK SC",
                "Microsoft YaHei", "sans-serif"]  # fmt: skip


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections, which wait until they are served.

    Raises UserError for an address or a port that is not available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    if os.name != "nt":
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen()
    except OSError as error:
        taken.close()
        raise UserError(
            f"{host}:{port}: cannot be listened on ({error.strerror}); choose another --port, or "
            "0 for a free one.",
            f"{host}:{port}：无法监听（{error.strerror}）；请换一个 --port，或用 0 自动选择。",
        ) from None
    return taken


def serve(app: Any, taken: socket.socket) -> None:
    """Serve the `application` until the process is asked to stop. Call within `private_files`."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="critical",  # else it logs every connection that Ctrl-C closes
        server_header=False,
        timeout_graceful_shutdown=1,
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[taken])


@contextmanager
def private_files() -> Iterator[None]:
    """In this block Gradio sends no requests, and writes only into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="styledial-studio-") as folder:
        os.environ.update(
            GRADIO_ANALYTICS_ENABLED="False",
            GRADIO_TEMP_DIR=folder,
            HF_HUB_DISABLE_TELEMETRY="1",
        )
        yield


def application(places: Places, password: str | None) -> Any:
    """The ASGI application, on a loopback address alone where `password` is None. Takes seconds;
    call within `private_files`."""
    import gradio as gr
    from fastapi import FastAPI

    from styledial.studio.actions import Actions
    from styledial.studio.desk import Desk
    from styledial.studio.guard import Guard
    from styledial.studio.html import CSS
    from styledial.studio.jobs import Jobs
    from styledial.studio.page import Page

    page = Page(Actions(places, Desk(), Jobs(places.runs_in[0]))).blocks()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _serve_reports(app, places)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=gr.themes.Base(font=_THEME_FONTS, font_mono=["ui-monospace", "monospace"]),
        css=CSS.read_text(encoding="utf-8"),
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        blocked_paths=[str(Path(Path.cwd().anchor or "/"))],
        max_file_size=1,
        ssr_mode=False,
        enable_monitoring=False,
        show_error=False,
        pwa=False,
        mcp_server=False,
    )
    return Guard(app, password)


def _serve_reports(app: Any, places: Places) -> None:
    """/report/KEY: a run's report, generated from its data; the report file itself is not
    trusted."""
    from fastapi.responses import HTMLResponse, PlainTextResponse

    from styledial.report import report_page

    def report(key: str) -> Any:
        try:
            return HTMLResponse(report_page(places.run(key)))
        except StyleDialError as error:
            return PlainTextResponse(str(error), status_code=404)

    app.get("/report/{key:path}")(report)
