"""What holds for every command: exit codes, streams, interruption, and a start that costs little."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import farsign
from farsign import cli, errors
from farsign.cli import _about, _terminal

Run = Callable[..., Any]
FARSIGN = [sys.executable, "-m", "farsign"]


def test_help_and_version(run: Run) -> None:
    helped = run("--help")
    assert (helped.code, helped.err) == (0, "")
    assert helped.out.startswith("usage: farsign")
    assert re.fullmatch(r"farsign \d+\.\d+.*\n", run("--version").out)
    assert run("--version").out == f"farsign {farsign.__version__}\n"


@pytest.mark.parametrize(
    "command", ["demo", "new", "check", "public-key", "sign", "verify", "jwks", "backends", "uri", "emulate"]
)
def test_every_command_explains_itself(command: str, run: Run) -> None:
    assert re.search(rf"^    {command} +[a-z]", run("--help").out, re.MULTILINE)
    helped = run(command, "--help")
    assert helped.code == 0
    assert helped.out.startswith(f"usage: farsign {command} ")


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("sign",), ("uri",), ("new", "file:///x"), ("sign", "file:///x", "--expires-in", "soon")]
)
def test_wrong_usage_is_2_and_silent_on_standard_output(arguments: tuple[str, ...], run: Run) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "usage: farsign" in outcome.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidToken("no"), 1),
        (errors.InvalidKeyURI("no"), 2),
        (errors.BackendNotInstalled("no"), 2),
        (errors.FarsignError("no"), 2),
        (errors.ProviderError("no"), 3),
        (errors.PermissionDenied("no", next_step="allow kms:Sign"), 3),
        (errors.DeadlineExceeded("no"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(error: BaseException, code: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(_about, "print_table", fail)
    outcome = run("backends")
    assert (outcome.code, outcome.out) == (code, "")
    expected = f"{error.diagnostics()}\n" if isinstance(error, errors.FarsignError) else ""
    assert outcome.err == expected


def test_a_bug_is_not_dressed_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(_about, "print_table", fail)
    with pytest.raises(ZeroDivisionError):
        run("backends")


def test_warnings_are_one_line_on_standard_error(run: Run) -> None:
    """RULES 33, as an operator sees it."""
    outcome = subprocess.run([*FARSIGN, "check", "memory:x"], capture_output=True, text=True, check=True)
    assert outcome.stderr.startswith("ProcessKeyWarning: memory:x is a key of this process alone")
    assert outcome.stderr.count("\n") == 1
    assert "protection" in outcome.stdout


def test_what_is_logged_is_a_warning_of_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a program it goes where the program's logging goes; here there is none."""
    logger = logging.getLogger("farsign")
    handlers = list(logger.handlers)

    def fail(*_: object) -> None:
        logger.warning("%s: breaker %s", "acme", "open")
        logger.info("nothing of interest")
        raise errors.ProviderUnavailable("acme did not answer", next_step="wait")

    monkeypatch.setattr(_about, "print_table", fail)
    outcome = run("backends")
    assert outcome.err.splitlines() == [
        "warning: acme: breaker open",
        "ProviderUnavailable [unavailable]: acme did not answer",
        "  next: wait",
    ]
    assert logger.handlers == handlers


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("300", 300), ("250ms", 0.25), ("30s", 30), ("5m", 300), ("1h", 3600), ("7d", 604_800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert _terminal.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "5 m", "1.5h", "5M", "٣", "9" * 10, "5m\n"])
def test_durations_that_are_none(text: str, run: Run) -> None:
    outcome = run("sign", "file:///x", f"--expires-in={text}")
    assert outcome.code == 2
    assert "write 300 (seconds), 250ms, 5m, 1h or 7d" in outcome.err


def test_a_broken_pipe_is_quiet() -> None:
    """Nobody reads: as in ``farsign backends | true``."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        outcome = subprocess.run([*FARSIGN, "uri", "file:///x"], stdout=closed, stderr=subprocess.PIPE, text=True)
    assert (outcome.returncode, outcome.stderr) == (141, "")


def test_control_c_is_130_without_a_traceback() -> None:
    process = subprocess.Popen(
        [*FARSIGN, "verify", "--keys", "-", "nowhere"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)  # it waits for its input
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "")


def test_help_imports_neither_cryptography_nor_a_plugin() -> None:
    script = "import sys; from farsign.cli import main; main(['--help']); print(*sorted(sys.modules))"
    loaded = (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    )
    assert not {"cryptography", "jwt", "pluggy", "asyncio", "farsign_local", "importlib.metadata", "json.decoder"} & set(
        loaded
    ) - {"json.decoder"}


def test_the_parser_is_public_for_documentation() -> None:
    assert cli.parser().prog == "farsign"


def test_no_command_shows_the_help_and_is_wrong_usage(run: Run) -> None:
    ran = run()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == run("--help").out


def test_a_command_that_is_none_is_named(run: Run) -> None:
    assert "argument COMMAND: invalid choice: 'sgin'" in run("sgin").err
