"""One reading of REDIS_URL for every client, and one list of what is refused."""

from __future__ import annotations

import re
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from kombu.transport.redis import Channel

from tasks.settings import JobSettings
from tasks.settings.store_url import StoreUrl
from tasks.storage.redis import async_client, sync_client
from tests import programs

if TYPE_CHECKING:
    from pathlib import Path

CA = ssl.get_default_verify_paths().cafile or ""
TLS = {
    "ssl_ca_certs": None,
    "ssl_certfile": None,
    "ssl_keyfile": None,
    "ssl_cert_reqs": "required",
    "ssl_check_hostname": True,
}
UNCHECKED = {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
PASSWORD = "pä/ss?w#o@r%d:; "  # noqa: S105 - an example

ACCEPTED: dict[str, tuple[StoreUrl, str]] = {
    "redis://": (StoreUrl(), "redis://127.0.0.1:6379/0"),
    "redis://store": (StoreUrl("store"), "redis://store:6379/0"),
    "REDIS://Store:7000/": (StoreUrl("store", 7000), "redis://store:7000/0"),
    "redis://my_store.example.:7000/6": (StoreUrl("my_store.example.", 7000, 6), "redis://my_store.example.:7000/6"),
    "redis://store?db=7": (StoreUrl("store", db=7), "redis://store:6379/7"),
    "redis://store/7?db=7": (StoreUrl("store", db=7), "redis://store:6379/7"),
    "redis://[::1]:7000/1": (StoreUrl("::1", 7000, 1), "redis://[::1]:7000/1"),
    "redis://api@store": (StoreUrl("store", username="api"), "redis://api@store:6379/0"),
    "redis://:p%2Fw@store": (StoreUrl("store", password="p/w"), "redis://store:6379/0"),  # noqa: S106
    "redis://%C3%A4:p%C3%A4%2Fss%3Fw%23o%40r%25d%3A%3B%20@store": (
        StoreUrl("store", username="ä", password=PASSWORD),
        "redis://%C3%A4@store:6379/0",
    ),
    "rediss://store:7000/3": (
        StoreUrl("store", 7000, 3, tls=TLS),
        "rediss://store:7000/3?ssl_cert_reqs=required&ssl_check_hostname=true",
    ),
    "rediss://store?ssl_cert_reqs=CERT_NONE": (
        StoreUrl("store", tls=TLS | UNCHECKED),
        "rediss://store:6379/0?ssl_cert_reqs=none&ssl_check_hostname=false",
    ),
    f"rediss://store?ssl_ca_certs={CA}&ssl_check_hostname=False": (
        StoreUrl("store", tls=TLS | {"ssl_ca_certs": CA, "ssl_check_hostname": False}),
        f"rediss://store:6379/0?ssl_ca_certs={CA.replace('/', '%2F')}&ssl_cert_reqs=required&ssl_check_hostname=false",
    ),
    "unix:///run/valkey.sock": (StoreUrl(socket="/run/valkey.sock"), "unix:///run/valkey.sock?db=0"),
    "unix://api:p%40@/run/a%20b.sock?db=5": (
        StoreUrl(db=5, username="api", password="p@", socket="/run/a b.sock"),  # noqa: S106
        "unix://api@/run/a%20b.sock?db=5",
    ),
}

REFUSED = {
    "": "must begin with",
    "store:6379": "must begin with",
    "http://store": "must begin with",
    "redis+socket:///run/x": "must begin with",
    "sentinel://store": "must begin with",
    "redis://store/6/": "must have a database",
    "redis://store//6": "must have a database",
    "redis://store/primes": "must have a database",
    "redis://store/-1": "must have a database",
    "redis://store/1.5": "must have a database",
    "redis://store/٣": "must have a database",
    "redis://store/99999999999": "must have a database",
    "redis://store/2147483648": "must have a database",
    "redis://store?db=": "must have a database",
    "redis://store?db=x": "must have a database",
    "redis://store/6?db=7": "two databases",
    "redis://store?db=1&db=2": "an option twice",
    "redis://store?protocol=3": "unknown option protocol",
    "redis://store?socket_timeout=30": "unknown option socket_timeout",
    "redis://store?decode_responses=true": "unknown option decode_responses",
    "redis://store?virtual_host=7": "unknown option virtual_host",
    "redis://store?DB=7": "unknown option DB",
    "rediss://store?ssl_min_version=1": "unknown option ssl_min_version",
    "redis://store?": "a question mark without options",
    "redis://store?db": "options of the form name=value",
    "redis://store?ssl_cert_reqs=none": "ssl_cert_reqs requires rediss://",
    "unix:///run/x?ssl_ca_certs=/ca": "ssl_ca_certs requires rediss://",
    "rediss://store?ssl_cert_reqs=never": "ssl_cert_reqs none, optional, required",
    "rediss://store?ssl_check_hostname=maybe": "ssl_check_hostname true or false",
    "rediss://store?ssl_cert_reqs=none&ssl_check_hostname=true": "ssl_check_hostname true or false",
    "rediss://store?ssl_ca_certs=/none.pem": "ssl_ca_certs /none.pem, which can't be loaded: No such file",
    "rediss://store?ssl_ca_certs=/dev/null": "ssl_ca_certs /dev/null, which can't be loaded",
    "rediss://store?ssl_keyfile=/key.pem": "ssl_certfile with ssl_keyfile",
    "redis://store:0": "port from 1 to 65535",
    "redis://store:65536": "port from 1 to 65535",
    "redis://store:x": "port from 1 to 65535",
    "redis://a,b:6379": "one host name",
    "redis://a:1,b:2": "port from 1 to 65535",
    "redis://-store": "one host name",
    "redis://[::1": "must be a URL",
    "redis://[store]": "must be a URL",
    "redis:// store": "spaces or control characters",
    "redis://store/0\n": "spaces or control characters",
    "redis://sto\tre": "spaces or control characters",
    "redis://store/0#1": "characters / ? # @",
    "redis://:secret/1@store": "characters / ? # @",
    "redis://:secret?1@store": "characters / ? # @",
    "redis://:secret#1@store": "characters / ? # @",
    "redis://user:1/secret@store": "characters / ? # @",
    "redis://:secret%@store": "a % that begins no escape",
    "redis://:secret%ff@store": "a password that is not UTF-8",
    "unix://run/x": "absolute path of the socket",
    "unix:///": "absolute path of the socket",
    "unix:run/x": "absolute path of the socket",
}


@pytest.mark.parametrize("url", ACCEPTED)
def test_url_is_parsed_into_explicit_values(url: str) -> None:
    expected, shown = ACCEPTED[url]
    found = StoreUrl.parse(url)
    assert (found, str(found)) == (expected, shown)
    assert StoreUrl.parse(shown).client_options == found.client_options | {"password": None}


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_not_understood_is_refused_in_one_line_without_secrets(url: str) -> None:
    with pytest.raises(ValueError, match=re.escape(REFUSED[url])) as error:
        StoreUrl.parse(url)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", ACCEPTED)
def test_every_client_connects_to_the_same_place(url: str) -> None:
    settings = JobSettings(redis_url=url)
    options = settings.store.client_options
    blocking = sync_client(settings, 1, 1).connection_pool
    assert blocking.connection_kwargs | options == blocking.connection_kwargs
    pool = async_client(settings).connection_pool
    assert pool.connection_kwargs | options == pool.connection_kwargs
    celerys = celery_options(settings.store)
    assert celerys | options == celerys
    kinds = {kind.__name__ for kind in (blocking.connection_class, pool.connection_class)}
    # Celery's is a separate class that inherits from it.
    assert kinds == {celerys["connection_class"].__mro__[1].__name__}


def celery_options(store: StoreUrl) -> dict[str, Any]:
    """What Celery's transport passes to redis-py."""
    app = Celery(broker=store.celery_url, set_as_current=False)
    app.conf.broker_use_ssl = dict(store.tls or {})
    # Creating a channel in the usual way connects it.
    channel: Any = object.__new__(Channel)
    channel.connection = SimpleNamespace(client=app.connection(), default_port=6379)
    options: dict[str, Any] = channel._connparams(asynchronous=True)  # noqa: SLF001
    return options


async def test_clients_reach_a_socket_with_a_password_and_a_database(tmp_path: Path) -> None:
    with programs.valkey(tmp_path, unixsocket=str(tmp_path / "a b.sock")) as server:
        socket = str(tmp_path / "a b.sock").replace(" ", "%20")
        with sync_client(JobSettings(redis_url=server.url), 1, 1) as admin:
            admin.acl_setuser("primes", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], categories=["+@all"])
        user = "primes:p%C3%A4%2Fss%3Fw%23o%40r%25d%3A%3B%20"
        for url in (f"unix://{user}@{socket}?db=5", f"redis://{user}@127.0.0.1:{server.port}/5"):
            settings = JobSettings(redis_url=url)
            with sync_client(settings, 1, 1) as client:
                client.set("greeting", url)
            asynchronous = async_client(settings)
            assert await asynchronous.get("greeting") == url.encode()
            await asynchronous.aclose()
            app = Celery(broker=settings.store.celery_url, set_as_current=False)
            with app.connection_for_write() as connection:
                channel: Any = connection.default_channel
                assert channel.client.get("greeting") == url.encode()
