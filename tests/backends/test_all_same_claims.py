"""The same claims, signed through every backend; nothing but the URI differs. Three libraries that we did not write verify the tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
import panva
import pytest

import farsign
import farsign_local
from farsign import jwt
from farsign._plugin.discovery import backend, installed
from farsign.errors import AlgorithmNotSupported

CLAIMS = {"sub": "42", "aud": "api", "iss": "https://issuer.example", "n": [1, {"\u00e9": None}]}
NOW = int(time.time())
ALGORITHMS = ("RS256", "RS512", "PS256", "PS384", "ES256", "ES384", "ES512", "EdDSA")
SCHEMES = sorted(row.scheme for row in installed() if row.present)


class Signed(NamedTuple):
    token: str
    jwk: dict[str, str]  # as published
    algorithm: str


@pytest.fixture(scope="module")
def uri_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], str | None]]:
    """The URI of a new key; None where the provider has no such keys."""
    running: dict[str, Any] = {}
    folder = tmp_path_factory.mktemp("keys")

    def make(scheme: str, algorithm: str) -> str | None:
        if scheme == "memory":
            return f"memory:same-claims-{algorithm}?alg={algorithm}"
        if scheme == "file":
            return _key_file(folder / f"{algorithm}.pem", algorithm)
        if scheme not in running:
            running[scheme] = backend(scheme).emulator().start()
        try:
            uri: str = running[scheme].create_key(algorithm).uri
        except AlgorithmNotSupported:
            return None
        return uri

    yield make
    for emulator in running.values():
        emulator.close()


def _key_file(path: Path, algorithm: str) -> str:
    farsign_local.new_key_file(str(path), algorithm)
    return f"file://{path}?alg={algorithm}"


@pytest.fixture(scope="module")
def sign(uri_of: Callable[[str, str], str | None]) -> Callable[[str, str], Signed | None]:
    """Each backend and algorithm once."""
    known: dict[tuple[str, str], Signed | None] = {}

    def once(scheme: str, algorithm: str) -> Signed | None:
        if (scheme, algorithm) not in known:
            uri = uri_of(scheme, algorithm)
            known[scheme, algorithm] = _signed(uri) if uri else None
        return known[scheme, algorithm]

    return once


def _signed(uri: str) -> Signed:
    """The whole program. It knows no provider."""
    with farsign.open_issuer(uri) as issuer:
        token = jwt.encode(CLAIMS, issuer, expires_in=300, now=NOW)
        assert jwt.decode(token, issuer.keys(), audience="api", now=NOW) == {**CLAIMS, "iat": NOW, "exp": NOW + 300}
        (published,) = issuer.jwks()["keys"]
        return Signed(token, published, issuer.key().algorithm)


@pytest.fixture(params=[f"{scheme}-{algorithm}" for scheme in SCHEMES for algorithm in ALGORITHMS])
def signed(request: pytest.FixtureRequest, sign: Callable[[str, str], Signed | None]) -> Signed:
    scheme, algorithm = request.param.split("-")
    found = sign(scheme, algorithm)
    if found is None:
        pytest.skip(f"{scheme} has no keys for {algorithm}")
    assert found.algorithm == algorithm
    return found


def expected() -> dict[str, Any]:
    return {**CLAIMS, "iat": NOW, "exp": NOW + 300}


def test_pyjwt(signed: Signed) -> None:
    claims = pyjwt.decode(signed.token, pyjwt.PyJWK(signed.jwk), algorithms=[signed.algorithm], audience="api")
    assert claims == expected()


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # joserfc's own advice; many verifiers know only that name
def test_joserfc(signed: Signed) -> None:
    key_set = joserfc.jwk.KeySet.import_key_set({"keys": [signed.jwk]})
    token = joserfc.jwt.decode(signed.token, key_set, algorithms=[signed.algorithm])
    assert token.claims == expected()
    assert token.header == {"alg": signed.algorithm, "kid": signed.jwk["kid"], "typ": "JWT"}


def test_panva_jose(sign: Callable[[str, str], Signed | None]) -> None:
    """All in one Node.js process."""
    every = [sign(scheme, algorithm) for scheme in SCHEMES for algorithm in ALGORITHMS if algorithm in panva.ALGORITHMS]
    tokens = [(each.token, each.jwk) for each in every if each]
    assert len(tokens) >= 2 * len(ALGORITHMS), "memory and file sign everything"
    assert panva.claims_of(tokens) == [expected()] * len(tokens)


def test_only_the_key_differs(sign: Callable[[str, str], Signed | None]) -> None:
    """Claims and headers are the same bytes, whoever signed."""
    for algorithm in ALGORITHMS:
        tokens = [each.token for scheme in SCHEMES if (each := sign(scheme, algorithm))]
        assert len({token.split(".")[1] for token in tokens}) == 1
        headers = [pyjwt.get_unverified_header(token) for token in tokens]
        assert {(header["alg"], header["typ"], len(header)) for header in headers} == {(algorithm, "JWT", 3)}
        assert len({header["kid"] for header in headers}) == len(headers)
