"""Private JWKs in files: published ones sign, and every kind of flaw is refused without showing the key."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwcrypto.jwk
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from farsign.driver import RemoteSigner, SignRequest
from farsign.errors import KeyFileError
from farsign_local._keys import generate

T = 5.0
OpenFile = Callable[..., RemoteSigner]
SignEverything = Callable[[RemoteSigner], set[str]]
VECTORS = Path(os.environ.get("FARSIGN_VECTORS", Path(__file__).parents[4] / "shared" / "vectors"))


def vector(name: str) -> Any:
    if not VECTORS.is_dir():
        pytest.skip(
            f"no vectors in {VECTORS}: set FARSIGN_VECTORS to a folder with ietf-jose/cookbook and cose-wg/draft-ietf-cose-dilithium"
        )
    return json.loads((VECTORS / name).read_text())


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def opened(tmp_path: Path, open_file: OpenFile) -> Callable[[object], RemoteSigner]:
    def run(jwk: object) -> RemoteSigner:
        path = tmp_path / "key.jwk"
        path.write_text(jwk if isinstance(jwk, str) else json.dumps(jwk))
        path.chmod(0o600)
        return open_file(path)

    return run


Opened = Callable[[object], RemoteSigner]

# RFC 8037 appendix A.1
OKP = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
# RFC 7515 appendix A.3.1
EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
}


def test_rfc_7520_rsa_key_reproduces_the_published_signature(opened: Opened, sign_everything: SignEverything) -> None:
    """RFC 7520 3.4 and 4.1."""
    driver = opened(vector("ietf-jose-cookbook/jwk/3_4.rsa_private_key.json"))
    assert sign_everything(driver) == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    example = vector("ietf-jose-cookbook/jws/4_1.rsa_v15_signature.json")
    signing_input, _, signature = example["output"]["compact"].rpartition(".")
    request = SignRequest(driver.describe(timeout=T).version, "RS256", "message", signing_input.encode())
    assert b64(driver.sign(request, timeout=T).signature) == signature


def test_rfc_7520_ec_key(opened: Opened, sign_everything: SignEverything) -> None:
    """RFC 7520 3.2: P-521, whose x has a leading zero octet."""
    assert "ES512" in sign_everything(opened(vector("ietf-jose-cookbook/jwk/3_2.ec_private_key.json")))


def test_rfc_8037_key_reproduces_the_published_signature(opened: Opened) -> None:
    """RFC 8037 appendix A.4."""
    driver = opened(OKP)
    data = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = driver.sign(SignRequest(driver.describe(timeout=T).version, "Ed25519", "message", data), timeout=T).signature
    assert b64(signature) == "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"


@pytest.mark.parametrize("size", [44, 65, 87])
def test_rfc_9964_seeds_give_the_published_public_keys(size: int, opened: Opened, sign_everything: SignEverything) -> None:
    example = vector(f"cose-dilithium-draft/examples/jose/examples/ML_DSA_{size}.jose.json")
    seed = b64(bytes.fromhex(example["priv"]))
    assert sign_everything(opened({**example["jwk"], "priv": seed})) == {f"ML-DSA-{size}"}


@pytest.mark.parametrize("alg", ["RS256", "ES256", "ES384", "ES512", "ES256K", "EdDSA"])
def test_what_jwcrypto_writes(alg: str, opened: Opened, sign_everything: SignEverything) -> None:
    pem = generate(alg).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    sign_everything(opened(jwcrypto.jwk.JWK.from_pem(pem).export_private()))


def test_rsa_without_its_primes(opened: Opened, sign_everything: SignEverything) -> None:
    """RFC 7518 6.3.2: only d is required."""
    whole = vector("ietf-jose-cookbook/jwk/3_4.rsa_private_key.json")
    sign_everything(opened({name: whole[name] for name in ("kty", "n", "e", "d")}))


def test_alg_narrows_what_the_key_signs(opened: Opened, sign_everything: SignEverything) -> None:
    whole = vector("ietf-jose-cookbook/jwk/3_4.rsa_private_key.json")
    assert sign_everything(opened({**whole, "alg": "PS256"})) == {"PS256"}
    assert sign_everything(opened({**OKP, "alg": "EdDSA", "use": "sig", "key_ops": ["sign", "verify"]})) == {"Ed25519"}


def without(jwk: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in jwk.items() if key != name}


@pytest.mark.parametrize(
    ("jwk", "says"),
    [
        (json.dumps(EC)[:-1] + ', "d": "AA"}', "same name"),
        (json.dumps(EC)[:60], "JSON"),
        (json.dumps(EC) + "{}", "follows"),
        ({"keys": [EC]}, "set of keys"),
        (without(EC, "d"), "d is missing"),
        ({**EC, "d": None}, "d is missing"),
        ({**EC, "d": EC["d"] + "="}, "d is missing, or no canonical"),
        ({**EC, "d": EC["d"][:-1] + "J"}, "d is missing, or no canonical"),  # unused bits
        ({**EC, "d": EC["d"][:-2]}, "32 bytes"),
        ({**EC, "d": b64(bytes(32))}, "no valid key"),
        ({**EC, "d": OKP["d"]}, "do not belong"),
        ({**EC, "y": EC["x"]}, "valid public key"),  # not on the curve
        (without(EC, "y"), "y is missing"),
        ({**EC, "crv": "P-192"}, "crv"),
        ({**EC, "kty": "oct", "k": "c2VjcmV0"}, "secret that others share"),
        ({**EC, "kty": "DSA"}, "kty"),
        ({**EC, "kty": ["EC"]}, "kty"),
        ({**EC, "use": "enc"}, "use"),
        ({**EC, "key_ops": ["deriveKey"]}, "key_ops"),
        ({**EC, "key_ops": "sign"}, "key_ops"),
        ({**EC, "alg": "ECDH-ES"}, "alg"),
        ({**EC, "alg": 7}, "alg"),
        ({**EC, "alg": "ES384"}, "ES384"),
        ({**OKP, "crv": "X25519"}, "crv"),
        ({**OKP, "x": EC["x"]}, "Ed25519|belong"),
        ({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "priv": b64(bytes(32))}, "valid public key"),
        ({"kty": "AKP", "pub": "AAAA", "priv": b64(bytes(32))}, "alg"),
    ],
)
def test_jwks_that_are_refused(jwk: Any, says: str, opened: Opened) -> None:
    with pytest.raises(KeyFileError, match=says) as caught:
        opened(jwk).describe(timeout=T)
    assert caught.value.next_step
    context: BaseException | None = caught.value
    while context is not None:  # RULES 16: nor in what stands behind it
        assert not {EC["d"], OKP["d"], EC["x"]} & set(f"{context!r}".replace("'", '"').split('"'))
        context = context.__cause__ or context.__context__


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"oth": []}, "more than two primes"),
        ({"q": None}, "q is missing"),  # RFC 7518 6.3.2: all or none
        ({"p": "AQAB"}, "no valid key"),
        ({"d": "AQAB"}, "no valid key"),
        ({"e": "AAEAAQ"}, "zero octet"),
        ({"d": "AAEAAQ"}, "d is missing, or no canonical base64url of a number"),
        ({"n": "AQAB"}, "bits"),
    ],
)
def test_rsa_jwks_that_are_refused(changes: dict[str, Any], says: str, opened: Opened) -> None:
    with pytest.raises(KeyFileError, match=says):
        opened({**vector("ietf-jose-cookbook/jwk/3_4.rsa_private_key.json"), **changes}).describe(timeout=T)


def test_an_rsa_modulus_of_another_key_is_refused(opened: Opened) -> None:
    whole = vector("ietf-jose-cookbook/jwk/3_4.rsa_private_key.json")
    other = generate("RS256").public_key().public_numbers().n
    with pytest.raises(KeyFileError, match="no valid key"):
        opened({**whole, "n": b64(other.to_bytes(256, "big"))}).describe(timeout=T)
