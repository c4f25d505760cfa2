"""What farsign itself costs: reading the cached key, a cold key under many threads, and signing beside the bare cryptography calls.

The keys are local (``farsign_local``), so that no network hides the cost. ``python -m benchmarks.signing``
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

import farsign
import farsign_local
from farsign import driver, jwt
from farsign._base.primitives import checker

from ._timing import medians, table

DATA = b"h" * 40 + b"." + b"p" * 200
CLAIMS = {"sub": "42", "aud": "api"}
THREADS = (1, 2, 4, 8, 16, 32)
READS = 200_000
SHA256 = hashes.SHA256()
PSS = padding.PSS(padding.MGF1(SHA256), 32)


def keys() -> dict[str, tuple[Any, Callable[[Any], bytes]]]:
    """Algorithm -> a private key and the bare call that signs with it."""
    rsa_key = rsa.generate_private_key(65537, 2048)
    return {
        "RS256": (rsa_key, lambda key: key.sign(DATA, padding.PKCS1v15(), SHA256)),
        "PS256": (rsa_key, lambda key: key.sign(DATA, PSS, SHA256)),
        "ES256": (ec.generate_private_key(ec.SECP256R1()), lambda key: key.sign(DATA, ec.ECDSA(SHA256))),
        "ES384": (ec.generate_private_key(ec.SECP384R1()), lambda key: key.sign(DATA, ec.ECDSA(hashes.SHA384()))),
        "EdDSA": (ed25519.Ed25519PrivateKey.generate(), lambda key: key.sign(DATA)),
    }


def signing() -> None:
    rows: list[tuple[object, ...]] = []
    for name, (private, bare) in keys().items():
        opener = farsign_local.opener(private)
        checked = farsign.Signer(opener, alg=name).key()
        unchecked = farsign.Signer(opener, alg=name, policy=farsign.Policy(verify=False)).key()
        check, signature = checker(private.public_key(), name), checked.sign(DATA)
        took = medians(
            {
                "bare": lambda bare=bare, private=private: bare(private),
                "verify": lambda check=check, signature=signature: check(signature, DATA),
                "farsign": lambda key=checked: key.sign(DATA),
                "unchecked": lambda key=unchecked: key.sign(DATA),
                "encode": lambda key=checked: jwt.encode(CLAIMS, key),
                "pyjwt": lambda private=private, name=name: pyjwt.encode(CLAIMS, private, algorithm=name),
            }
        )
        own = took["farsign"] - took["bare"] - took["verify"]
        rows.append((name, took["bare"] * 1e6, took["verify"] * 1e6, took["farsign"] / took["bare"], took["unchecked"] / took["bare"],
                     own * 1e6, took["encode"] / took["pyjwt"]))  # fmt: skip
    heads = ("algorithm", "bare sign us", "verify us", "sign/bare", "without verify", "own us", "encode/PyJWT's")
    table("Signing with a local key", heads, rows)


def cache_reads() -> None:
    signer = farsign.Signer(farsign_local.opener(ec.generate_private_key(ec.SECP256R1())))
    signer.key()
    rows = []
    for count in THREADS:
        threads = [threading.Thread(target=_read, args=(signer, READS // count)) for _ in range(count)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rows.append((count, (time.perf_counter() - start) / READS * 1e9))
    table("Reading the cached key (goal: at most 300 ns, flat)", ("threads", "ns a read"), rows)


def _read(signer: farsign.Signer, count: int) -> None:
    for _ in range(count):
        signer.key()


class _Counting:
    """A driver that counts and is slow to describe."""

    def __init__(self, inner: driver.RemoteSigner) -> None:
        self._inner, self.described = inner, 0
        self.endpoint, self.total_timeout = "counting", True
        self.sign, self.classify, self.close = inner.sign, inner.classify, inner.close

    def describe(self, version: str | None = None, *, timeout: float) -> driver.KeyDescription:
        self.described += 1
        time.sleep(0.05)
        return self._inner.describe(version, timeout=timeout)


def cold_key() -> None:
    counting = _Counting(farsign_local.opener(ec.generate_private_key(ec.SECP256R1()))())
    signer = farsign.Signer(lambda: counting)
    threads = [threading.Thread(target=signer.key) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    table("200 threads on a cold key (goal: exactly one fetch)", ("threads", "fetches"), [(200, counting.described)])


if __name__ == "__main__":
    signing()
    cache_reads()
    cold_key()
