"""``farsign emulate``: a provider's wire protocol on this machine, for any SDK in any language."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from farsign.errors import ConfigurationError

from ._terminal import add_json, print_fields, print_json, quoted

if TYPE_CHECKING:
    from farsign.testing.emulator import Emulator

    from ._terminal import Commands


def add(commands: Commands) -> None:
    emulate = commands.add_parser("emulate", help="run a provider's emulator on loopback until Ctrl-C")
    emulate.add_argument("scheme", metavar="SCHEME", help="awskms, gcpkms, azurekms, hashivault, ...")
    emulate.add_argument("--key", action="append", type=_key, default=[], metavar="ALG[:ALIAS]", help="make a key; repeatable")
    emulate.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    emulate.add_argument("--port", type=int, default=0, help="default: any free one, which is printed")
    emulate.add_argument("--seed", type=int, default=0, help="makes faults that are drawn by chance repeatable")
    emulate.add_argument("--fault", action="append", default=[], metavar="FAULT", help="such as throttle:sign:3; repeatable")
    add_json(emulate)
    emulate.set_defaults(run=_emulate)


def _key(text: str) -> tuple[str, str | None]:
    alg, colon, alias = text.partition(":")
    if not alg or (colon and not alias):
        raise argparse.ArgumentTypeError(f"{text!r} is not ALG or ALG:ALIAS, such as ES256:auth")
    return alg, alias or None


def _emulate(arguments: Namespace) -> None:
    emulator = _made(arguments)
    for order in arguments.fault:
        emulator.faults.order(order)
    with _terminated_like_interrupted(), emulator:
        keys = [emulator.create_key(alg, alias=alias) for alg, alias in arguments.key]  # now: their URIs name the port
        _tell(emulator, [key.uri for key in keys], as_json=arguments.json)
        _until_interrupted()


def _until_interrupted() -> None:
    threading.Event().wait()


def _made(arguments: Namespace) -> Emulator:
    from farsign._plugin.discovery import backend

    plain = backend(arguments.scheme).emulator()
    if plain is None:
        raise ConfigurationError(f'"{arguments.scheme}" has no emulator', next_step="`farsign backends` lists the schemes")
    return type(plain)(host=arguments.host, port=arguments.port, seed=arguments.seed)  # the hook makes one with defaults


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """A container's first process has to answer SIGTERM itself."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(emulator: Emulator, uris: list[str], *, as_json: bool) -> None:
    environment = emulator.environment()
    if as_json:
        print_json({"url": emulator.url, "keys": uris, "environment": environment})
    else:
        exported = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        print_fields([("listening", emulator.url), *(("key", quoted(uri)) for uri in uris), ("export", exported)])
    sys.stdout.flush()
