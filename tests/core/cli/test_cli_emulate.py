"""``farsign emulate``, with an emulator of a few lines on a real socket, and with those that are installed."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import farsign
from farsign._plugin import discovery
from farsign.cli import _emulate, _script
from farsign.errors import ConfigurationError, ProviderError, Throttled
from farsign.testing import _orders
from farsign.testing._orders import WRITTEN, parse
from farsign.testing.emulator import EmulatedKey, Emulator, HttpEmulator, InjectedError, Reply, Request

Run = Callable[..., Any]


class AcmeEmulator(HttpEmulator):
    scheme = "acmekms"
    operations = {"Sign": "sign"}  # noqa: RUF012 - as emulators declare it

    def create_key(self, algorithm: str, alias: str | None = None, **options: Any) -> EmulatedKey:
        made = self.keys.create(alias or "unnamed", "P-256").newest
        uri = f"acmekms://{self.authority}/{alias}?alg={algorithm}"
        return EmulatedKey(uri, uri, algorithm, made.id, alias or "unnamed", made.id, alias, made.spki)

    def rotate(self, key: EmulatedKey, **options: Any) -> EmulatedKey:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {"ACME_URL": self.url, "ACME_TOKEN": "not a secret"}

    def answer(self, request: Request) -> Reply:
        self.enter("Sign")
        return Reply(200, b"signed")

    def answer_error(self, error: InjectedError) -> Reply:
        return Reply(429, error.name.encode())


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bytes]]:
    """Makes ``acmekms`` a scheme. Instead of waiting for Ctrl-C, three calls are made; what they got is the list."""
    seen: list[tuple[int, bytes]] = []
    running: list[AcmeEmulator] = []

    class Recorded(AcmeEmulator):
        def start(self) -> Any:
            running.append(self)
            return super().start()

    def use_and_interrupt(emulators: Sequence[Emulator], steps: object) -> None:
        for _ in range(3):
            try:
                with urllib.request.urlopen(running[-1].url, timeout=5) as reply:
                    seen.append((reply.status, reply.read()))
            except urllib.error.HTTPError as error:
                with contextlib.closing(error):
                    seen.append((error.code, error.read()))
        raise KeyboardInterrupt

    real = discovery.backend

    def backend(scheme: str) -> Any:
        return SimpleNamespace(emulator=Recorded) if scheme == "acmekms" else real(scheme)

    monkeypatch.setattr(discovery, "backend", backend)
    monkeypatch.setattr(_emulate, "_until_interrupted", use_and_interrupt)
    return seen


def test_it_serves_until_interrupted(acme: list[tuple[int, bytes]], run: Run, unquoted: Callable[[str], str]) -> None:
    outcome = run("emulate", "acmekms", "--key", "ES256:auth", "--key", "ES256:other", "--fault", "throttle:sign:2")
    assert (outcome.code, outcome.err) == (130, "")
    assert acme == [(429, b"throttled"), (429, b"throttled"), (200, b"signed")]
    lines = [line.split(None, 1) for line in outcome.out.splitlines()]
    assert [name for name, _ in lines] == ["listening", "key", "key", "export"]
    url = lines[0][1]
    assert unquoted(lines[1][1]) == f"acmekms://{url.removeprefix('http://')}/auth?alg=ES256"  # RULES 35: quoted
    assert lines[1][1].startswith("'")
    assert shlex.split(lines[3][1]) == [f"ACME_URL={url}", "ACME_TOKEN=not a secret"]


def test_host_and_port(acme: list[tuple[int, bytes]], run: Run) -> None:
    """RULES 35: port 0 by default, printed; --host and --port for compose."""
    first = run("emulate", "acmekms", "--json").json()
    assert first["keys"] == []
    port = int(first["url"].rpartition(":")[2])
    assert port > 0
    again = run("emulate", "acmekms", "--json", "--host", "127.0.0.2", "--port", port)
    assert json.loads(again.out)["url"] == f"http://127.0.0.2:{port}"
    assert len(acme) == 6


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("memory",), "no emulator"),
        (("nonsense",), "no installed backend"),
        (("acmekms", "--fault", "nonsense"), "nonsense"),
        (("acmekms", "--fault", "throttle:sing:3"), "next: name one of * sign describe"),
        (("acmekms", "--key", "ES256:"), "ALG:ALIAS"),
        (("acmekms", "--script", "/nowhere/script"), "/nowhere/script"),
        (("all", "--port", "4000"), "--port"),
    ],
)
def test_what_it_refuses(arguments: tuple[str, ...], says: str, acme: list[tuple[int, bytes]], run: Run) -> None:
    outcome = run("emulate", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err
    assert acme == []


def test_one_that_reads_no_variables_says_how_a_client_is_pointed_there(
    acme: list[tuple[int, bytes]], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AcmeEmulator, "client", lambda self: f"api_endpoint {self.authority}")
    said = run("emulate", "acmekms").out
    assert "client     api_endpoint 127.0.0.1:" in said
    assert "export" not in said
    facts = json.loads(run("emulate", "acmekms", "--json").out)
    assert facts["client"] == f"api_endpoint {facts['url'].removeprefix('http://')}"
    assert facts["environment"]["ACME_URL"] == facts["url"]


def emulator_of(scheme: str) -> Emulator:
    if not any(row.present for row in discovery.installed() if row.scheme == scheme):
        pytest.skip("needs the SDK of a provider: pip install 'farsign[all]'")
    found = discovery.backend(scheme).emulator()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("scheme", "names"),
    [
        ("awskms", "GetPublicKey CreateGrant ListKeys AssumeRole"),
        ("azurekms", "KeyVerify KeyPurge list token challenge"),
        ("gcpkms", "CreateCryptoKey GetKeyRing list"),
        ("hashivault", "Verify RotateKey LookupSelf login renew"),
    ],
)
def test_emulators_know_what_they_route(scheme: str, names: str) -> None:
    emulator = emulator_of(scheme)
    assert [emulator.calls(name) for name in ("sign", "describe", "*", *names.split())] == [0] * (3 + len(names.split()))
    with pytest.raises(ValueError, match=f"no operation 'sing'.* {names.split()[0]} "):
        emulator.calls("sing")


def test_with_several_emulators_a_fault_is_for_those_that_have_its_operation() -> None:
    aws, gcp = map(emulator_of, ("awskms", "gcpkms"))
    _script.place("throttle:AssumeRole", [aws.faults, gcp.faults])
    assert [bool(each.faults.draw(("assumerole",))) for each in (aws, gcp)] == [True, False]
    with pytest.raises(ConfigurationError, match="'sing'") as caught:
        _script.place("throttle:sing", [aws.faults, gcp.faults])
    assert {"AssumeRole", "AsymmetricSign"} <= set(str(caught.value.next_step).split())


# -- all that are installed, in a process of their own -------------------------------------------------------------------------


def schemes() -> list[str]:
    """Of the emulators that can run here, one of each kind."""
    found = {}
    for row in discovery.installed():
        if row.present and (emulator := discovery.backend(row.scheme).emulator()) is not None:
            found.setdefault(type(emulator), emulator.scheme)
    return list(found.values())


class Served:
    """``farsign emulate ... --json`` under way."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "farsign", "emulate", *arguments, "--json"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1)
        self.told = json.loads("".join(self._first_value()))

    def _first_value(self) -> Iterator[str]:
        assert self.process.stdout
        for line in self.process.stdout:
            yield line
            if line in ("}\n", "]\n"):
                return

    def say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")

    def end(self, by: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """The exit code, and standard error."""
        self.process.send_signal(by)
        _, err = self.process.communicate(timeout=20)
        return self.process.returncode, err


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(*arguments: str) -> Served:
        running.append(Served(*arguments))
        return running[-1]

    yield start
    for served in running:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_all_serve_until_interrupted(by: signal.Signals, serve: Callable[..., Served], run: Run) -> None:
    """Each can be checked by the URI that is printed; Ctrl-C ends all."""
    expected = schemes()
    if not expected:
        pytest.skip("needs the SDK of a provider: pip install 'farsign[all]'")
    served = serve("all", "--key", "ES256:auth")
    assert [facts["scheme"] for facts in served.told] == expected
    for facts in served.told:
        (uri,) = facts["keys"]
        checked = run("check", uri, "--json")
        assert (checked.code, checked.err) == (0, "")
        assert checked.json()["algorithm"] == "ES256"
        assert all(isinstance(value, str) for value in facts["environment"].values())
    code, err = served.end(by)
    assert (code, err) == (130, "")
    for facts in served.told:
        host, _, port = facts["url"].rpartition("//")[2].rpartition(":")
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, int(port)), 1).close()


