"""HTTP clients that use the proxies of the environment, except for this machine.

httpx connects a new client to all proxies of the environment, those that the client will not use among them: one of a
kind that is not installed ends the program even if its server is on this machine. Here the proxy of one host is found,
by the standard library's rules, and only that one must work.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from functools import cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpx


class ProxyError(ValueError):
    """The proxy of a host, or a file with certificates, can't be used. The message is one line and has no password."""


def client_options(url: str) -> dict[str, Any]:
    """Arguments of an httpx client for requests to the host of a URL.

    Raises:
        ProxyError: the environment names a proxy or a file with certificates that can't be used.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        # The client reports it.
        return {"trust_env": False}
    proxy = None if _is_loopback(host) or proxy_bypass(host) else _proxy(parts.scheme, host)
    uses_tls = parts.scheme == "https" or (proxy is not None and proxy.url.scheme == "https")
    # Reading all certificates takes longer than many requests. Without any, no host is trusted.
    verify = _trusted_certificates() if uses_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return {"trust_env": False, "proxy": proxy, "verify": verify}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _proxy(scheme: str, host: str) -> httpx.Proxy | None:
    proxies = getproxies_environment()
    kind = scheme if proxies.get(scheme) else "all"
    text = proxies.get(kind)
    if not text:
        return None
    variable = f"{kind}_proxy" if os.environ.get(f"{kind}_proxy") else f"{kind.upper()}_PROXY"
    advice = f"correct it, or add {host} to NO_PROXY"
    try:
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
    except (ValueError, httpx.InvalidURL):
        raise ProxyError(f"{variable} must be the URL of a proxy, e.g. http://host:8080: {advice}") from None
    if not proxy.url.host:
        raise ProxyError(f"{variable} must have a host, e.g. http://host:8080: {advice}")
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ProxyError(
            f"{variable} names a SOCKS proxy, which requires the package socksio: install it, or add {host} to NO_PROXY"
        )
    return proxy


@cache
def _trusted_certificates() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        names = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        raise ProxyError(f"{' or '.join(names)} can't be read ({error.strerror or error})") from None
