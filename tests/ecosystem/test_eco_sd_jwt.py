"""sd-jwt: selective disclosure, with the issuer's and the holder's key remote."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sd_jwt", reason="needs the package sd-jwt")
from jwcrypto.jwk import JWK
from jwcrypto.jws import InvalidJWSSignature
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

from farsign_contrib.jwcrypto import jwk

LIBRARY, HOW = "sd-jwt", "farsign_contrib.jwcrypto"


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA"])
def test_a_credential(any_key: Any, algorithm: str) -> None:
    issuer, holder = any_key(algorithm), any_key("ES256", "holder")
    claims = {"iss": "https://issuer.example", SDObj("given_name"): "Erika", SDObj("birthdate"): "1963-08-12"}
    issued = SDJWTIssuer(claims, jwk(issuer), jwk(holder), sign_alg=algorithm)
    wallet = SDJWTHolder(issued.sd_jwt_issuance)
    wallet.create_presentation({"given_name": True}, "n-1", "https://verifier.example", jwk(holder), sign_alg="ES256")

    def verified(public: dict[str, str]) -> dict[str, Any]:
        made = SDJWTVerifier(wallet.sd_jwt_presentation, lambda *_: JWK(**public))
        return dict(made.get_verified_payload())

    told = verified(issuer.public_members())
    assert told["given_name"] == "Erika"
    assert "birthdate" not in told
    with pytest.raises(InvalidJWSSignature):
        verified(holder.public_members())


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        SDJWTIssuer({SDObj("given_name"): "Erika"}, jwk(key), sign_alg="ES256")
