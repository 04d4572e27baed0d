"""tests.bench.performance: what is judged, what is refused, what is written, and what the load generator counts."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.bench.performance import capacity, http_rows, job_rows, load, report
from tests.bench.performance.load import Request, Server
from tests.bench.performance.rows import Row, Target, alternate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROW = Row("Submit", "/s", 1_037, 24_371, 0.0426, 364, 2.85, Target(0.0426, 0.22, "of floor"), 0.4, noise=0.02)
MARKERS = "<!-- begin: written by make bench -->\nold\n<!-- end: written by make bench -->"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    body = b'{"id": 1}'

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield Server(running.server_address[1], [])
        running.shutdown()


@pytest.mark.parametrize(
    ("figure", "is_minimum", "verdict"),
    [(2, True, "met"), (1, True, "MISSED"), (2, False, "MISSED"), (1, False, "met")],
)
def test_target_is_met_on_the_right_side_of_its_bound(figure: float, is_minimum: bool, verdict: str) -> None:
    assert Row("", "", figure, target=Target(figure, 1.5, is_minimum=is_minimum)).verdict == verdict


def test_bound_of_time_grows_with_the_slowness_of_the_machine() -> None:
    target = Target(29, 20, "ms", is_minimum=False, slowness=1.5)
    assert target.is_met
    assert str(target) == "<= 20 ms x 1.5"
    assert not Target(31, 20, "ms", is_minimum=False, slowness=1.5).is_met


def test_refused_row_is_neither_met_nor_missed() -> None:
    refused = Row("", "", 2, target=Target(2, 1), is_refused=True)
    assert refused.verdict == "refused (met)"


def test_table_shows_ratios_target_and_noise() -> None:
    line = report.table([ROW]).splitlines()[1].split("  ")
    shown = [text.strip() for text in line if text.strip()]
    assert shown == [
        "Submit",
        "1,037/s",
        "24,371",
        "0.043",
        "364",
        "2.85",
        ">= 0.22 of floor",
        "MISSED",
        "0.02",
        "0.40",
    ]


def test_page_is_replaced_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKERS}\nafter\n")
    report.write_markdown(page, report.markdown([ROW], {"machine": "2 cores"}))
    text = page.read_text()
    assert text.startswith("before\n<!-- begin")
    assert text.endswith("-->\nafter\n")
    assert "old" not in text
    assert "| Submit | 1,037/s | 24,371 |" in text
    assert "- machine: 2 cores" in text


def test_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="0 pairs of markers"):
        report.write_markdown(page, "text")


def test_capacity_is_calculated_from_the_costs_of_tiny_jobs() -> None:
    rows = [
        Row(http_rows.SUBMIT, "/s", 1_000),
        Row(http_rows.SUBMIT_COST, "us CPU", 900),
        Row(http_rows.SUBMIT_STORE_COST, "us CPU", 60),
        Row(job_rows.DRAIN, "/s", 2_000),
        Row(job_rows.DRAIN_COST, "us CPU", 700),
        Row(job_rows.DRAIN_STORE_COST, "us CPU", 140, is_refused=True),
        Row(job_rows.JOB_MEMORY, "bytes", 1_024),
    ]
    text = capacity.markdown(rows, {"measured": "today", "machine": "2 cores"})
    assert "| store, one core | 60 us to submit it, 140 us to run it | 5,000 jobs/s" in text
    assert "| 1,024 bytes while its record is kept | 1,048,576 jobs |" in text
    assert text.endswith("on today: 2 cores; 1 rows refused.")


def test_json_has_the_verdict(tmp_path: Path) -> None:
    report.write_json(tmp_path / "new/figures.json", [ROW], {})
    (row,) = json.loads((tmp_path / "new/figures.json").read_text())["rows"]
    assert row["verdict"] == "MISSED"


def test_cells_alternate_and_the_first_turn_is_not_counted() -> None:
    order: list[str] = []
    found = alternate(2, {"a": lambda: order.append("a"), "b": lambda: order.append("b")})
    assert order == ["b", "a", "a", "b", "b", "a"]
    assert {name: len(turns) for name, turns in found.items()} == {"a": 2, "b": 2}


def test_load_generator_sends_the_exact_number_of_requests(server: Server) -> None:
    numbers: list[int] = []

    def make(number: int) -> bytes:
        numbers.append(number)
        return load.post("/", b"{}")

    found = load.run(server, Request(make, b'"id"'), connections=3, requests=20)
    assert sorted(numbers) == list(range(1, 21))
    assert (found.requests, found.body_bytes) == (20, 20 * len(Handler.body))
    assert len(found.latencies) == 20


def test_load_generator_fails_on_an_unexpected_response(server: Server) -> None:
    with pytest.raises(AssertionError, match=r"HTTP/1\.1 200"):
        load.run(server, Request(lambda _: load.post("/", b"{}"), b"another"), connections=1, requests=1)
