"""``farsign emulate``, against an emulator of a few lines on a real socket."""

from __future__ import annotations

import contextlib
import json
import shlex
import urllib.error
import urllib.request
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from farsign._plugin import discovery
from farsign.cli import _emulate
from farsign.testing.emulator import EmulatedKey, HttpEmulator, InjectedError, Reply, Request

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

    def use_and_interrupt() -> None:
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
        (("acmekms", "--key", "ES256:"), "ALG:ALIAS"),
    ],
)
def test_what_it_refuses(arguments: tuple[str, ...], says: str, acme: list[tuple[int, bytes]], run: Run) -> None:
    outcome = run("emulate", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err
    assert acme == []
