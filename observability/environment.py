"""Variables of libraries in the environment, which every process reads on its own account.

Some end the process if they have a value that their library can't use, often while it is imported and before the first
line of a log. `prepare` removes these with one line each. The packages of the programs call it when they are imported,
so before any library reads them; child processes inherit the result.
"""

from __future__ import annotations

import logging
import math
import os
import re
import sys
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

# Categories that Python ignores by default.
_QUIET: Final = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)

_LOOPBACK: Final = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")


def prepare() -> None:
    """Remove variables with values that libraries can't use. Does nothing the second time."""
    _never_raise_warnings()
    for name, value in list(os.environ.items()):
        for pattern, (is_usable, bound) in _RULES.items():
            if value and re.fullmatch(pattern, name) and not is_usable(value):
                ignore(name, f"must be {bound}")
    if "none" in os.environ.get("OTEL_PROPAGATORS", "").split(","):
        # Without any, OpenTelemetry's instrumentation of ASGI fails at each request. Nothing here uses baggage.
        os.environ["OTEL_PROPAGATORS"] = "baggage"
    _exempt_loopback_from_proxies()


def ignore(name: str, reason: str) -> None:
    """Remove a variable, with one line."""
    # Without credentials of a URL.
    value = re.sub("//.*@", "//", os.environ.pop(name), flags=re.DOTALL)[:80]
    log.warning("Ignored the variable %s=%s: %s", name, value if value.isprintable() else repr(value), reason)


def _never_raise_warnings() -> None:
    """A warning of a library must not end the process."""
    fatal = [option for option in sys.warnoptions if option and "error".startswith(option.partition(":")[0])]
    if not fatal:
        return
    # Also the command line of child processes.
    sys.warnoptions[:] = [option for option in sys.warnoptions if option not in fatal]
    warnings.simplefilter("default")
    for category in _QUIET:
        warnings.simplefilter("ignore", category)
    if "PYTHONWARNINGS" in os.environ:
        ignore("PYTHONWARNINGS", "warnings of libraries are never errors")


def _exempt_loopback_from_proxies() -> None:
    """Connections to this machine never go through a proxy, whichever of the two names a library reads."""
    proxies = {name.lower() for name, value in os.environ.items() if value and name.lower().endswith("_proxy")}
    if not proxies - {"no_proxy"}:
        return
    given = [host for name in ("no_proxy", "NO_PROXY") for host in os.environ.get(name, "").split(",")]
    hosts = dict.fromkeys(host.strip() for host in (*given, *_LOOPBACK) if host.strip())
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(hosts)


def _whole(minimum: int) -> tuple[Callable[[str], bool], str]:
    return lambda text: bool(re.fullmatch(r"\s*[0-9]{1,18}\s*", text)) and int(text) >= minimum, (
        f"a whole number from {minimum} on"
    )


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


def _one_of(*values: str) -> tuple[Callable[[str], bool], str]:
    return lambda text: text.strip().lower() in values, " or ".join(values)


def _installed(group: str, *others: str) -> tuple[Callable[[str], bool], str]:
    def is_usable(text: str) -> bool:
        return all(name.strip() in others or entry_points(group=group, name=name.strip()) for name in text.split(","))

    return is_usable, "installed, see the entry points " + group


def _are_patterns(text: str) -> bool:
    try:
        return all(re.compile(part) for part in text.split(","))
    except re.error:
        return False


_POSITIVE: Final = (_is_positive, "a number above 0")
_FILE: Final = (lambda text: os.access(text, os.R_OK) and Path(text).is_file(), "a readable file")
_OURS: Final = (lambda _: False, "unset, since the program has its own")

# Name, test and bound. Only what ends the process or makes telemetry fail: their libraries report all others.
_RULES: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "OTEL_PROPAGATORS": _installed("opentelemetry_propagator", "none"),
    "OTEL_PYTHON_CONTEXT": _installed("opentelemetry_context"),
    "OTEL_PYTHON_(TRACER|METER|LOGGER)_PROVIDER": _OURS,
    "OTEL_([A-Z]+_)?ATTRIBUTE_(COUNT|VALUE_LENGTH)_LIMIT|OTEL_SPAN_(EVENT|LINK)_COUNT_LIMIT": _whole(0),
    "OTEL_(BSP|BLRP)_(SCHEDULE_DELAY|MAX_QUEUE_SIZE|MAX_EXPORT_BATCH_SIZE|EXPORT_TIMEOUT)": _whole(1),
    "OTEL_METRIC_EXPORT_(INTERVAL|TIMEOUT)": _POSITIVE,
    "OTEL_(TRACES|METRICS|LOGS)_EXPORTER": _one_of("otlp", "none"),
    "OTEL_EXPORTER_OTLP_([A-Z]+_)?PROTOCOL": _one_of("http/protobuf", "grpc"),
    "OTEL_EXPORTER_OTLP_([A-Z]+_)?COMPRESSION": _one_of("none", "gzip", "deflate"),
    "OTEL_EXPORTER_OTLP_([A-Z]+_)?(CERTIFICATE|CLIENT_CERTIFICATE|CLIENT_KEY)": _FILE,
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_[A-Z_]+": (_are_patterns, "regular expressions"),
    "WEBSOCKETS_(MAX|BACKOFF)_[A-Z_]+": _POSITIVE,
    "PICKLE_PROTOCOL": _whole(0),
    "AUTOSCALE_KEEPALIVE": _POSITIVE,
}
