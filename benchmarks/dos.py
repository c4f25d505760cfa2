"""What it costs to refuse what strangers send to cost much: ``python -m benchmarks.dos``.

Goals: each is refused in less than 10 ms, and takes less than 1 MiB of memory beside the input. Times are medians of this thread's processor
time, so that what else runs does not count; memory is tracemalloc's peak, measured apart, because tracing slows everything. Signatures are good where the row says "signed": only then is a payload read at all.
"""

from __future__ import annotations

import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from farsign import jwk, jws, jwt
from farsign._base.encodings import b64url_encode
from farsign.errors import FarsignError

from ._timing import table

MOST_SECONDS: Final = 0.010
MOST_BYTES: Final = 1 << 20

SECRET: Final = jwk.Key.from_secret(bytes(range(1, 33)), alg="HS256")
PUBLIC: Final = [ec.derive_private_key(number, ec.SECP256R1()).public_key() for number in range(1, 101)]
KEYS: Final = jwk.KeySet([jwk.Key.from_public_key(public, kid=str(number)) for number, public in enumerate(PUBLIC)])
EC_JWK: Final = KEYS.keys[0].jwk()
ES256: Final = b64url_encode(b'{"alg":"ES256"}')


class Cost(NamedTuple):
    seconds: float
    extra: int  # bytes, at the peak
    code: str


def signed(payload: bytes) -> str:
    """Cut so that it is what a verifier still reads."""
    return jws.sign(payload[:47_000], SECRET)


def header(text: bytes) -> str:
    return f"{b64url_encode(text)}.e30.AA"


def verify(token: str | bytes) -> Callable[[], object]:
    return lambda: jws.verify(token, KEYS)


def decode(token: str) -> Callable[[], object]:
    return lambda: jwt.decode(token, SECRET)


def verify_json(document: object) -> Callable[[], object]:
    text = document if isinstance(document, str) else json.dumps(document)
    return lambda: jws.verify_json(text, KEYS)


def key_set(document: object) -> Callable[[], object]:
    text = document if isinstance(document, str) else json.dumps(document)
    return lambda: jwk.KeySet.parse(text)


def off_curve(number: int) -> dict[str, str]:
    return {"kty": "EC", "crv": "P-256", "x": EC_JWK["x"], "y": b64url_encode(number.to_bytes(32, "big")), "kid": str(number)}


NO_POINT: Final = {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode((2).to_bytes(32, "little"))}  # no point has this y

