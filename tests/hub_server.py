"""A hub on loopback: enough of Hugging Face's and ModelScope's protocols for their own clients.

hub = FakeHub({"owner/name": {"config.json": b"..."}})
hub.cut["model.safetensors"] = [1000, 5000]     the next two answers end after so many bytes
hub.corrupt["config.json"] = 1                  the next answer has a wrong byte
hub.gated["owner/name"] = "hf_good"             401 unless this token comes
hub.requests                                    (method, path, headers) of what was asked
"""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_LARGE = 10_000  # from here on a file lives on the "CDN", behind a redirect


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class FakeHub:
    def __init__(self, repositories):
        self.repositories = repositories
        self.cut, self.corrupt, self.gated, self.requests = {}, {}, {}, []
        self.pause = 0.0  # seconds between pieces of 64 kB
        self.ignore_ranges = False
        self.broken = 0  # so many answers of HTTP 503 first
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def cdn(self):
        """The same server under another name, as a CDN is another host."""
        return f"http://localhost:{self._server.server_address[1]}/cdn"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self, part):
        return [entry for entry in self.requests if part in entry[1]]


def _handler(hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            return

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            self.body = body
            url = urlsplit(self.path)
            sent = {key.lower(): value for key, value in self.headers.items()}
            hub.requests.append((self.command, self.path, sent))
            path, query = unquote(url.path), parse_qs(url.query)
            if hub.broken:
                hub.broken -= 1
                return self.reply(503, b"")
            if path.startswith("/cdn/"):
                _, _, repo_a, repo_b, name = path.split("/", 4)
                return self.file(name, hub.repositories[f"{repo_a}/{repo_b}"][name])
            if path.startswith("/api/v1/models/"):
                return self.modelscope(path, query)
            return self.huggingface(path)

        def huggingface(self, path):
            listing = path.startswith("/api/models/")
            parts = path.removeprefix("/api/models").strip("/").split("/")
            repo = "/".join(parts[:2])
            if repo not in hub.repositories:
                return self.reply(401, b"{}", {"X-Error-Message": "Invalid credentials"})
            token = hub.gated.get(repo)
            if token and self.headers.get("Authorization") != f"Bearer {token}":
                return self.reply(401, b"{}", {"X-Error-Code": "GatedRepo"})
            files = hub.repositories[repo]
            if listing and parts[2:3] == ["tree"]:
                return self.json([_entry(name, data) for name, data in files.items()])
            if listing:
                if parts[2:3] == ["revision"] and parts[3] not in ("main", COMMIT):
                    return self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                siblings = [_sibling(name, data) for name, data in files.items()]
                return self.json({"id": repo, "sha": COMMIT, "siblings": siblings})
            name = "/".join(parts[4:])
            if name not in files:
                return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})
            data = files[name]
            mark = {"X-Repo-Commit": COMMIT}
            if len(data) < _LARGE:
                return self.file(name, data, mark | {"ETag": f'"{git_sha1(data)}"'})
            linked = {
                "X-Linked-Etag": f'"{sha256(data)}"',
                "X-Linked-Size": str(len(data)),
                "Location": f"{hub.cdn}/{repo}/{name}?signature=1",
            }
            return self.reply(302, b"", mark | linked)

        def modelscope(self, path, query):
            parts = path.removeprefix("/api/v1/models/").split("/")
            repo = "/".join(parts[:2])
            if repo not in hub.repositories:
                return self.json({"Code": 404, "Message": "no such model"}, 404)
            files = hub.repositories[repo]
            if parts[2:] == ["repo", "files"]:
                entries = [
                    {
                        "Path": name,
                        "Name": name,
                        "Size": len(data),
                        "Sha256": sha256(data),
                        "Type": "blob",
                        "Revision": COMMIT,
                    }
                    for name, data in files.items()
                ]
                return self.json({"Code": 200, "Data": {"Files": entries}})
            if parts[2:] == ["repo"]:
                name = query["FilePath"][0]
                return self.reply(302, b"", {"Location": f"{hub.cdn}/{repo}/{name}?s=1"})
            return self.json({"Code": 200, "Data": {}})

        def file(self, name, data, headers=()):
            wrong = hub.corrupt.get(name, 0)
            if wrong and self.body:
                hub.corrupt[name] = wrong - 1
                data = bytes([data[0] ^ 255]) + data[1:]
            start, status, more = 0, 200, {"Accept-Ranges": "bytes", **dict(headers)}
            asked = self.headers.get("Range", "")
            if asked.startswith("bytes=") and not hub.ignore_ranges:
                start = int(asked[6:].split("-")[0])
                if start >= len(data):
                    return self.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                status = 206
                more["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            ends = hub.cut.get(name) if self.body else None
            return self.reply(status, data[start:], more, ends.pop(0) if ends else None)

        def json(self, value, status=200):
            return self.reply(
                status, json.dumps(value).encode(), {"Content-Type": "application/json"}
            )

        def reply(self, status, data, headers=(), ends_after=None):
            self.send_response(status)
            for key, value in dict(headers).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if not self.body:
                return
            sent = data if ends_after is None else data[:ends_after]
            try:
                for at in range(0, len(sent), 65536):
                    self.wfile.write(sent[at : at + 65536])
                    if hub.pause:
                        time.sleep(hub.pause)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            if ends_after is not None:
                self.close_connection = True

    return Handler


def _sibling(name, data):
    entry = {"rfilename": name, "size": len(data), "blobId": git_sha1(data)}
    if len(data) >= _LARGE:
        entry["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 130}
    return entry


def _entry(name, data):
    entry = {"type": "file", "path": name, "size": len(data), "oid": git_sha1(data)}
    if len(data) >= _LARGE:
        entry["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
    return entry
