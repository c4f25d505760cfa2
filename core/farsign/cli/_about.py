"""Commands that open no key: ``backends``, ``uri``."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from ._terminal import add_command, add_json, print_fields, print_json, print_table, quoted

if TYPE_CHECKING:
    from ._terminal import Commands


def add(commands: Commands) -> None:
    backends = add_command(commands, "backends", "list the schemes that can be opened, and whether their SDKs are installed")
    add_json(backends)
    backends.set_defaults(run=_backends)

    uri = add_command(commands, "uri", "explain a key URI: its dialect, canonical form and parts; no network")
    uri.add_argument("uri", metavar="URI")
    add_json(uri)
    uri.set_defaults(run=_uri)


def _backends(arguments: Namespace) -> None:
    from farsign._plugin.discovery import KNOWN_EXTRAS, installed

    rows = installed()
    if arguments.json:
        print_json([row._asdict() for row in rows])
        return
    steps = {scheme: f"missing: pip install 'farsign[{extra.name}]'" for scheme, extra in KNOWN_EXTRAS.items()}
    states = ["installed" if row.present else steps[row.scheme] for row in rows]
    print_table(
        ("scheme", "distribution", "needs", "state"),
        [(row.scheme, row.distribution, row.needs or "-", state) for row, state in zip(rows, states, strict=True)],
    )


_MEANINGS: Final = {
    "alg": "the algorithm to sign with",
    "kid": "the key id to publish",
    "thumbprint": "the only public key to accept (RFC 7638)",
}


def _uri(arguments: Namespace) -> None:
    from farsign import parse_uri
    from farsign._plugin.discovery import backend

    uri = parse_uri(arguments.uri)
    means = backend(uri.scheme).explain(uri)
    if arguments.json:
        parts = {"authority": uri.authority, "path": uri.path, "parameters": dict(uri.parameters), "means": dict(means)}
        print_json({"canonical": str(uri), "dialect": uri.dialect, "scheme": uri.scheme, **parts})
        return
    dialect = uri.dialect if uri.dialect == uri.scheme else f"{uri.dialect}, which is another name for {uri.scheme}"
    rest = {name: value for name, value in uri.parameters.items() if name not in dict(means)}
    parameters = [(name, f"{value}{_meaning(name)}") for name, value in rest.items()]
    print_fields([("canonical", quoted(uri)), ("scheme", dialect), *means, *parameters])


def _meaning(name: str) -> str:
    return f"  ({_MEANINGS[name]})" if name in _MEANINGS else ""
