"""Commands about one key: ``new``, ``check``, ``public-key``."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from farsign.errors import InvalidKeyURI

from ._terminal import add_command, add_json, add_timeout, print_fields, print_json, quoted

if TYPE_CHECKING:
    from farsign._base.uri import KeyURI
    from farsign._signer.signing_key import SigningKey

    from ._terminal import Commands


def add(commands: Commands) -> None:
    new = add_command(
        commands, "new", "make a key file", "It gets mode 0600, and is encrypted if FARSIGN_FILE_PASSPHRASE is set."
    )
    new.add_argument("uri", metavar="URI", help="file:///abs/path, which must not exist yet")
    new.add_argument("--alg", required=True, help="what it is to sign: ES256, RS256, EdDSA, ML-DSA-65, ...")
    new.add_argument("--bits", type=int, choices=(2048, 3072, 4096), default=2048, help="of an RSA key (default 2048)")
    add_json(new)
    new.set_defaults(run=_new)

    check = add_command(commands, "check", "resolve a key, sign with it and verify: what it is, how long each step took")
    check.add_argument("uri", metavar="URI")
    add_timeout(check)
    add_json(check)
    check.set_defaults(run=_check)

    public = add_command(commands, "public-key", "print a key's public half")
    public.add_argument("uri", metavar="URI")
    public.add_argument("--format", choices=tuple(_FORMATS), default="pem", help="default: pem")
    add_timeout(public)
    public.set_defaults(run=_public_key)


def _new(arguments: Namespace) -> None:
    import farsign

    if ":" not in arguments.uri:
        raise InvalidKeyURI(f"{arguments.uri!r} is no URI", next_step=f"write file://{os.path.abspath(arguments.uri)}")
    uri = farsign.parse_uri(arguments.uri)
    if uri.scheme != "file" or uri.parameters:
        step = "new makes key files, file:///abs/path; other keys are made with their provider's tools"
        raise uri.refuse("is no plain file: URI", step)
    uri, kid = make_key(uri, arguments.alg, arguments.bits)
    _show({"uri": str(uri), "algorithm": arguments.alg, "kid": kid}, arguments)


def make_key(uri: KeyURI, alg: str, bits: int = 2048) -> tuple[KeyURI, str]:
    """Write a new key file. Returns the URI under which it signs ``alg``, and its kid."""
    import farsign
    from farsign_local import new_key_file  # the one backend that makes keys; layer 5 may see it

    new_key_file(f"/{uri.path}", alg, bits=bits)
    with farsign.open_signer(uri) as signer:
        key = signer.key()
    says_it_alone = key.algorithms == (alg,)
    return uri if says_it_alone else uri.replace(parameters={"alg": alg}), key.kid


def _check(arguments: Namespace) -> None:
    import farsign

    uri = farsign.parse_uri(arguments.uri)
    with farsign.open_signer(uri) as signer, farsign.deadline(arguments.timeout):
        start = time.perf_counter()
        key = signer.key()
        resolved = time.perf_counter()
        signature = key.sign(_DATA)  # raises IntegrityFailure if it does not verify
        signed = time.perf_counter()
        key.checker(key.algorithm, "message")(signature, _DATA)
        verified = time.perf_counter()
    facts = {
        "uri": str(uri),
        "algorithm": key.algorithm,
        "kid": key.kid,
        "thumbprint": key.thumbprint,
        "version": key.version,
        "protection": key.protection or "not told",
        "resolve_ms": _ms(resolved - start),
        "sign_ms": _ms(signed - resolved),
        "verify_ms": _ms(verified - signed),
    }
    _show(facts, arguments)


_DATA: Final = b"farsign check"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _show(facts: dict[str, Any], arguments: Namespace) -> None:
    if arguments.json:
        print_json(facts)
    else:
        print_fields([(name.replace("_ms", ", ms"), quoted(value) if name == "uri" else value) for name, value in facts.items()])


def _public_key(arguments: Namespace) -> None:
    import farsign

    with farsign.open_signer(arguments.uri) as signer:
        key = signer.key(timeout=arguments.timeout)
    sys.stdout.flush()
    sys.stdout.buffer.write(_FORMATS[arguments.format](key))


def _jwk(key: SigningKey) -> bytes:
    import json

    return json.dumps(key.jwk(), indent=2).encode() + b"\n"


def _pem(key: SigningKey) -> bytes:
    return _encoded(key, "PEM", "SubjectPublicKeyInfo")


def _der(key: SigningKey) -> bytes:
    return _encoded(key, "DER", "SubjectPublicKeyInfo")


def _openssh(key: SigningKey) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm

    from farsign.errors import AlgorithmNotSupported

    try:
        return _encoded(key, "OpenSSH", "OpenSSH") + b" " + key.kid.encode() + b"\n"
    except (ValueError, UnsupportedAlgorithm):
        raise AlgorithmNotSupported("OpenSSH has no format for this kind of key", next_step="use --format pem") from None


def _encoded(key: SigningKey, encoding: str, form: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    encoded: bytes = key.public_key().public_bytes(getattr(Encoding, encoding), getattr(PublicFormat, form))
    return encoded


_FORMATS: Final = {"pem": _pem, "der": _der, "jwk": _jwk, "openssh": _openssh}
