"""The command line: ``farsign ...`` or ``python -m farsign ...``. Thin: what it does is the library's.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 the answer is no (a bad token), 2 wrong usage
or configuration, 3 the provider refused or could not be reached, 130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from farsign.errors import FarsignError, InvalidToken, ProviderError

from . import _about, _demo, _emulate, _keys, _tokens

_REFUSED: Final = ((InvalidToken, 1), (ProviderError, 3), (FarsignError, 2))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; ``argv`` without the program's name, sys.argv's by default. Returns the exit code."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # the caller's comes back with the context
            root = parser()
            arguments = root.parse_args(argv)
            if arguments.command is None:
                root.print_help(sys.stderr)
                return 2
            with _log_told():
                arguments.run(arguments)
            sys.stdout.flush()
    except SystemExit as stop:  # argparse ends so: help, version, wrong usage
        return stop.code if isinstance(stop.code, int) else 2
    except FarsignError as error:
        print(error.diagnostics(), file=sys.stderr)
        return next(code for kind, code in _REFUSED if isinstance(error, kind))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _forget_output()
        return 141
    return 0


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="farsign", usage=_USAGE, description=_DESCRIPTION, epilog=_EPILOG, formatter_class=_Help)
    root.add_argument("--version", action=_Version)
    commands = root.add_subparsers(
        prog="farsign", title="commands", metavar="COMMAND", dest="command", help="farsign COMMAND --help explains one"
    )
    for group in (_demo, _keys, _tokens, _about, _emulate):
        group.add(commands)
    return root


_USAGE: Final = "farsign [-h] [--version] COMMAND ..."
_DESCRIPTION: Final = "Sign with keys that never enter the process: one URI per key."
_EPILOG: Final = "exit codes: 0 done, 1 the answer is no (a bad token), 2 wrong usage or configuration, 3 the provider refused or could not be reached"


class _Help(argparse.HelpFormatter):
    """argparse does not count the indentation of commands, so the longest would get a line of its own."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        self._action_max_length = max(self._action_max_length, 16)


class _Version(argparse.Action):
    """As argparse's own, without reading the version until somebody asks."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show farsign's version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import farsign

        print(f"farsign {farsign.__version__}")
        parser.exit()


@contextmanager
def _log_told() -> Iterator[None]:
    """A record without a handler would be a bare line on standard error."""
    import logging  # not for --help

    told = logging.StreamHandler(sys.stderr)
    told.setLevel(logging.WARNING)
    told.setFormatter(logging.Formatter("warning: %(message)s"))
    logger = logging.getLogger("farsign")
    logger.addHandler(told)
    try:
        yield
    finally:
        logger.removeHandler(told)


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    print(f"{category.__name__}: {message}", file=sys.stderr)


def _forget_output() -> None:
    """The interpreter flushes standard output once more when it ends; let it have somewhere to go."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
