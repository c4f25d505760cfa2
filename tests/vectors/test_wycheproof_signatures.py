"""Wycheproof's signature files against what a Key checks with: the same function that each token goes through."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from published import load, rows

from farsign import errors, jwk
from farsign._base import encodings
from farsign._base.algorithms import JOSE
from farsign._base.primitives import load_spki
from farsign._jose.mac import mac_checker


def good(key: jwk.Key, signature: str, message: str) -> bool:
    try:
        key.check(bytes.fromhex(signature), bytes.fromhex(message))
    except InvalidSignature:
        return False
    return True


def verdicts(name: str, algorithm: str, count: int) -> Counter[str]:
    """How often each label was followed, and how often not."""
    seen: Counter[str] = Counter()
    keys: dict[int, jwk.Key] = {}
    for group, test in rows(name):
        key = keys.get(id(group))
        if key is None:
            key = keys[id(group)] = jwk.Key.from_der(bytes.fromhex(group["publicKeyDer"]), alg=algorithm)
        seen[f"{test['result']} {'accepted' if good(key, test['sig'], test['msg']) else 'rejected'}"] += 1
    assert seen.total() == count
    return seen


@pytest.mark.parametrize(
    ("curve", "algorithm", "count"),
    [
        ("secp256r1_sha256", "ES256", 262),
        ("secp384r1_sha384", "ES384", 280),
        ("secp521r1_sha512", "ES512", 318),
        ("secp256k1_sha256", "ES256K", 252),
    ],
)
def test_ecdsa_p1363(curve: str, algorithm: str, count: int) -> None:
    """1,112 in all: r||s of exactly twice the coordinate's size, r and s in 1..n-1."""
    assert set(verdicts(f"ecdsa_{curve}_p1363", algorithm, count)) == {"valid accepted", "invalid rejected"}


def test_ed25519() -> None:
    assert set(verdicts("ed25519", "EdDSA", 151)) == {"valid accepted", "invalid rejected"}


PKCS1 = {"2048": (256, 384, 512), "3072": (256, 384, 512), "4096": (256, 384, 512), "8192": (256,)}


@pytest.mark.filterwarnings("ignore::farsign.jwk.WeakKeyWarning")  # some of the keys have e = 3
@pytest.mark.parametrize(("bits", "size"), [(bits, size) for bits, sizes in PKCS1.items() for size in sizes])
def test_rsa_pkcs1(bits: str, size: int) -> None:
    """The ``acceptable`` row of each file (a missing NULL in DigestInfo) is rejected."""
    name = f"rsa_signature_{bits}_sha{size}"
    seen = verdicts(name, f"RS{size}", load(f"wycheproof/{name}_test.json")["numberOfTests"])
    assert set(seen) == {"valid accepted", "invalid rejected", "acceptable rejected"}
    assert seen["acceptable rejected"] == 1


def test_rsa_pkcs1_count() -> None:
    assert sum(sum(1 for _ in rows(f"rsa_signature_{bits}_sha{size}")) for bits, sizes in PKCS1.items() for size in sizes) == 2588


@pytest.mark.parametrize(
    ("name", "algorithm", "count"),
    [
        ("2048_sha256_mgf1_32", "PS256", 108),
        ("3072_sha256_mgf1_32", "PS256", 108),
        ("4096_sha256_mgf1_32", "PS256", 108),
        ("2048_sha384_mgf1_48", "PS384", 141),
        ("4096_sha384_mgf1_48", "PS384", 141),
        ("4096_sha512_mgf1_64", "PS512", 179),
    ],
)
def test_rsa_pss(name: str, algorithm: str, count: int) -> None:
    """785 in all."""
    assert set(verdicts(f"rsa_pss_{name}", algorithm, count)) == {"valid accepted", "invalid rejected"}


@pytest.mark.parametrize(
    ("name", "algorithm", "count"),
    [
        ("2048_sha256_mgf1_0", "PS256", 103),
        ("2048_sha256_mgf1sha1_20", "PS256", 108),
        ("2048_sha512_mgf1sha256_32_params", "PS512", 178),
        ("4096_sha512_mgf1_32", "PS512", 177),
    ],
)
def test_rsa_pss_with_another_salt_or_mask(name: str, algorithm: str, count: int) -> None:
    """JWA fixes the salt at the hash's length and MGF1 at the hash: valid PSS of another kind is no PS256."""
    seen = verdicts(f"rsa_pss_{name}", algorithm, count)
    if name == "2048_sha256_mgf1_0":  # its row 69 has "s_len changed to 32", which makes it a proper PS256
        assert seen.pop("invalid accepted") == 1
    assert set(seen) == {"valid rejected", "invalid rejected"}


def test_rsa_pss_misc() -> None:
    """150 valid PSS signatures of which only those with the salt and mask of JWA may pass."""
    wrong, count = [], 0
    for group, test in rows("rsa_pss_misc"):
        fits = group["mgfSha"] == group["sha"] and group["sLen"] == {"SHA-256": 32, "SHA-384": 48, "SHA-512": 64}.get(
            group["sha"]
        )
        algorithm = {"SHA-256": "PS256", "SHA-384": "PS384", "SHA-512": "PS512"}.get(group["sha"], "PS256")
        try:
            got = good(jwk.Key.from_der(bytes.fromhex(group["publicKeyDer"]), alg=algorithm), test["sig"], test["msg"])
        except errors.InvalidKey:
            got = fits = False  # of fewer than 2048 bits
        count += 1
        if got != fits:
            wrong.append(test["tcId"])
    assert wrong == []
    assert count == 150


