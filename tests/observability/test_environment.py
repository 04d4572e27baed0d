"""Variables of libraries never end a program, and never lead a connection to this machine through a proxy."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import pytest

from observability import environment, telemetry
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROXIES = ("all_proxy", "http_proxy", "https_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Variables are restored after each test, also those that it lets the module remove."""
    before = dict(os.environ)
    for name in PROXIES:
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    yield
    os.environ.clear()
    os.environ |= before


UNUSABLE = {
    "OTEL_PROPAGATORS": ["b3", "tracecontext,b3", "-"],
    "OTEL_PYTHON_CONTEXT": ["nothing"],
    "OTEL_PYTHON_TRACER_PROVIDER": ["sdk_tracer_provider", "nothing"],
    "OTEL_PYTHON_METER_PROVIDER": ["nothing"],
    "OTEL_ATTRIBUTE_COUNT_LIMIT": ["-1", "many", "nan", "1e400", "1.5"],
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": ["-1"],
    "OTEL_SPAN_LINK_COUNT_LIMIT": ["-1", "inf"],
    "OTEL_SPAN_EVENT_COUNT_LIMIT": ["x"],
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": ["x"],
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": ["-1"],
    "OTEL_BSP_MAX_QUEUE_SIZE": ["0", "-5", "9" * 30],
    "OTEL_BSP_SCHEDULE_DELAY": ["0", "soon"],
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": ["0"],
    "OTEL_METRIC_EXPORT_INTERVAL": ["0", "-1", "nan", "inf"],
    "OTEL_TRACES_EXPORTER": ["jaeger", "console"],
    "OTEL_EXPORTER_OTLP_PROTOCOL": ["http/json", "thrift"],
    "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": ["brotli"],
    "OTEL_EXPORTER_OTLP_CERTIFICATE": ["/none.pem", "/"],
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": ["["],
    "WEBSOCKETS_MAX_LINE_LENGTH": ["long", "-1"],
    "PICKLE_PROTOCOL": ["newest"],
    "AUTOSCALE_KEEPALIVE": ["x"],
}
USABLE = {
    "OTEL_PROPAGATORS": "tracecontext, baggage",
    "OTEL_PYTHON_CONTEXT": "contextvars_context",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0",
    "OTEL_SPAN_LINK_COUNT_LIMIT": "",
    "OTEL_BSP_MAX_QUEUE_SIZE": "4096",
    "OTEL_METRIC_EXPORT_INTERVAL": "200.5",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": __file__,
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
    "OTEL_TRACES_SAMPLER_ARG": "x",
    "WEBSOCKETS_BACKOFF_FACTOR": "1.6",
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in UNUSABLE.items() for value in values])
def test_unusable_variable_is_removed_with_one_line(caplog: pytest.LogCaptureFixture, name: str, value: str) -> None:
    os.environ[name] = value
    environment.prepare()
    environment.prepare()
    assert name not in os.environ
    [line] = caplog.messages
    assert line.startswith(f"Ignored the variable {name}={value}: must be ")


@pytest.mark.parametrize("name", USABLE)
def test_usable_variable_is_kept(caplog: pytest.LogCaptureFixture, name: str) -> None:
    os.environ[name] = USABLE[name]
    environment.prepare()
    assert os.environ[name] == USABLE[name]
    assert caplog.messages == []


def test_a_line_stays_one_line(caplog: pytest.LogCaptureFixture) -> None:
    os.environ["OTEL_PROPAGATORS"] = "b3\nb4"
    environment.prepare()
    assert caplog.messages[0].startswith("Ignored the variable OTEL_PROPAGATORS='b3\\nb4': ")


def test_no_propagators_are_replaced_by_one_that_finds_no_trace() -> None:
    """OpenTelemetry's instrumentation of ASGI fails at each request without any."""
    os.environ["OTEL_PROPAGATORS"] = "none"
    environment.prepare()
    assert os.environ["OTEL_PROPAGATORS"] == "baggage"


@pytest.mark.parametrize("option", ["error", "error::DeprecationWarning", "err"])
def test_warnings_are_never_errors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, option: str
) -> None:
    os.environ["PYTHONWARNINGS"] = option
    monkeypatch.setattr(sys, "warnoptions", ["ignore::UserWarning", option])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        environment.prepare()
        warnings.warn("an old function", DeprecationWarning, stacklevel=1)
    assert sys.warnoptions == ["ignore::UserWarning"]
    assert caplog.messages == [f"Ignored the variable PYTHONWARNINGS={option}: warnings of libraries are never errors"]


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY", "grpc_proxy"])
def test_loopback_is_exempt_from_every_proxy(proxy: str) -> None:
    os.environ |= {proxy: "http://proxy:1", "NO_PROXY": "internal.example, localhost"}
    environment.prepare()
    environment.prepare()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"]
    assert os.environ["NO_PROXY"] == "internal.example,localhost,127.0.0.1,127.0.0.0/8,::1"


def test_without_a_proxy_there_are_no_exemptions() -> None:
    environment.prepare()
    assert not {"no_proxy", "NO_PROXY"} & os.environ.keys()


def test_contradictory_variables_disable_one_signal_only(caplog: pytest.LogCaptureFixture) -> None:
    """Each of them is usable alone: the default batch of spans is larger than this queue."""
    os.environ |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_BSP_MAX_QUEUE_SIZE": "5",
    }
    assert not telemetry.start("test").is_enabled
    with telemetry.temporary_tracer("test") as tracer:
        assert tracer is None
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith("No traces are exported, check the variables OTEL_*: max_export_batch_size")


@pytest.mark.parametrize("module", ["gql.http", "tasks.jobs"])
def test_packages_of_the_programs_prepare_it_before_anything_else(tmp_path: Path, module: str) -> None:
    """Importing FastAPI would fail."""
    command = [sys.executable, "-c", f"import {module}, os; print(os.environ.get('OTEL_PROPAGATORS'))"]
    variables = os.environ | {"OTEL_PROPAGATORS": "b3", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "None\n"
    assert len(done.stderr.splitlines()) == 1
