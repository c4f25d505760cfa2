"""What a key does at the emulator of Cloud KMS: it shows its public half and signs, with CRC32C both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google_crc32c import value as crc32c

from farsign.driver import Form
from farsign.testing.emulator import Call, Key, KeyStore, Version, parameters

from . import _emulator_errors as errors
from ._algorithms import ALGORITHMS, DATA, Signing, post_quantum
from ._sdk import resources, service

SIGN: Final = "ASYMMETRIC_SIGN"  # the purpose
MU: Final = 64  # bytes


def _pem(version: Version) -> bytes:
    pem: bytes = version.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


_SHOWN: Final[Mapping[str, Callable[[Version], bytes]]] = {  # PublicKeyFormat, asked for by name -> PublicKey.public_key
    "PEM": _pem,
    "DER": lambda version: version.spki,
    "NIST_PQC": lambda version: version.public_key.public_bytes_raw(),
}


def public_key(store: KeyStore, request: Any, key: Key, version: Version, call: Call) -> resources.PublicKey:
    algorithm, wanted = version.attributes["algorithm"], named(request.public_key_format, "")
    if key.attributes["purpose"] != SIGN:
        raise errors.precondition(f"keys with algorithm {algorithm} do not contain a public key")
    shown: dict[str, Any]
    if wanted == "" and not post_quantum(algorithm):
        pem = _pem(version)
        shown = {"pem": pem.decode(), "pem_crc32c": _checksum(pem, call)}
    elif wanted in _SHOWN and (wanted != "NIST_PQC" or post_quantum(algorithm)):
        data = _SHOWN[wanted](version)
        shown = {"public_key": {"data": data, "crc32c_checksum": _checksum(data, call)}}
    else:
        raise errors.invalid(f"public_key_format {wanted or 'unspecified'} is not supported for algorithm {algorithm}")
    return resources.PublicKey(
        name=f"{key.name}/cryptoKeyVersions/{call.named(store, version).id}",
        algorithm=algorithm,
        protection_level=key.attributes["protection"],
        public_key_format=request.public_key_format,
        **shown,
    )


def sign(store: KeyStore, request: Any, key: Key, version: Version, call: Call) -> service.AsymmetricSignResponse:
    algorithm = version.attributes["algorithm"]
    row = ALGORITHMS.get(algorithm)
    if key.attributes["purpose"] != SIGN or row is None:
        raise errors.precondition(f"keys with algorithm {algorithm} may not be used for signing")
    data, form = _input(request, row, call)
    signature = call.sign(store, version, data, **parameters(row.algorithm, form))
    confirmed = not call.has("unverified_crc32c")
    return service.AsymmetricSignResponse(
        name=f"{key.name}/cryptoKeyVersions/{call.named(store, version).id}",
        signature=signature,
        signature_crc32c=_checksum(signature, call),
        verified_digest_crc32c=confirmed and request.digest_crc32c is not None,
        verified_data_crc32c=confirmed and request.data_crc32c is not None,
        protection_level=key.attributes["protection"],
    )


def _input(request: Any, row: Signing, call: Call) -> tuple[bytes, Form]:
    """What is to be signed, and its form: keys that take digests hash ``data`` themselves."""
    field: str | None = type(request.digest).pb(request.digest).WhichOneof("digest") if request.digest else None
    if field and request.data:
        raise errors.invalid("only one of digest or data must be set")
    if not field and not request.data:
        raise errors.invalid("at least one of digest or data must be set")
    if field:
        return _digest(request, field, row, call), row.form
    if row.form == "mu":
        raise errors.invalid("digest.external_mu is empty")
    if len(request.data) > DATA:
        raise errors.invalid(f"len(data)={len(request.data)}, want len(data)<={DATA}")
    _verify_checksum(request.data, request.data_crc32c, "data", call)
    return request.data, "message"


def _digest(request: Any, field: str, row: Signing, call: Call) -> bytes:
    if row.form == "message":
        raise errors.invalid("data is empty")
    bits = 8 * MU if row.form == "mu" else 256 if row.algorithm == "ES256K" else int(row.algorithm[-3:])
    wanted = "external_mu" if row.form == "mu" else f"sha{bits}"
    digest: bytes = getattr(request.digest, field) if field == wanted else b""
    if 8 * len(digest) != bits:
        raise errors.invalid(f"len(digest)={len(digest)}, want {bits // 8}")
    _verify_checksum(digest, request.digest_crc32c, "digest", call)
    return digest


def _verify_checksum(data: bytes, checksum: int | None, what: str, call: Call) -> None:
    if checksum is not None and (checksum != crc32c(data) or call.has("damaged_request")):
        raise errors.invalid(f"invalid {what} checksum")


def _checksum(data: bytes, call: Call) -> int:
    checksum: int = crc32c(data)
    return checksum ^ call.has("wrong_crc32c")


def named(member: Any, unspecified: str) -> str:
    """An enum member's name, or what it means when it was left out."""
    return getattr(member, "name", str(member)) if member else unspecified  # a number that this SDK has no name for
