"""PyJWT: unmodified with what it knows, and a ready instance for Ed25519 by that name and ML-DSA."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt as pyjwt
import pytest

import farsign
from farsign_contrib.pyjwt import PyJWS, PyJWT

LIBRARY, HOW = "PyJWT", "unmodified; Ed25519 and ML-DSA: farsign_contrib.pyjwt"
CLAIMS = {"sub": "42"}
KNOWN = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA"]
NEW = ["Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]


@pytest.mark.parametrize("algorithm", KNOWN)
def test_what_it_knows(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    token = pyjwt.encode(CLAIMS, key.as_private_key(), algorithm=algorithm, headers={"kid": key.kid})
    assert pyjwt.decode(token, pyjwt.PyJWK(key.jwk()), algorithms=[algorithm]) == CLAIMS


@pytest.mark.parametrize("algorithm", NEW)
def test_what_it_does_not_know_yet(any_key: Any, algorithm: str) -> None:
    key = any_key("EdDSA" if algorithm == "Ed25519" else algorithm)
    jwt, private = PyJWT(), key.as_private_key()
    token = jwt.encode(CLAIMS, private, algorithm=algorithm)
    assert jwt.decode(token, key.public_key(), algorithms=[algorithm]) == CLAIMS
    assert farsign.jwt.decode(token, farsign.jwk.Key.from_public_key(key.public_key(), alg=algorithm)) == CLAIMS
    handler = PyJWS().get_algorithm_by_name(algorithm)
    assert handler.from_jwk(json.loads(handler.to_jwk(private))) == key.public_key()


def test_the_ready_instance_knows_the_rest_too_and_touches_nothing_global(any_key: Any) -> None:
    before = set(pyjwt.PyJWS().get_algorithms()), set(pyjwt.api_jws._jws_global_obj.get_algorithms())
    key = any_key("ES256")
    token = PyJWT().encode(CLAIMS, key.as_private_key(), algorithm="ES256")
    assert pyjwt.decode(token, key.public_key(), algorithms=["ES256"]) == CLAIMS
    assert (set(pyjwt.PyJWS().get_algorithms()), set(pyjwt.api_jws._jws_global_obj.get_algorithms())) == before
    with pytest.raises(pyjwt.InvalidAlgorithmError):
        pyjwt.decode(token, key.public_key(), algorithms=["ML-DSA-65"])


def test_the_ready_instance_refuses_forgeries_and_keys_of_another_kind(any_key: Any) -> None:
    key = any_key("ML-DSA-65")
    token = PyJWT().encode(CLAIMS, key.as_private_key(), algorithm="ML-DSA-65")
    header, payload, signature = token.split(".")
    for forged in (f"{header}.{payload}.{signature[::-1]}", f"{header}.{payload}.{signature[:40]}"):
        with pytest.raises(pyjwt.InvalidTokenError):
            PyJWT().decode(forged, key.public_key(), algorithms=["ML-DSA-65"])
    for wrong in (any_key("ES256").public_key(), any_key("ML-DSA-44").public_key(), "no PEM", b"secret"):
        with pytest.raises(pyjwt.InvalidKeyError):
            PyJWT().decode(token, wrong, algorithms=["ML-DSA-65"])
    with pytest.raises(pyjwt.InvalidKeyError):
        PyJWT().encode(CLAIMS, any_key("ES256").as_private_key(), algorithm="Ed25519")


def test_its_client_reads_our_key_set(any_key: Any) -> None:
    keys = [any_key(algorithm) for algorithm in ("RS256", "ES256", "EdDSA")]
    document = farsign.jwk.document(farsign.jwk.KeySet([farsign.jwk.Key.of(key) for key in keys]))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = pyjwt.PyJWKClient(f"http://127.0.0.1:{server.server_port}/jwks.json")
        for key in keys:
            token = pyjwt.encode(CLAIMS, key.as_private_key(), algorithm=key.algorithm, headers={"kid": key.kid})
            assert pyjwt.decode(token, client.get_signing_key_from_jwt(token), algorithms=[key.algorithm]) == CLAIMS
        server.shutdown()


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        pyjwt.encode(CLAIMS, key.as_private_key(), algorithm="ES256")