@pytest.mark.parametrize("size", [256, 384, 512])
def test_hmac(size: int) -> None:
    """522 in all; a shortened MAC is rejected, and a secret shorter than the hash never becomes a Key."""
    row, accepted = JOSE[f"HS{size}"], 0
    for group, test in rows(f"hmac_sha{size}"):
        secret, tag, message = (bytes.fromhex(test[name]) for name in ("key", "tag", "msg"))
        expected = test["result"] == "valid" and group["tagSize"] == size
        try:
            mac_checker(secret, row)(tag, message)
            got = True
        except InvalidSignature:
            got = False
        assert got == expected, test["tcId"]
        accepted += got
        if len(secret) < size // 8:
            with pytest.raises(errors.InvalidKey):
                jwk.Key.from_secret(secret, alg=row.name)
        else:
            assert good(jwk.Key.from_secret(secret, alg=row.name), test["tag"], test["msg"]) == expected
    assert accepted > 10


MLDSA = {"44": (180, 86), "65": (210, 105), "87": (241, 96)}


def mldsa_key(size: str, group: dict[str, Any]) -> jwk.Key | None:
    try:
        return jwk.Key.parse(
            {"kty": "AKP", "alg": f"ML-DSA-{size}", "pub": encodings.b64url_encode(bytes.fromhex(group["publicKey"]))}
        )
    except errors.InvalidKey:
        return None


@pytest.mark.parametrize("size", MLDSA)
def test_mldsa(size: str) -> None:
    """JOSE's ML-DSA has the empty context (RFC 9964): 610 rows without one are followed, the 21 with one are rejected, valid or not."""
    with_context, count = 0, 0
    for group, test in rows(f"mldsa_{size}_verify"):
        key = mldsa_key(size, group)
        got = key is not None and good(key, test["sig"], test["msg"])
        has_context = bool(test.get("ctx"))
        with_context += has_context
        count += 1
        assert got == (test["result"] == "valid" and not has_context), test["tcId"]
    assert count == MLDSA[size][0]
    assert with_context > 0


def test_mldsa_count() -> None:
    tests = [test for size in MLDSA for _, test in rows(f"mldsa_{size}_verify")]
    contexts = sum(bool(test.get("ctx")) for test in tests)
    assert (len(tests) - contexts, contexts) == (610, 21)


CURVES = {
    "secp256r1_sha256": ("P-256", 484),
    "secp384r1_sha384": ("P-384", 504),
    "secp521r1_sha512": ("P-521", 542),
    "secp256k1_sha256": ("secp256k1", 476),
}
ALGORITHM = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "secp256k1": "ES256K"}


def test_ecdsa_der_converter() -> None:
    """Checklist 7: what a cloud returns as DER is converted only if it is DER, and in range. 2,006 in all: 768 verify, none too many.

    875 are no DER; 64 have r or s of 0 or less, 57 more than the coordinate's size, 149 between n and that: all raise. 93 do not verify.
    """
    seen: Counter[str] = Counter()
    for name, (curve, count) in CURVES.items():
        before = seen.total()
        for group, test in rows(f"ecdsa_{name}"):
            key = jwk.Key.from_der(bytes.fromhex(group["publicKeyDer"]), alg=ALGORITHM[curve])
            try:
                raw = encodings.der_to_raw(bytes.fromhex(test["sig"]), curve)
            except ValueError:
                seen[f"{test['result']} raises"] += 1
                continue
            verdict = "verifies" if good(key, raw.hex(), test["msg"]) else "fails"
            seen[f"{test['result']} {verdict}"] += 1
            r, s = utils.decode_dss_signature(encodings.raw_to_der(raw, curve))
            assert utils.encode_dss_signature(r, s) == bytes.fromhex(test["sig"])  # and back, byte for byte
        assert seen.total() - before == count
    assert seen == {"valid verifies": 768, "invalid raises": 875 + 64 + 57 + 149, "invalid fails": 93}


def test_low_s_is_not_asked_for() -> None:
    """The Bitcoin file wants s below n/2; JOSE does not, and high s are valid ES256K."""
    seen: Counter[str] = Counter()
    for group, test in rows("ecdsa_secp256k1_sha256_bitcoin"):
        key = load_spki(bytes.fromhex(group["publicKeyDer"]))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        try:
            raw = encodings.der_to_raw(bytes.fromhex(test["sig"]), "secp256k1")
        except ValueError:
            seen[f"{test['result']} raises"] += 1
        else:
            verdict = good(jwk.Key.from_public_key(key), raw.hex(), test["msg"])
            seen[f"{test['result']} {verdict} {'SignatureMalleabilityBitcoin' in test['flags']}"] += 1
    assert seen["valid True False"] == 162
    assert not any(name.startswith("valid") and name != "valid True False" for name in seen)
    assert seen["invalid True False"] == 1  # tcId 388, an edge case of the same: the only invalid ones that pass are malleated
