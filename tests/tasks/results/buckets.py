"""A minimal S3 server on loopback: the requests that ObjectStore sends, and the failures of real servers."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "results"

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",  # belongs to no account
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


@dataclass
class Bucket:
    """Its files, the requests received, and how it responds: with `failure` to every request, after `delay` seconds."""

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    failure: tuple[int, str] | None = None
    delay: float = 0
    unresponsive: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def bucket() -> Iterator[Bucket]:
    """Serves a bucket until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.bucket = running = Bucket(server.server_address[1])  # type: ignore[attr-defined] # for the handler
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield running
    finally:
        running.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        data = self._body()
        if self._fails("PUT"):
            return
        self._bucket.files[self._key] = data
        self._respond(200, ETag=f'"{hash(data)}"')

    def do_GET(self) -> None:
        if self._fails("GET"):
            return
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if "list-type" in query:
            self._respond(200, self._listing(query.get("prefix", ""), query.get("delimiter")))
            return
        data = self._bucket.files.get(self._key)
        if data is None:
            self._respond(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        size, part = len(data), re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if part is None:
            self._respond(200, data)
            return
        start, stop = part[1], part[2]
        low = int(start) if start else max(size - int(stop), 0)
        high = min(int(stop) + 1, size) if start and stop else size
        self._respond(206, data[low:high], **{"Content-Range": f"bytes {low}-{high - 1}/{size}"})

    def do_POST(self) -> None:
        keys = re.findall(rb"<Key>(.*?)</Key>", self._body())
        if self._fails("POST"):
            return
        for key in keys:
            self._bucket.files.pop(key.decode(), None)
        deleted = b"".join(b"<Deleted><Key>%s</Key></Deleted>" % key for key in keys)
        self._respond(200, b"<DeleteResult>%s</DeleteResult>" % deleted)

    def log_message(self, *_: object) -> None:
        """Logs nothing: tests look at `requests`."""

    @property
    def _bucket(self) -> Bucket:
        found: Bucket = self.server.bucket  # type: ignore[attr-defined] # see `bucket`
        return found

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{NAME}/")

    def _listing(self, prefix: str, delimiter: str | None) -> bytes:
        keys = sorted(key for key in self._bucket.files if key.startswith(prefix))
        folders = set()
        if delimiter:
            deeper = [key for key in keys if delimiter in key[len(prefix) :]]
            folders = {prefix + key[len(prefix) :].split(delimiter)[0] + delimiter for key in deeper}
            keys = [key for key in keys if key not in deeper]
        files = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00Z</LastModified>"
            f"<Size>{len(self._bucket.files[key])}</Size><ETag>x</ETag></Contents>"
            for key in keys
        )
        common = "".join(f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in sorted(folders))
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{files}{common}</ListBucketResult>".encode()

    def _fails(self, method: str) -> bool:
        self._bucket.requests.append(f"{method} {self.path}")
        if self._bucket.unresponsive.is_set():
            self._bucket.stopped.wait(60)
            self.close_connection = True
            return True
        self._bucket.stopped.wait(self._bucket.delay)
        if self._bucket.failure is not None:
            status, code = self._bucket.failure
            self._respond(status, f"<Error><Code>{code}</Code></Error>".encode())
            return True
        return False

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _respond(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        known = {"Content-Length": str(len(body)), "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "ETag": '"x"'}
        for name, value in (known | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
