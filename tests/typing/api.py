"""Only type-checked: how users write farsign, with the types that they get."""

from __future__ import annotations

from typing import Any, assert_type

import farsign
from farsign import driver, errors, jwk, jws, jwt


def one_key(uri: str) -> None:
    with farsign.open_signer(uri, failover=["file:///b"], policy=farsign.Policy(timeout=1.0)) as signer:
        assert_type(signer, farsign.Signer)
        key = signer.key(timeout=1.0)
        assert_type(key, farsign.SigningKey)
        assert_type(key.sign(b"x"), bytes)
        assert_type(key.kid, str)
        assert_type(key.algorithm, str)
        assert_type(key.jwk(), dict[str, str])


async def service(uris: str) -> None:
    issuer = farsign.open_issuer(uris)
    assert_type(issuer, farsign.Issuer)
    token = jwt.encode({"sub": "42"}, issuer, expires_in=300)
    assert_type(token, str)
    assert_type(await jwt.aencode({"sub": "42"}, issuer, expires_in=300), str)
    assert_type(jwt.decode(token, issuer.keys(), audience="api"), dict[str, Any])
    assert_type(issuer.jwks(), dict[str, Any])
    assert_type(await issuer.akey(), farsign.SigningKey)


def verify(token: str, document: bytes) -> bytes:
    keys = jwk.KeySet.parse(document)
    verified = jws.verify(token, keys)
    assert_type(verified.payload, bytes)
    assert_type(verified.header, dict[str, Any])
    return verified.payload


def answer(call: Any) -> int | float | None:
    try:
        call()
    except farsign.InvalidToken:
        return 401
    except farsign.ProviderError as error:
        assert_type(error.retry_after, float | None)
        return error.retry_after
    return None


class Backend(driver.RemoteSigner):
    endpoint = "acme"
    total_timeout = False

    def describe(self, version: str | None = None, *, timeout: float) -> driver.KeyDescription:
        return driver.KeyDescription("1", driver.spki_from_raw(b"", "Ed25519"), {"Ed25519": {"message": None}}, pinned=True)

    def sign(self, request: driver.SignRequest, *, timeout: float) -> driver.SignReply:
        return driver.SignReply(request.data, None)

    def classify(self, error: Exception) -> driver.Failure | None:
        return driver.Failure(errors.Throttled, retry_after=1.0)

    def close(self) -> None:
        return None


@driver.hookimpl
def farsign_open(uri: driver.KeyURI) -> driver.RemoteSigner:
    return Backend()
