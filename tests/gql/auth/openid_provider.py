"""An OpenID provider on the loopback address: signing keys, configuration, tokens."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gql.auth.tokens import TokenSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
AUDIENCE = "primes"


def jwk(key: Any, **members: str) -> dict[str, Any]:
    algorithm: Any = RSAAlgorithm
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = ECAlgorithm
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        algorithm = OKPAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "use": "sig", **members}


class Provider:
    """Its address, the keys it publishes, and the paths that were requested."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys = [jwk(RSA, kid="rsa", alg="RS256"), jwk(EC, kid="ec", alg="ES256"), jwk(ED, kid="ed", alg="EdDSA")]
        self.issuer = url
        self.requested: list[str] = []
        self.is_down = False

    def response(self, path: str) -> dict[str, Any] | None:
        self.requested.append(path)
        if self.is_down:
            return None
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.issuer, "jwks_uri": f"{self.url}/jwks"}
        return {"keys": self.keys} if path == "/jwks" else None

    def settings(self, **changes: Any) -> TokenSettings:
        settings: dict[str, Any] = {
            "issuer": self.url,
            "audience": AUDIENCE,
            "jwks_url": "",
            "algorithms": ("RS256", "ES256", "EdDSA"),
        }
        return TokenSettings(**{**settings, **changes})

    def token(self, key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **changes: Any) -> str:
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 300} | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key, algorithm, {} if kid is None else {"kid": kid})


@contextmanager
def running_provider() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = provider.response(self.path)
            self.send_response(503 if body is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
