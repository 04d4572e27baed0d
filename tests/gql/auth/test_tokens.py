"""Tokens of an OpenID provider: signature, claims, algorithms, and their use as credentials."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from gql.auth import tokens
from gql.auth.tokens import TokenVerifier
from gql.settings import ApiSettings
from tests import in_process
from tests.authenticated import bearer_header, create_key
from tests.gql.auth.openid_provider import AUDIENCE, EC, ED, OTHER_RSA, RSA

if TYPE_CHECKING:
    from tasks.settings import JobSettings
    from tests.gql.auth.openid_provider import Provider
    from tests.programs import Valkey

PUBLIC_PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")])
async def test_token_of_the_issuer_is_valid(provider: Provider, key: Any, algorithm: str, kid: str) -> None:
    verifier = TokenVerifier(provider.settings())
    found = await verifier.verify(provider.token(key, algorithm, kid))
    assert found is not None
    assert found.expires_at > time.time()
    assert found.caller == tokens.caller_of(provider.url, "alice")
    assert found.caller != tokens.caller_of(provider.url, "bob")
    assert found.caller != tokens.caller_of("https://another.example", "alice")
    assert provider.requested == ["/.well-known/openid-configuration", "/jwks"]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://another.example"}, {"iss": None}, {"aud": "another"}, {"aud": None}, {"aud": []},
        {"exp": 1}, {"exp": None}, {"exp": "soon"}, {"sub": None}, {"sub": 7}, {"nbf": 4_000_000_000},
    ],
    ids=str,
)  # fmt: skip
async def test_token_with_wrong_or_missing_claims_is_invalid(provider: Provider, claims: dict[str, Any]) -> None:
    verifier = TokenVerifier(provider.settings())
    try:
        token = provider.token(**claims)
    except TypeError:
        # The library refuses to encode these claims: sign the bytes instead.
        token = signed_as_bytes(provider, claims)
    assert await verifier.verify(token) is None
    assert await verifier.verify(provider.token()) is not None


def signed_as_bytes(provider: Provider, claims: dict[str, Any]) -> str:
    payload = {"iss": provider.url, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 300} | claims
    return jwt.api_jws.encode(json.dumps(payload).encode(), RSA, "RS256", {"kid": "rsa"})


async def test_forged_signature_is_invalid(provider: Provider) -> None:
    """Signed by another key, unsigned, signed with the public key as a shared secret, or changed after signing."""
    verifier = TokenVerifier(provider.settings())
    good = provider.token()
    header, claims, signature = good.split(".")
    shared = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "kid": "rsa", "typ": "JWT"}).encode()).decode()
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    confused = jwt.utils.base64url_encode(hmac.sign(f"{shared}.{claims}".encode(), PUBLIC_PEM)).decode()
    forged = [
        provider.token(OTHER_RSA),
        jwt.encode({"iss": provider.url, "aud": AUDIENCE, "sub": "a", "exp": 4e9}, "", "none", {"kid": "rsa"}),
        f"{shared}.{claims}.{confused}",
        f"{header}.{claims}.",
        f"{header}.{claims}x.{signature}",
        provider.token(EC, "ES256", "rsa"),
        provider.token(RSA, "RS512"),
        provider.token(RSA, "PS256"),
        "",
        "a.b.c",
        good + "x" * 9_000,
    ]
    assert [await verifier.verify(token) for token in forged] == [None] * len(forged)
    assert await verifier.verify(good) is not None


@pytest.mark.parametrize("algorithms", ["HS256", "RS256,HS512", "none", ",", "RS256,nonsense"])
def test_symmetric_and_unknown_algorithms_are_refused_at_startup(algorithms: str) -> None:
    with pytest.raises(ValueError, match="must be a list of"):
        ApiSettings(jwt_algorithms=algorithms)


def test_jwt_authentication_requires_issuer_and_audience() -> None:
    for settings in ({}, {"jwt_issuer": "https://a.example"}, {"jwt_audience": "b"}):
        with pytest.raises(ValueError, match="JWT_ISSUER and JWT_AUDIENCE"):
            ApiSettings(authentication="jwt", **settings)  # type: ignore[arg-type]


def test_tokens_and_api_keys_work_on_the_same_endpoints(
    provider: Provider, valkey: Valkey, settings: JobSettings, caplog: pytest.LogCaptureFixture
) -> None:
    environment: dict[str, Any] = {"AUTHENTICATION": "keys,jwt", "JWT_ISSUER": provider.url, "JWT_AUDIENCE": AUDIENCE}
    with in_process.api(valkey.url, settings.key_prefix, **environment) as url:
        key, token = create_key(settings, "alice"), provider.token()
        ids = {}
        for credentials in (key, token):
            answer = httpx.post(f"{url}/generate?n=1", headers=bearer_header(credentials))
            ids[credentials] = answer.json()["request_id"]
        found = [
            httpx.get(f"{url}/status/{ids[job]}", headers=bearer_header(credentials)).status_code
            for credentials in (key, token, provider.token(sub="bob"))
            for job in (key, token)
        ]
        # The callers of a key and of a token are different, whatever their names.
        assert found == [200, 404, 404, 200, 404, 404]
        assert httpx.post(f"{url}/generate?n=1", headers=bearer_header(provider.token(exp=1))).status_code == 401
        expiring = provider.token(exp=int(time.time()) - tokens._LEEWAY_SECONDS + 2)  # noqa: SLF001 - in 2 s
        body = {"query": "subscription { systemStats(intervalMs: 3600000) { at } }"}
        headers = bearer_header(expiring) | {"Accept": "text/event-stream"}
        answer = httpx.post(f"{url}/graphql", json=body, headers=headers, timeout=30)
    assert '"UNAUTHENTICATED"' in answer.text
    assert "POST /graphql" in caplog.text
    assert token not in caplog.text
