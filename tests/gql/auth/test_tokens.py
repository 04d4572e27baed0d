"""Tokens of an OpenID provider, which is a real one on the loopback address: keys, configuration and all."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gql.auth import tokens
from gql.auth.tokens import TokenReader, TokenSettings
from gql.settings import ApiSettings
from tasks.errors import BackendUnavailable
from tests import programs
from tests.authenticated import bearer_header, create_key
from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tasks.settings import JobSettings
    from tests.programs import Valkey

RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
AUDIENCE = "primes"

PUBLIC_PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(key: Any, **more: str) -> dict[str, Any]:
    algorithm: Any = RSAAlgorithm
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = ECAlgorithm
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        algorithm = OKPAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "use": "sig", **more}


class Provider:
    """Its address, what it publishes, and how often it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys = [jwk(RSA, kid="rsa", alg="RS256"), jwk(EC, kid="ec", alg="ES256"), jwk(ED, kid="ed", alg="EdDSA")]
        self.issuer = url
        self.asked: list[str] = []
        self.is_down = False

    def answer(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        if self.is_down:
            return None
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.issuer, "jwks_uri": f"{self.url}/jwks"}
        return {"keys": self.keys} if path == "/jwks" else None

    def settings(self, **changed: Any) -> TokenSettings:
        settings: dict[str, Any] = {
            "issuer": self.url,
            "audience": AUDIENCE,
            "jwks_url": "",
            "algorithms": ("RS256", "ES256", "EdDSA"),
        }
        return TokenSettings(**{**settings, **changed})

    def token(self, key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **claims: Any) -> str:
        whole = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 300} | claims
        whole = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(whole, key, algorithm, {} if kid is None else {"kid": kid})


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing() as found:
        yield found


@contextmanager
def providing() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = found.answer(self.path)
            self.send_response(503 if body is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")])
async def test_a_token_of_the_issuer_holds(provider: Provider, key: Any, algorithm: str, kid: str) -> None:
    reader = TokenReader(provider.settings())
    found = await reader.read(provider.token(key, algorithm, kid))
    assert found is not None
    assert found.expires_at > time.time()
    assert found.caller == tokens.caller_of(provider.url, "alice")
    assert found.caller != tokens.caller_of(provider.url, "bob")
    assert found.caller != tokens.caller_of("https://another.example", "alice")
    assert provider.asked == ["/.well-known/openid-configuration", "/jwks"]
    await reader.close()


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://another.example"}, {"iss": None}, {"aud": "another"}, {"aud": None}, {"aud": []},
        {"exp": 1}, {"exp": None}, {"exp": "soon"}, {"sub": None}, {"sub": 7}, {"nbf": 4_000_000_000},
    ],
    ids=str,
)  # fmt: skip
async def test_a_token_with_other_claims_does_not(provider: Provider, claims: dict[str, Any]) -> None:
    reader = TokenReader(provider.settings())
    try:
        token = provider.token(**claims)
    except TypeError:
        # The library signs no such thing: put together by hand, and signed all the same.
        token = signed_by_hand(provider, claims)
    assert await reader.read(token) is None
    assert await reader.read(provider.token()) is not None
    await reader.close()


def signed_by_hand(provider: Provider, claims: dict[str, Any]) -> str:
    whole = {"iss": provider.url, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 300} | claims
    return jwt.api_jws.encode(json.dumps(whole).encode(), RSA, "RS256", {"kid": "rsa"})


async def test_a_forged_signature_does_not(provider: Provider) -> None:
    """By another's key, by none, by the public key as a shared secret, and by nobody's after a change."""
    reader = TokenReader(provider.settings())
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
    assert [await reader.read(token) for token in forged] == [None] * len(forged)
    assert await reader.read(good) is not None
    await reader.close()


async def test_keys_are_fetched_again_for_an_unknown_one_but_not_for_each(provider: Provider) -> None:
    reader = TokenReader(provider.settings(jwks_url=f"{provider.url}/jwks"))
    assert await reader.read(provider.token()) is not None
    for number in range(20):
        assert await reader.read(provider.token(kid=f"unknown-{number}")) is None
    assert provider.asked == ["/jwks"]
    await reader.close()


