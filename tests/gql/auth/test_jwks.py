"""Signing keys of a token issuer: discovery, caching, rotation and outages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gql.auth import jwks
from gql.auth.tokens import TokenVerifier
from tasks.errors import BackendUnavailable
from tests.gql.auth.openid_provider import OTHER_RSA, RSA, jwk
from tests.programs import free_port

if TYPE_CHECKING:
    from tests.gql.auth.openid_provider import Provider


async def test_unknown_key_ids_refetch_the_keys_at_most_once_per_interval(provider: Provider) -> None:
    verifier = TokenVerifier(provider.settings(jwks_url=f"{provider.url}/jwks"))
    assert await verifier.verify(provider.token()) is not None
    for number in range(20):
        assert await verifier.verify(provider.token(kid=f"unknown-{number}")) is None
    assert provider.requested == ["/jwks"]


async def test_rotated_keys_are_fetched(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = TokenVerifier(provider.settings())
    assert await verifier.verify(provider.token()) is not None
    provider.keys = [jwk(OTHER_RSA, kid="new", alg="RS256")]
    monkeypatch.setattr(jwks, "_MIN_FETCH_INTERVAL_SECONDS", 0)
    assert await verifier.verify(provider.token(OTHER_RSA, kid="new")) is not None
    assert await verifier.verify(provider.token()) is None


async def test_cached_keys_are_used_during_an_outage_until_their_maximum_age(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = TokenVerifier(provider.settings())
    assert await verifier.verify(provider.token()) is not None
    provider.is_down = True
    monkeypatch.setattr(jwks, "_REFRESH_AFTER_SECONDS", 0)
    monkeypatch.setattr(jwks, "_MIN_FETCH_INTERVAL_SECONDS", 0)
    assert await verifier.verify(provider.token()) is not None
    monkeypatch.setattr(jwks, "_MAX_AGE_SECONDS", 0)
    with pytest.raises(BackendUnavailable, match="the token issuer does not answer"):
        await verifier.verify(provider.token())


@pytest.mark.parametrize("url", ["", "closed"])
async def test_missing_keys_are_an_outage_rather_than_an_invalid_token(provider: Provider, url: str) -> None:
    provider.is_down = True
    verifier = TokenVerifier(provider.settings(jwks_url=url and f"http://127.0.0.1:{free_port()}/jwks"))
    with pytest.raises(BackendUnavailable, match="the token issuer does not answer"):
        await verifier.verify(provider.token())


async def test_configuration_of_another_issuer_is_rejected(provider: Provider) -> None:
    provider.issuer = "https://another.example"
    verifier = TokenVerifier(provider.settings())
    with pytest.raises(BackendUnavailable):
        await verifier.verify(provider.token())
    assert provider.requested == ["/.well-known/openid-configuration"]


async def test_encryption_keys_and_shared_secrets_verify_no_token(provider: Provider) -> None:
    provider.keys = [jwk(RSA, kid="rsa", alg="RS256") | {"use": "enc"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}]
    verifier = TokenVerifier(provider.settings())
    assert await verifier.verify(provider.token()) is None


async def test_token_without_a_key_id_is_verified_by_the_only_key(provider: Provider) -> None:
    verifier = TokenVerifier(provider.settings())
    assert await verifier.verify(provider.token(kid=None)) is None
    provider.keys = provider.keys[:1]
    verifier = TokenVerifier(provider.settings())
    assert await verifier.verify(provider.token(kid=None)) is not None


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:1", "http://127.0.0.1:1", "::"])
async def test_issuer_on_this_machine_is_asked_directly(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    assert await TokenVerifier(provider.settings()).verify(provider.token()) is not None


async def test_unusable_proxy_is_reported_at_the_start_and_at_each_fetch(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5h://user:secret@127.0.0.1:1")
    verifier = TokenVerifier(provider.settings(jwks_url="https://issuer.example/jwks"))
    with pytest.raises(BackendUnavailable, match="the token issuer does not answer"):
        await verifier.verify(provider.token())
    assert len(caplog.messages) == 2
    for line in caplog.messages:
        assert "ALL_PROXY names a SOCKS proxy, which requires the package socksio" in line
        assert "secret" not in line
