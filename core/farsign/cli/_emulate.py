"""``farsign emulate``: providers' wire protocols on this machine, for any SDK in any language."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from farsign.errors import AlgorithmNotSupported, ConfigurationError, FarsignError

from ._script import Step, follow, place, read_script
from ._terminal import add_command, add_json, print_fields, print_json, quoted

if TYPE_CHECKING:
    from farsign.testing.emulator import Emulator

    from ._terminal import Commands

ALL: Final = "all"
FAULTS: Final = """\
FAULT is KIND:OPERATION, what the kind takes, and words in any order; quote it for the shell. In a name or value
%3A is a colon and %2C a comma.

  throttle:sign:3                      the next three signatures are throttled
  error:sign:denied                    from now on; the name is a code of farsign.errors, or the provider's own
  latency:*:0.2    slow_drip:sign:5    seconds; * is every operation
  reset:sign:10%   throttle:sign:30s   one in ten; for half a minute
  rate:sign:100                        what exceeds 100 calls a second is throttled
  throttle:sign:retry_after=2          and the client is told to wait for two seconds
  error:sign:denied:key=auth:scope=eu-west-1    only keys whose name at the provider contains that; only that region
  down:eu-west-1   down   down:30s     every connection to that region is reset; to all; for half a minute
  mix:sign:20%:of=throttle*25,reset*15,latency:1.5*10    of one in five calls one of these strikes, by weight

kinds: throttle rate error latency reset truncate garbage slow_drip stall wrong_signature other_keys_signature
other_digest short_signature oversized wrong_key_id down mix
"""


def add(commands: Commands) -> None:
    emulate = add_command(commands, "emulate", "run a provider's emulator on loopback until Ctrl-C")
    emulate.add_argument("scheme", metavar="SCHEME", help="awskms, gcpkms, azurekms, hashivault, ..., or all that can run here")
    emulate.add_argument("--key", action="append", type=_key, default=[], metavar="ALG[:ALIAS]", help="make a key; repeatable")
    emulate.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    emulate.add_argument("--port", type=_port, default=0, help="default: any free one, which is printed")
    emulate.add_argument("--seed", type=int, default=0, help="makes faults that are drawn by chance repeatable")
    emulate.add_argument(
        "--fault", action="append", default=[], metavar="FAULT", help="such as throttle:sign:3 (below); repeatable"
    )
    emulate.add_argument("--script", metavar="FILE|-", help="order faults over time: lines of FAULT, clear, wait 5s")
    add_json(emulate)
    emulate.formatter_class, emulate.epilog = argparse.RawDescriptionHelpFormatter, FAULTS
    emulate.set_defaults(run=_emulate)


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give 1 to 65535, or 0 for any that is free")


def _key(text: str) -> tuple[str, str | None]:
    alg, colon, alias = text.partition(":")
    if not alg or (colon and not alias):
        raise argparse.ArgumentTypeError(f"{text!r} is not ALG or ALG:ALIAS, such as ES256:auth")
    return alg, alias or None


def _emulate(arguments: Namespace) -> None:
    emulators = _made(arguments)
    faults = [emulator.faults for emulator in emulators]
    steps = read_script(arguments.script, faults) if arguments.script else ()
    for order in arguments.fault:
        place(order, faults)
    with _terminated_like_interrupted(), ExitStack() as running:
        for emulator in emulators:
            _listens(emulator)
            running.callback(emulator.close)
        _tell([_facts(emulator, arguments.key, lenient=arguments.scheme == ALL) for emulator in emulators], arguments)
        _until_interrupted(emulators, steps)


def _listens(emulator: Emulator) -> None:
    try:
        emulator.start()
    except OSError as error:
        said = f"{emulator.scheme} cannot listen at {emulator.host}:{emulator.port}: {error}"
        raise ConfigurationError(said, next_step="give another --host or --port, or none") from None


def _until_interrupted(emulators: Sequence[Emulator], steps: Iterable[Step]) -> None:
    follow(steps, [emulator.faults for emulator in emulators])
    threading.Event().wait()


def _made(arguments: Namespace) -> list[Emulator]:
    """Not started. The hook makes one with defaults; here are some of the user's own."""
    found = _all(arguments) if arguments.scheme == ALL else [_one(arguments.scheme)]
    return [type(plain)(host=arguments.host, port=arguments.port, seed=arguments.seed) for plain in found]


def _one(scheme: str) -> Emulator:
    from farsign._plugin.discovery import backend

    plain = backend(scheme).emulator()
    if plain is None:
        raise ConfigurationError(f'"{scheme}" has no emulator', next_step="`farsign backends` lists the schemes")
    return plain


def _all(arguments: Namespace) -> list[Emulator]:
    """One of each kind; what is missing or fails is told, and the others run."""
    from farsign._plugin.discovery import backend, installed

    if arguments.port:
        raise ConfigurationError("all cannot listen on one port", next_step="leave --port out, or run one emulator at a time")
    found: dict[type[Emulator], Emulator] = {}  # two schemes may be one server's
    for row in installed():
        try:
            plain = backend(row.scheme).emulator()
        except FarsignError as error:
            print(f"not running: {row.scheme} ({error.next_step or error})", file=sys.stderr)
            continue
        if plain is not None:
            found.setdefault(type(plain), plain)
    if not found:
        raise ConfigurationError("no backend with an emulator is installed", next_step="pip install 'farsign[all]'")
    return list(found.values())


def _facts(emulator: Emulator, keys: Sequence[tuple[str, str | None]], *, lenient: bool) -> dict[str, Any]:
    """What to know of a running emulator. Keys are made now: their URIs name the port."""
    uris = []
    for alg, alias in keys:
        try:
            uris.append(emulator.create_key(alg, alias=alias).uri)
        except AlgorithmNotSupported as error:
            if not lenient:
                raise
            print(f"{emulator.scheme}: {error}", file=sys.stderr)
    return {
        "scheme": emulator.scheme,
        "url": emulator.url,
        "keys": uris,
        "environment": emulator.environment(),
        "client": emulator.client(),
    }


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """A container's first process has to answer SIGTERM itself."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(running: Sequence[dict[str, Any]], arguments: Namespace) -> None:
    if arguments.json:
        print_json(list(running) if arguments.scheme == ALL else running[0])
    else:
        for number, facts in enumerate(running):
            if number:
                print()
            exported = " ".join(f"{name}={shlex.quote(value)}" for name, value in facts["environment"].items())
            pointed = ("client", facts["client"]) if facts["client"] else ("export", exported)
            head = [("emulator", facts["scheme"])] if arguments.scheme == ALL else []
            keys = [("key", quoted(uri)) for uri in facts["keys"]]
            print_fields([*head, ("listening", facts["url"]), *keys, pointed])
    sys.stdout.flush()
