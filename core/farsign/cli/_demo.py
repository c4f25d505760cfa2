"""``farsign demo``: the main job from a key to a verified token, then the same on each cloud's emulator."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from farsign.errors import FarsignError

from ._keys import make_key
from ._terminal import add_command, print_fields, print_table, quoted

if TYPE_CHECKING:
    from farsign._plugin.discovery import Backend
    from farsign.testing.emulator import Emulator

    from ._terminal import Commands


def add(commands: Commands) -> None:
    demo = add_command(commands, "demo", "make a key, sign and verify; then the same on each cloud's emulator")
    demo.set_defaults(run=_demo)


_CLAIMS: Final = {"sub": "42", "aud": "api"}


def _demo(_: Namespace) -> None:
    with TemporaryDirectory(prefix="farsign-demo-") as folder:
        _with_a_file(Path(folder) / "key.pem")
    found = [_shown(scheme) for scheme in _cloud_schemes()]
    if rows := [row for row in found if row is not None]:
        print("\nThe same with each provider's own SDK, against its emulator on loopback:\n")
        print_table(("scheme", "alg", "kid", "ms", "wire calls", "for a real key set SIGNING_KEYS to"), rows)
        print("\n`farsign check URI` says whether a real key can be used, or which permission or credential is missing.")
    for scheme, step in _missing():
        _not_shown(scheme, step)


def _with_a_file(path: Path) -> None:
    import farsign
    from farsign import jws, jwt

    uri, _ = make_key(farsign.KeyURI("file", "", str(path).lstrip("/")), "ES256")
    with farsign.open_issuer(str(uri)) as issuer:
        key = issuer.key()
        token = jwt.encode(_CLAIMS, issuer, expires_in=300)
        claims = jwt.decode(token, issuer.keys(), audience="api")
        document = issuer.jwks()
    print_fields(
        [
            ("key", f"{quoted(uri)}  {key.algorithm}, protection: {key.protection}"),
            ("token", token),
            ("header", json.dumps(jws.unverified_header(token))),
            ("claims", json.dumps(claims)),
            ("verified", f"by farsign and, from the JWKS alone, by PyJWT {_verified_by_pyjwt(token, document, claims)}"),
            ("jwks", json.dumps(document)),
        ]
    )


def _verified_by_pyjwt(token: str, document: dict[str, Any], claims: dict[str, Any]) -> str:
    """PyJWT's version, if it reads the same claims; otherwise it raises."""
    import jwt

    key = jwt.PyJWKSet.from_dict(document)[jwt.get_unverified_header(token)["kid"]]
    if jwt.decode(token, key, algorithms=["ES256"], audience="api") != claims:
        raise AssertionError("PyJWT read other claims than farsign")
    return jwt.__version__


def _cloud_schemes() -> list[str]:
    from farsign._plugin.discovery import installed

    return [row.scheme for row in installed() if row.present]


def _missing() -> list[tuple[str, str]]:
    from farsign._plugin.discovery import KNOWN_EXTRAS, installed

    return [(row.scheme, f"pip install 'farsign[{KNOWN_EXTRAS[row.scheme].name}]'") for row in installed() if not row.present]


class _Row(NamedTuple):
    scheme: str
    algorithm: str
    kid: str
    milliseconds: str
    wire_calls: int
    real: str


def _shown(scheme: str) -> _Row | None:
    """None for a backend that has no emulator, for its keys are here already; and for one that fails, which is told."""
    from farsign._plugin.discovery import backend

    try:
        plugin = backend(scheme)
        emulator = plugin.emulator()
        if emulator is None:
            return None
        with emulator:
            return _row(plugin, emulator)
    except FarsignError as error:
        _not_shown(scheme, error.diagnostics())
        return None


def _not_shown(scheme: str, why: str) -> None:
    print(f"not shown: {scheme} ({why})", file=sys.stderr)


def _row(plugin: Backend, emulator: Emulator) -> _Row:
    import farsign
    from farsign import jwt

    made = emulator.create_key("ES256", alias="demo")
    start = time.perf_counter()
    with farsign.open_signer(made.uri) as signer:
        key = signer.key()
        jwt.decode(jwt.encode(_CLAIMS, signer, expires_in=300), key, audience="api")
        milliseconds = (time.perf_counter() - start) * 1000
    return _Row(plugin.scheme, key.algorithm, key.kid, f"{milliseconds:.0f}", emulator.calls("*"), plugin.example)