async def test_a_new_key_of_the_issuer_is_found(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = TokenReader(provider.settings())
    assert await reader.read(provider.token()) is not None
    provider.keys = [jwk(OTHER_RSA, kid="new", alg="RS256")]
    monkeypatch.setattr(tokens, "_FETCH_AGAIN_SECONDS", 0)
    assert await reader.read(provider.token(OTHER_RSA, kid="new")) is not None
    assert await reader.read(provider.token()) is None
    await reader.close()


async def test_known_keys_outlast_an_outage_of_the_issuer(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = TokenReader(provider.settings())
    assert await reader.read(provider.token()) is not None
    provider.is_down = True
    monkeypatch.setattr(tokens, "_OLD_SECONDS", 0)
    monkeypatch.setattr(tokens, "_FETCH_AGAIN_SECONDS", 0)
    assert await reader.read(provider.token()) is not None
    monkeypatch.setattr(tokens, "_TOO_OLD_SECONDS", 0)
    with pytest.raises(BackendUnavailable, match="issuer"):
        await reader.read(provider.token())
    await reader.close()


@pytest.mark.parametrize("url", ["", "closed"])
async def test_without_any_keys_nobody_is_told_that_the_token_is_wrong(provider: Provider, url: str) -> None:
    provider.is_down = True
    reader = TokenReader(provider.settings(jwks_url=url and f"http://127.0.0.1:{free_port()}/jwks"))
    with pytest.raises(BackendUnavailable, match="issuer"):
        await reader.read(provider.token())
    await reader.close()


async def test_the_configuration_of_another_issuer_is_not_believed(provider: Provider) -> None:
    provider.issuer = "https://another.example"
    reader = TokenReader(provider.settings())
    with pytest.raises(BackendUnavailable):
        await reader.read(provider.token())
    assert provider.asked == ["/.well-known/openid-configuration"]
    await reader.close()


async def test_keys_for_other_uses_and_shared_ones_are_none(provider: Provider) -> None:
    provider.keys = [jwk(RSA, kid="rsa", alg="RS256") | {"use": "enc"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}]
    reader = TokenReader(provider.settings())
    assert await reader.read(provider.token()) is None
    await reader.close()


async def test_a_token_without_a_key_s_id_is_checked_by_the_only_one(provider: Provider) -> None:
    reader = TokenReader(provider.settings())
    assert await reader.read(provider.token(kid=None)) is None
    await reader.close()
    provider.keys = provider.keys[:1]
    reader = TokenReader(provider.settings())
    assert await reader.read(provider.token(kid=None)) is not None
    await reader.close()


@pytest.mark.parametrize("algorithms", ["HS256", "RS256,HS512", "none", ",", "RS256,nonsense"])
def test_algorithms_that_others_could_sign_by_are_refused(algorithms: str) -> None:
    with pytest.raises(ValueError, match="must be of"):
        ApiSettings(jwt_algorithms=algorithms)


def test_an_issuer_and_an_audience_must_be_named() -> None:
    for named in ({}, {"jwt_issuer": "https://a.example"}, {"jwt_audience": "b"}):
        with pytest.raises(ValueError, match="JWT_ISSUER and JWT_AUDIENCE"):
            ApiSettings(authentication="jwt", **named)  # type: ignore[arg-type]


def test_tokens_and_keys_get_in_by_the_same_doors(
    provider: Provider, valkey: Valkey, settings: JobSettings, tmp_path: Path
) -> None:
    environment: dict[str, Any] = {"AUTHENTICATION": "keys,jwt", "JWT_ISSUER": provider.url, "JWT_AUDIENCE": AUDIENCE}
    with programs.api(tmp_path, valkey.url, settings.key_prefix, **environment) as (url, api):
        key, token = create_key(settings, "alice"), provider.token()
        ids = {}
        for shown in (key, token):
            answer = httpx.post(f"{url}/generate?n=1", headers=bearer_header(shown))
            ids[shown] = answer.json()["request_id"]
        found = [
            httpx.get(f"{url}/status/{ids[job]}", headers=bearer_header(shown)).status_code
            for shown in (key, token, provider.token(sub="bob"))
            for job in (key, token)
        ]
        # A key's caller and a token's are never one, whatever their names.
        assert found == [200, 404, 404, 200, 404, 404]
        assert httpx.post(f"{url}/generate?n=1", headers=bearer_header(provider.token(exp=1))).status_code == 401
        short = provider.token(exp=int(time.time()) - tokens._LEEWAY_SECONDS + 2)  # noqa: SLF001 - soon over
        body = {"query": "subscription { systemStats(intervalMs: 3600000) { at } }"}
        headers = bearer_header(short) | {"Accept": "text/event-stream"}
        answer = httpx.post(f"{url}/graphql", json=body, headers=headers, timeout=30)
    assert '"UNAUTHENTICATED"' in answer.text
    assert token not in api.output()