def test_all_say_which_key_they_cannot_make(serve: Callable[..., Served]) -> None:
    pytest.importorskip("azure.keyvault.keys")
    served = serve("all", "--key", "EdDSA")
    made = {facts["scheme"]: len(facts["keys"]) for facts in served.told}
    assert made["azurekms"] == 0
    assert "azurekms: Key Vault has no keys for EdDSA" in served.end()[1]


def test_one_that_fails_leaves_the_others_running(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [discovery.Installed(scheme, "farsign", True, "") for scheme in ("acmekms", "brokenkms", "acme2kms", "file")]
    monkeypatch.setattr(discovery, "installed", lambda: rows)

    def backend(scheme: str) -> Any:
        if scheme == "brokenkms":
            raise ConfigurationError("it is broken")
        return SimpleNamespace(emulator=(lambda: None) if scheme == "file" else AcmeEmulator)

    monkeypatch.setattr(discovery, "backend", backend)
    found = _emulate._all(SimpleNamespace(port=0))
    assert [type(emulator) for emulator in found] == [AcmeEmulator], "two schemes of one server are one"
    assert "not running: brokenkms (it is broken)" in capsys.readouterr().err
    rows.clear()
    with pytest.raises(ConfigurationError, match="no backend"):
        _emulate._all(SimpleNamespace(port=0))


# -- faults, on order and over time --------------------------------------------------------------------------------------------


def throttled(uri: str) -> bool:
    with farsign.open_signer(uri, policy=farsign.Policy(timeout=5.0, attempts=1)) as signer:
        key = signer.key()
        try:
            key.sign(b"x")
        except Throttled:
            return True
    return False


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not found():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


@pytest.mark.parametrize("scheme", [row.scheme for row in discovery.installed() if row.present])
def test_faults_strike_real_sdks(scheme: str, serve: Callable[..., Served]) -> None:
    """The first two signatures are throttled, the third is made; then standard input orders more, and ends it."""
    if discovery.backend(scheme).emulator() is None:
        pytest.skip(f"{scheme} has no emulator: its keys are here")
    served = serve(scheme, "--key", "ES256:auth", "--fault", "throttle:sign:2", "--script", "-")
    (uri,) = served.told["keys"]
    assert [throttled(uri) for _ in range(3)] == [True, True, False]
    served.say("throttle:sign  # from now on")
    until(lambda: throttled(uri))
    served.say("nonsense")
    served.say("clear")
    until(lambda: not throttled(uri))
    code, err = served.end()
    assert code == 130
    assert "line 2: 'nonsense' is no fault" in err
    assert "Fatal" not in err


def signed(uri: str) -> str:
    """What one attempt ends with: an error's code and what it says to wait."""
    with farsign.open_signer(uri, policy=farsign.Policy(timeout=5.0, attempts=1)) as signer:
        try:
            signer.key().sign(b"x")
        except ProviderError as error:
            return error.code if error.retry_after is None else f"{error.code} {error.retry_after:g}"
    return "signed"


@pytest.mark.parametrize(
    ("scheme", "fault", "auth", "other"),  # the key's name -> what two signatures end with, in this order
    [
        ("hashivault", "throttle:sign:retry_after=2.5:3", "throttled 2.5, throttled 2.5", "throttled 2.5, signed"),
        ("hashivault", "error:sign:denied:key=other", "signed, signed", "denied, denied"),
        ("hashivault", "rate:sign:0:retry_after=9", "signed, throttled 9", "throttled 9, throttled 9"),
        ("hashivault", "mix:sign:3:of=error:denied*1000000,stall*0.000001", "denied, denied", "denied, signed"),
        ("hashivault", "mix:sign:0%:of=stall", "signed, signed", "signed, signed"),
        ("hashivault", "down", "unavailable, unavailable", "unavailable, unavailable"),
        ("awskms", "down:us-east-1", "unavailable, unavailable", "unavailable, unavailable"),
        ("awskms", "down:eu-west-1", "signed, signed", "signed, signed"),
        ("awskms", "throttle:sign:scope=us-east-1:2", "throttled, throttled", "signed, signed"),
    ],
)
def test_what_python_orders_the_command_line_can(
    scheme: str, fault: str, auth: str, other: str, serve: Callable[..., Served]
) -> None:
    if not any(row.present for row in discovery.installed() if row.scheme == scheme):
        pytest.skip(f"needs the SDK of {scheme}")
    served = serve(scheme, "--key", "ES256:auth", "--key", "ES256:other", "--fault", fault, "--seed", "7")
    ended = [", ".join(signed(uri) for _ in range(2)) for uri in served.told["keys"]]
    assert ended == [auth, other]


@pytest.mark.parametrize("fault", ["down:30s:30s", "mix:sign:20%", "throttle:sign:regoin=eu", "mix:sign:of=down"])
def test_a_fault_with_a_mistake_is_told_with_what_to_write(fault: str) -> None:
    command = [sys.executable, "-m", "farsign", "emulate", "hashivault", "--fault", fault]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "\n  next: write " in ran.stderr


def test_the_help_explains_faults(run: Run) -> None:
    """As the module that reads them does; and all of it can be ordered."""
    told = run("emulate", "--help").out
    explained = re.findall(r"^    (\S.*)", _orders.__doc__ or "", re.MULTILINE)
    assert len(explained) > 8
    page = (Path(__file__).parents[3] / "docs" / "backends.md").read_text()
    assert all(line in told and line in page for line in explained)
    for line in explained:
        for fault in re.findall(r"[a-z_]+:\S+|down\b", line.split("      ")[0]):
            parse(fault)
    assert set(WRITTEN) <= set(told.partition("kinds: ")[2].split())


def test_a_script_is_a_file_read_before_anything_runs(
    acme: list[tuple[int, bytes]], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script"
    script.write_text("# what happens\nthrottle:sign:3\n\nwait 250ms\nclear\n")
    steps: list[Any] = []
    monkeypatch.setattr(_emulate, "_until_interrupted", lambda emulators, found: steps.extend(found))
    assert run("emulate", "acmekms", "--script", script).code == 0
    assert steps == [_script.Step(order="throttle:sign:3"), _script.Step(wait=0.25), _script.Step(order="clear")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "is no fault"),
        ("wait", "is no fault"),
        ("wait soon", "no duration"),
        ("latency:sign", "SECONDS is missing"),
        ("clear all", "is no fault"),
        ("throttle:sing", "no operation 'sing'"),
    ],
)
def test_a_script_with_a_mistake_names_the_line(
    line: str, says: str, acme: list[tuple[int, bytes]], run: Run, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(f"clear\n{line}\n")
    outcome = run("emulate", "acmekms", "--script", script)
    assert (outcome.code, outcome.out) == (2, "")
    assert "line 2: " in outcome.err
    assert says in outcome.err
    assert "\n  next: " in outcome.err
    assert acme == []


def test_a_script_is_followed_in_time(acme: list[tuple[int, bytes]]) -> None:
    emulator = AcmeEmulator()
    steps = [_script.Step(order="throttle:sign"), _script.Step(wait=0.3), _script.Step(order="clear")]
    started = time.monotonic()
    _script.follow(steps, [emulator.faults])
    until(lambda: bool(emulator.faults.draw(("sign",))))
    until(lambda: not emulator.faults.draw(("sign",)))
    assert 0.3 <= time.monotonic() - started < 0.3 + 2.0


@pytest.mark.parametrize("scheme", ["awskms", "gcpkms"])
def test_a_port_that_is_taken_is_told(scheme: str, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("emulate", scheme, "--port", port)
    assert ran.code == 2
    assert f"{scheme} cannot listen at 127.0.0.1:{port}" in ran.err


@pytest.mark.parametrize("port", ["65536", "-1", "x"])
def test_a_port_that_is_none_is_told(port: str, run: Run) -> None:
    ran = run("emulate", "awskms", f"--port={port}")
    assert ran.code == 2
    assert "is no port" in ran.err
