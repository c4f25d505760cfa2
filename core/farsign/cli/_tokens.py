"""Commands about tokens and key sets: ``sign``, ``verify``, ``jwks``."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from farsign.errors import ConfigurationError

from ._terminal import add_command, add_json, add_timeout, duration, print_json, read

if TYPE_CHECKING:
    from farsign.jwk import KeySet

    from ._terminal import Commands


def add(commands: Commands) -> None:
    sign = add_command(commands, "sign", "sign a JWT, or any bytes as a JWS")
    sign.add_argument("uri", metavar="URI")
    what = sign.add_mutually_exclusive_group()
    what.add_argument(
        "--claims", default="{}", metavar="JSON|@FILE|-", help="a JWT's claims (default {}); - reads standard input"
    )
    what.add_argument("--payload", metavar="FILE|-", help="sign the bytes of a file as a JWS instead")
    sign.add_argument("--expires-in", type=duration, metavar="TIME", help="set exp: 300, 5m, 1h")
    sign.add_argument("--typ", help="the header's typ (default JWT for a JWT)")
    add_timeout(sign)
    add_json(sign)
    sign.set_defaults(run=_sign)

    verify = add_command(commands, "verify", "verify a JWT and print its claims; exit 1 if it is not valid")
    verify.add_argument(
        "token", nargs="?", default="-", metavar="FILE", help="a file that holds the token (default: standard input)"
    )
    verify.add_argument(
        "--keys", required=True, metavar="FILE|URL|-", help="a JWKS, a JWK or a PEM public key; https://... fetches a JWKS"
    )
    verify.add_argument("--alg", help="what a key that does not say it is for: every PEM, RSA keys in a JWKS")
    verify.add_argument("--audience", action="append", metavar="AUD", help="one of these must be in aud; repeatable")
    verify.add_argument("--issuer", metavar="ISS")
    verify.add_argument("--typ", help="the header's typ (default: JWT or none)")
    verify.add_argument("--leeway", type=duration, default=0.0, metavar="TIME", help="for exp, nbf and iat (default 0)")
    verify.add_argument("--payload", action="store_true", help="verify a JWS of any bytes and print these")
    add_timeout(verify)
    add_json(verify)
    verify.set_defaults(run=_verify)

    jwks = add_command(commands, "jwks", "print the JWKS to publish for one key or several")
    jwks.add_argument("uris", nargs="+", metavar="URI", help="the key that signs first")
    jwks.add_argument("--merge", metavar="FILE", help="a JWKS published before: its keys are kept behind the new ones")
    jwks.add_argument(
        "--all", action="store_true", help="with ML-DSA and secp256k1 keys, for which some verifiers refuse the set"
    )
    jwks.add_argument("--output", metavar="FILE", help="replace this file, whole or not at all, instead of printing")
    add_timeout(jwks)
    jwks.set_defaults(run=_jwks)


def _sign(arguments: Namespace) -> None:
    import farsign
    from farsign import jws, jwt

    if arguments.payload and arguments.expires_in is not None:
        raise ConfigurationError("a JWS of any bytes has no exp", next_step="leave out --expires-in, or sign --claims")
    with farsign.open_signer(arguments.uri) as signer, farsign.deadline(arguments.timeout):
        if arguments.payload:
            token = jws.sign(read(arguments.payload), signer, headers={"typ": arguments.typ} if arguments.typ else None)
        else:
            token = jwt.encode(_claims(arguments.claims), signer, expires_in=arguments.expires_in, typ=arguments.typ or "JWT")
    if arguments.json:
        print_json({"token": token, "header": jws.unverified_header(token)})
    else:
        print(token)


def _claims(source: str) -> dict[str, Any]:
    from farsign._base.strict_json import loads_object

    text = read(source.removeprefix("@")) if source.startswith(("@", "-")) else source.encode()
    try:
        return loads_object(text)
    except ValueError as error:
        reason = str(error)  # our own text, without the claims
    raise ConfigurationError(f"--claims: {reason}", next_step="""give a JSON object, such as '{"sub": "42"}', or @FILE, or -""")


def _verify(arguments: Namespace) -> None:
    if arguments.keys == arguments.token == "-":
        raise ConfigurationError("standard input holds either the keys or the token", next_step="name a file for one of them")
    keys = _remote_keys(arguments) if _is_url(arguments.keys) else _keys(read(arguments.keys), arguments.alg)
    token = read(arguments.token).strip().decode("utf-8", "replace")
    if arguments.payload:
        _verify_payload(token, keys, arguments)
    else:
        _verify_claims(token, keys, arguments)


def _verify_claims(token: str, keys: Any, arguments: Namespace) -> None:
    from farsign import jws, jwt

    expected = {"audience": arguments.audience, "issuer": arguments.issuer, "typ": arguments.typ}
    claims = jwt.decode(token, keys, leeway=arguments.leeway, **expected)
    print_json({"header": jws.unverified_header(token), "claims": claims} if arguments.json else claims)


def _verify_payload(token: str, keys: Any, arguments: Namespace) -> None:
    from farsign import jws
    from farsign._base.encodings import b64url_encode

    verified = jws.verify(token, keys)
    if arguments.json:
        print_json({"header": verified.header, "payload": b64url_encode(verified.payload)})
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(verified.payload)


def _is_url(keys: str) -> bool:
    return keys.lower().startswith(("https://", "http://"))


def _remote_keys(arguments: Namespace) -> Any:
    from farsign.jwk import RemoteKeySet

    keys = RemoteKeySet(arguments.keys, alg=arguments.alg)
    keys.prefetch(timeout=arguments.timeout)
    return keys


def _keys(content: bytes, alg: str | None) -> Any:
    """A Key or a KeySet, whichever the text is."""
    from farsign.jwk import Key, KeySet

    if b"-----BEGIN" in content:
        return Key.from_pem(content, alg=alg)
    if b'"keys"' in content:
        return _told(KeySet.parse(content, alg=alg))
    return Key.parse(content, alg=alg)


def _told(keys: KeySet) -> KeySet:
    for where, reason in keys.skipped:
        print(f"left out {where}: {reason}", file=sys.stderr)
    return keys


def _jwks(arguments: Namespace) -> None:
    import farsign
    from farsign import jwk

    before = _told(jwk.KeySet.parse(read(arguments.merge))) if arguments.merge else ()
    with farsign.open_issuer(arguments.uris) as issuer, farsign.deadline(arguments.timeout):
        keys, signing = issuer.keys(), issuer.key().kid
    published = [key.jwk() for key in keys]
    kept = [key for key in before if key.jwk() not in published]  # the same kid for another key is refused
    document = jwk.document(jwk.KeySet([*keys, *kept]), include="all" if arguments.all else None, signing=signing)
    if arguments.output:
        _replace(arguments.output, document)
    else:
        print_json(document)


def _replace(path: str, document: dict[str, Any]) -> None:
    """A web server may be reading the file, and ``--merge`` may have read it just now."""
    import json
    import os
    import tempfile

    folder = os.path.dirname(os.path.abspath(path))
    try:
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".farsign-", delete=False) as file:
            file.write(json.dumps(document, indent=2) + "\n")
            os.fchmod(file.fileno(), 0o644)  # public keys: for whoever serves them
        os.replace(file.name, path)
    except OSError as error:
        raise ConfigurationError(f"{path!r} cannot be written: {error.strerror}") from None
