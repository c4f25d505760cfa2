"""What strangers send: a table of tokens that must not verify, each named by its attack, and where that is from.

The number is the row of the strict verifier's checklist: 1 alg, 2 public key as secret, 3 and 4 the key's algorithm, 5 and 6 ECDSA, 8 spelling, 9 and 10 JSON, 11 and 12 size, 13 crit, 14 b64,
15 keys in the token, 16 kid, 24 formats, 27 other signatures; 0 is what is no token at all.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from farsign import jwk, jws
from farsign._base.encodings import b64url_encode, der_to_raw

EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
EC_KEY = jwk.Key.from_public_key(EC.public_key(), kid="k")
RSA_KEY = jwk.Key.from_public_key(RSA.public_key(), alg="RS256", kid="r")
SECRET = jwk.Key.from_secret(b"s" * 32, alg="HS256", kid="s")
PSS_KEY = jwk.Key.from_public_key(RSA.public_key(), alg="PS256", kid="p")
ED = ed25519.Ed25519PrivateKey.generate()
ED_KEY = jwk.Key.from_public_key(ED.public_key(), kid="ed")
KEYS = jwk.KeySet([EC_KEY, RSA_KEY, PSS_KEY, ED_KEY])
PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
HEADER = {"alg": "ES256", "kid": "k"}


def seg(value: object) -> str:
    data = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
    return b64url_encode(data)


def es256(signing_input: str | bytes) -> bytes:
    data = signing_input.encode() if isinstance(signing_input, str) else signing_input
    return der_to_raw(EC.sign(data, ec.ECDSA(hashes.SHA256())), "P-256")


def signed(header: object, payload: object = b"{}", sign: Callable[[str], bytes] = es256) -> str:
    """A token whose signature is good: only the rest is wrong."""
    signing_input = f"{seg(header)}.{seg(payload)}"
    return f"{signing_input}.{b64url_encode(sign(signing_input))}"


def mac(key: bytes) -> Callable[[str], bytes]:
    def sign(signing_input: str) -> bytes:
        state = hmac.HMAC(key, hashes.SHA256())
        state.update(signing_input.encode())
        return state.finalize()

    return sign


def raw(signature: bytes) -> Callable[[str], bytes]:
    return lambda _: signature


def rs256(signing_input: str) -> bytes:
    return RSA.sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())


def ps256(signing_input: str) -> bytes:
    return RSA.sign(signing_input.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def respell(token: str, part: int, change: Callable[[str], str]) -> str:
    segments = token.split(".")
    segments[part] = change(segments[part])
    return ".".join(segments)


GOOD = signed(HEADER)
R, S = (int.from_bytes(base64.urlsafe_b64decode(GOOD.split(".")[2] + "==")[half], "big") for half in (slice(32), slice(32, 64)))


def pair(r: int, s: int, size: int = 32) -> bytes:
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


ED_TOKEN = signed({"alg": "EdDSA", "kid": "ed"}, sign=lambda signing_input: ED.sign(signing_input.encode()))


def bytes_of(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "==")


def plus_order(signature: bytes) -> bytes:
    """The same signature with S + L for S: who does not compare S with L accepts both."""
    order = 2**252 + 27742317777372353535851937790883648493
    return signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")


def short_pss() -> str:
    """A good PS256 token whose signature starts with a zero, without that zero: 1 in 256 signatures can be cut so."""
    token = signed({"alg": "PS256", "kid": "p"}, sign=ps256)
    while bytes_of(token.split(".")[2])[0]:
        token = signed({"alg": "PS256", "kid": "p"}, sign=ps256)
    assert jws.verify(token, KEYS)
    return respell(token, 2, lambda s: b64url_encode(bytes_of(s)[1:]))


CASES: dict[str, Any] = {
    # 1: unsigned, or an alg that is none
    **{f"1 alg {alg!r} (2015)": signed({"alg": alg, "kid": "k"}) for alg in ("none", "None", "NONE", "nOnE", "", None, 7, True, ["ES256"], {"a": 1}, 1.5)},
    "1 alg missing": signed({"kid": "k"}),
    "1 none without a signature": f"{seg({'alg': 'none', 'kid': 'k'})}.{seg('{}')}.",
    "1 empty signature": f"{seg(HEADER)}.{seg('{}')}.",
    "1 alg unknown": signed({"alg": "ES257", "kid": "k"}),
    "1 alg in other case": signed({"alg": "es256", "kid": "k"}),
    # 2: a public key as a MAC key
    "2 HS256 with PEM (CVE-2022-29217)": signed({"alg": "HS256", "kid": "r"}, sign=mac(PEM)),
    "2 HS256 with DER (CVE-2024-37568)": signed({"alg": "HS256", "kid": "r"}, sign=mac(DER)),
    "2 HS256 with the JWK's text (CVE-2026-48526)": signed({"alg": "HS256", "kid": "r"}, sign=mac(json.dumps(RSA_KEY.jwk()).encode())),
    "2 HS256 with the JWKS' text": signed({"alg": "HS256", "kid": "r"}, sign=mac(json.dumps({"keys": [RSA_KEY.jwk()]}).encode())),
    "2 HS256 with nothing": signed({"alg": "HS256", "kid": "k"}, sign=mac(b"")),
    # 3, 4: the algorithm is the key's
    "3 PS256 for an RS256 key (CVE-2026-48523)": signed({"alg": "PS256", "kid": "r"}, sign=ps256),
    "3 RS512 said, RS256 signed": signed({"alg": "RS512", "kid": "r"}, sign=rs256),
    "3 PSS under the name RS256": signed({"alg": "RS256", "kid": "r"}, sign=ps256),
    "3 another key's kid": signed({"alg": "RS256", "kid": "k"}, sign=rs256),
    "4 ES384 for a P-256 key": signed({"alg": "ES384", "kid": "k"}),
    "4 ES256K for a P-256 key": signed({"alg": "ES256K", "kid": "k"}),
    # 5, 6: ECDSA signatures
    "5 r = s = 0 (CVE-2022-21449)": signed(HEADER, sign=raw(bytes(64))),
    "5 r = 0": signed(HEADER, sign=raw(pair(0, S))),
    "5 s = 0": signed(HEADER, sign=raw(pair(R, 0))),
    "5 r = s = 1": signed(HEADER, sign=raw(pair(1, 1))),
    "5 r = n": signed(HEADER, sign=raw(pair(ORDER, S))),
    "5 s = n": signed(HEADER, sign=raw(pair(R, ORDER))),
    "5 all ones": signed(HEADER, sign=raw(b"\xff" * 64)),
    "6 63 bytes": respell(GOOD, 2, lambda s: b64url_encode(bytes_of(s)[:63])),
    "6 65 bytes": respell(GOOD, 2, lambda s: b64url_encode(bytes_of(s) + b"\0")),
    "6 66 bytes, padded halves": respell(GOOD, 2, lambda _: b64url_encode(pair(R, S, 33))),
    "6 128 bytes, padded halves": respell(GOOD, 2, lambda _: b64url_encode(pair(R, S, 64))),
    "6 DER": signed(HEADER, sign=lambda i: EC.sign(i.encode(), ec.ECDSA(hashes.SHA256()))),
    "6 halves swapped": respell(GOOD, 2, lambda _: b64url_encode(pair(S, R))),
    # 27: signatures of other kinds, spelled otherwise
    "27 Ed25519 S + L (RFC 8032 5.1.7)": respell(ED_TOKEN, 2, lambda s: b64url_encode(plus_order(bytes_of(s)))),
    "27 Ed25519 of zeros": respell(ED_TOKEN, 2, lambda _: b64url_encode(bytes(64))),
    "27 Ed25519, 63 bytes": respell(ED_TOKEN, 2, lambda s: s[:84]),
    "27 PSS without its leading zero (RFC 8017 8.1.2)": short_pss(),
    "27 RSA with a zero before it": respell(signed({"alg": "RS256", "kid": "r"}, sign=rs256), 2, lambda s: b64url_encode(b"\0" + bytes_of(s))),
    "27 RSA of zeros": signed({"alg": "RS256", "kid": "r"}, sign=raw(bytes(256))),
    "27 RSA, the modulus": signed({"alg": "RS256", "kid": "r"}, sign=raw(RSA.public_key().public_numbers().n.to_bytes(256, "big"))),
    "27 RSA, the signature plus the modulus": signed({"alg": "RS256", "kid": "r"}, sign=lambda i: (int.from_bytes(rs256(i), "big") + RSA.public_key().public_numbers().n).to_bytes(257, "big")),
    # 8: other spellings of the same bytes
    **{f"8 padding in segment {part} (GHSA-hxm8)": respell(GOOD, part, lambda s: s + "=" * (-len(s) % 4 or 4)) for part in range(3)},
    **{f"8 {name} in segment {part}": respell(GOOD, part, lambda s, junk=junk: s[:4] + junk + s[4:])
       for part in range(3) for name, junk in {"space": " ", "newline": "\n", "junk": "!", "NUL": "\0", "plus": "+", "slash": "/"}.items()},
    "8 unused bits of the signature": respell(GOOD, 2, lambda s: s[:-1] + chr(ord(s[-1]) + 1)),
    "8 unused bits of the payload": respell(GOOD, 1, lambda s: s[:-1] + chr(ord(s[-1]) + 1)),
    "8 trailing newline": GOOD + "\n",
    "8 leading space": " " + GOOD,
    # 9, 10: JSON that two readers read differently
    "9 alg twice": signed('{"alg":"ES256","kid":"k","alg":"ES256"}'),
    "9 alg twice, escaped": signed('{"alg":"ES256","kid":"k","\\u0061lg":"none"}'),
    "9 kid twice": signed('{"alg":"ES256","kid":"k","kid":"r"}'),
    "10 header in UTF-16": signed(json.dumps(HEADER).encode("utf-16")),
    "10 header in UTF-32": signed(json.dumps(HEADER).encode("utf-32")),
    "10 header with a BOM": signed(b"\xef\xbb\xbf" + json.dumps(HEADER).encode()),
    "10 header in Latin-1": signed(b'{"alg":"ES256","kid":"k","x":"\xe9"}'),
    "10 NaN in the header": signed('{"alg":"ES256","kid":"k","x":NaN}'),
    "10 Infinity in the header": signed('{"alg":"ES256","kid":"k","x":-Infinity}'),
    "10 lone surrogate": signed('{"alg":"ES256","kid":"k","x":"\\ud800"}'),
    "10 ten thousand digits": signed('{"alg":"ES256","kid":"k","x":' + "1" * 5_000 + "}"),
    "10 trailing text": signed('{"alg":"ES256","kid":"k"}x'),
    "10 single quotes": signed("{'alg':'ES256','kid':'k'}"),
    "10 a comment": signed('{"alg":"ES256"/**/,"kid":"k"}'),
    **{f"10 the header is {text}": signed(text) for text in ("[]", "null", "7", '"ES256"', "", "{", "true")},
    # 11, 12: depth and size
    "11 nested 100,000 deep (GHSA-8wjv)": f"{seg(b'[' * 100_000)}.{seg('{}')}.AA",
    "11 nested 40 deep": signed('{"alg":"ES256","kid":"k","x":' + "[" * 40 + "]" * 40 + "}"),
    "12 a header of 1 MB (CVE-2025-65015)": f"{seg(b'{' + b' ' * 1_000_000)}.{seg('{}')}.AA",
    "12 a payload of 5 MB": f"{seg(HEADER)}.{'A' * 5_000_000}.AA",
    "12 a thousand members": signed(HEADER | {f"m{n}": n for n in range(1_000)}),
    "12 ten million dots": "." * 60_000,
    # 13, 14: crit and b64
    **{f"13 crit {crit!r} (CVE-2026-32597)": signed(HEADER | {"crit": crit})
       for crit in (["x"], [], "b64", None, ["alg"], ["exp"], [7], {"a": 1}, ["b64", "b64"], ["kid"], True)},
    "13 crit names what is not there": signed(HEADER | {"crit": ["b64"]}),
    "14 b64 false without crit (CVE-2026-48525)": signed(HEADER | {"b64": False}),
    **{f"14 b64 {b64!r}": signed(HEADER | {"b64": b64, "crit": ["b64"]}) for b64 in ("false", 0, None, [], "true")},
    "14 b64 false in a compact token": signed(HEADER | {"b64": False, "crit": ["b64"]}),
    # 15: keys that a token brings
    **{f"15 {name} with the attacker's key (CVE-2026-27962)": signed(
        {"alg": "RS256", "kid": "x", name: value}, sign=rs256) for name, value in
        {"jwk": RSA_KEY.jwk(), "jku": "https://evil.example/jwks.json", "x5u": "file:///etc/passwd", "x5c": [base64.b64encode(DER).decode()]}.items()},
    # 16: kid
    **{f"16 kid {str(kid)[:20]!r}": signed({"alg": "ES256", "kid": kid}) for kid in
       (7, None, ["k"], {"k": 1}, "", "../../k", "k\0", "K", " k", "k" * 2_000, True, "' OR 1=1 --")},
    # 24: other formats
    "24 flattened JSON": json.dumps({"payload": seg("{}"), "protected": seg(HEADER), "signature": GOOD.split(".")[2]}),
    "24 general JSON": json.dumps({"payload": seg("{}"), "signatures": [{"protected": seg(HEADER), "signature": GOOD.split(".")[2]}]}),
    "24 general JSON without signatures": json.dumps({"payload": seg("{}"), "signatures": []}),
    "24 JWE (CVE-2022-3102)": "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA",
    "24 enc in a signed header": signed(HEADER | {"enc": "A128GCM"}),
    "24 two segments": GOOD.rpartition(".")[0],
    "24 four segments": GOOD + ".AA",
    "24 detached": f"{GOOD.split('.')[0]}..{GOOD.split('.')[2]}",
    "24 payload changed": respell(GOOD, 1, lambda _: seg('{"admin":true}')),
    "24 header of another token": respell(GOOD, 0, lambda _: seg({"kid": "k", "alg": "ES256"})),
    **{f"0 {type(thing).__name__} {str(thing)[:8]!r}": thing for thing in
       (None, 7, 1.5, [], {}, object(), ("a", "b", "c"), bytearray(b"a.b.c"), memoryview(b"a.b.c"), "", b"", ".", "..", "é.é.é", "\ud800..", b"\xff.\xff.\xff")},
}  # fmt: skip