CASES: Final[dict[str, Callable[[], object]]] = {
    "header of 1 MB": verify(header(b'{"alg":"ES256","x":"' + b"x" * 1_000_000 + b'"}')),
    "header of 1 MB, as bytes": verify(header(b" " * 1_000_000).encode()),
    "header of 8 KB of lists": verify(header(b'{"alg":"ES256","x":[' + b"[]," * 2_700 + b"1]}")),
    "header of 8 KB of digits": verify(header(b'{"alg":"ES256","x":' + b"1" * 4_300 + b',"y":' + b"1" * 3_850 + b"}")),
    "header of 8 KB of far exponents": verify(header(b'{"alg":"ES256","x":[' + b"1e308," * 1_350 + b"1]}")),
    "header of 8 KB of one member": verify(header(b"{" + b'"x":1,' * 1_350 + b'"alg":"ES256"}')),
    "header of 1,000 members": verify(header(json.dumps({"alg": "ES256"} | {f"m{n}": 1 for n in range(1_000)}).encode()[:8_192])),
    "header nested 100,000 deep": verify(header(b'{"x":' + b"[" * 100_000)),
    "header nested 8,000 deep": verify(header(b'{"x":' + b"[" * 4_000 + b"]" * 4_000 + b"}")),
    "kid of 1 MB": verify(header(b'{"alg":"ES256","kid":"' + b"k" * 1_000_000 + b'"}')),
    "integer of 10,000 digits in the header": verify(header(b'{"x":' + b"1" * 10_000 + b"}")),
    "payload of 5 MB": verify(f"{ES256}.{'A' * 5_000_000}.AA"),
    "payload of 5 MB, as bytes": verify(f"{ES256}.{'A' * 5_000_000}.AA".encode()),
    "signature of 5 MB": verify(f"{ES256}.e30.{'A' * 5_000_000}"),
    "signature of 60 KB": verify(f"{b64url_encode(json.dumps({'alg': 'ES256', 'kid': '0'}).encode())}.e30.{'A' * 60_000}"),
    "token of 60,000 dots": verify("." * 60_000),
    "token of 5 MB, not ASCII": verify("é" * 5_000_000),
    "token without kid, 100 keys": verify(f"{ES256}.e30.{'A' * 86}"),
    "claims nested 20,000 deep, signed": decode(signed(b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}")),
    "claims with an integer of 10,000 digits, signed": decode(signed(b'{"exp":' + b"1" * 10_000 + b"}")),
    "claims with digits of just allowed length, signed": decode(signed(b"[" + b",".join([b"1" * 4_300] * 10) + b"]")),
    "claims with 7,000 far exponents, signed": decode(signed(b"[" + b"1e308," * 7_000 + b"1]")),
    "claims with one member 7,000 times, signed": decode(signed(b"{" + b'"x":1,' * 7_000 + b'"x":1}')),
    "JSON document of 5 MB": verify_json({"payload": "A" * 5_000_000, "protected": ES256, "signature": "AA"}),
    "JSON document nested 100,000 deep": verify_json('{"x":' + "[" * 100_000 + "]" * 100_000 + "}"),
    "JSON document with an integer of 10,000 digits": verify_json('{"x":' + "1" * 10_000 + "}"),
    "JSON document with 20,000 far exponents": verify_json('{"x":[' + "1e308," * 20_000 + "1]}"),
    "general JSON of 1,000 signatures": lambda document={"payload": "e30", "signatures": [{"protected": ES256, "signature": "AA"}] * 1_000}: jws.verify_general(document, KEYS),  # type: ignore[misc]  # made once
    "key set of 1,000 keys": key_set({"keys": [EC_JWK | {"kid": str(number)} for number in range(1_000)]}),
    "key set of 1,000 keys, parsed": lambda document={"keys": [EC_JWK | {"kid": str(number)} for number in range(1_000)]}: jwk.KeySet.parse(document),  # type: ignore[misc]  # made once
    "key set of 5 MB": key_set({"keys": [], "x": "x" * 5_000_000}),
    "key set nested 100,000 deep": key_set('{"keys":' + "[" * 100_000 + "]" * 100_000 + "}"),
    "key set with an integer of 10,000 digits": key_set('{"keys":[{"kty":"RSA","n":' + "1" * 10_000 + "}]}"),
    "key set of 100 points on no curve": key_set({"keys": [off_curve(number) for number in range(1, 101)]}),
    "key set of 100 Ed25519 keys that are none": key_set({"keys": [NO_POINT | {"kid": str(number)} for number in range(100)]}),
    "key set with one kid 100 times": key_set({"keys": [EC_JWK] * 100}),
    "RSA key with n of 1 MB": key_set({"keys": [{"kty": "RSA", "alg": "RS256", "e": "AQAB", "n": "u" * 1_000_000}]}),
    "100 RSA keys of 16,384 bits": key_set({"keys": [{"kty": "RSA", "alg": "RS256", "e": "AQAB", "n": "u" * 2_730 + "w", "kid": str(number)} for number in range(90)]}),
    "PEM of 5 MB": lambda text="-----BEGIN PUBLIC KEY-----\n" + "A" * 5_000_000: jwk.Key.from_pem(text),  # type: ignore[misc]  # made once
    "secret of 5 MB": lambda text=b"s" * 5_000_000: jwk.Key.from_secret(text, alg="HS256"),  # type: ignore[misc]  # made once
}  # fmt: skip


def cost(call: Callable[[], object], *, rounds: int = 9) -> Cost:
    """Of refusing. A case that is not refused is an error."""
    code = _refusal(call)
    times = []
    for _ in range(rounds):
        start = time.thread_time()
        _refusal(call)
        times.append(time.thread_time() - start)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        _refusal(call)
        extra = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return Cost(statistics.median(times), extra, code)


def _refusal(call: Callable[[], object]) -> str:
    try:
        call()
    except FarsignError as error:
        return error.code
    raise AssertionError("it was accepted")


def main() -> None:
    rows: list[tuple[object, ...]] = []
    for name, call in CASES.items():
        took = cost(call)
        good = took.seconds < MOST_SECONDS and took.extra < MOST_BYTES
        rows.append((name, took.seconds * 1e3, took.extra / 1024, took.code, "ok" if good else "OVER"))
    table("Refusing", ("input", "ms", "KiB", "error", ""), rows)


if __name__ == "__main__":
    main()
