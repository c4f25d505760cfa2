"""Wrong arguments to what users call: each refused with what was expected, before anything is opened or sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import farsign
from farsign.errors import ConfigurationError

URI = "memory:bad-input"


def within(seconds: Any) -> None:
    with farsign.deadline(seconds):
        pass


def key(**arguments: Any) -> farsign.SigningKey:
    with farsign.open_signer(URI) as signer:
        return signer.key(**arguments)


CASES: list[tuple[Callable[[], Any], str]] = [
    (lambda: farsign.open_signer(None), "text, not NoneType"),  # type: ignore[arg-type]  # wrong on purpose, here and below
    (lambda: farsign.open_signer(b"memory:x"), "text, not bytes"),  # type: ignore[arg-type]
    (lambda: farsign.open_signer(URI, policy=5), "policy= is a farsign.Policy"),  # type: ignore[arg-type]
    (lambda: farsign.open_signer(URI, allow_hosts="host"), "allow_hosts= is a list"),
    (lambda: farsign.open_signer(URI, failover="memory:y"), "failover= is a list"),
    (lambda: farsign.open_signer(URI, failover=None), "failover= is a list"),  # type: ignore[arg-type]
    (lambda: farsign.open_signer(URI, failover=3), "failover= is a list"),  # type: ignore[arg-type]
    (lambda: farsign.open_signer(URI, failover=[URI]), "names one place twice"),
    (lambda: farsign.Signer(lambda: None, failover=lambda: None), "a list of such functions"),  # type: ignore[arg-type,return-value]
    (lambda: farsign.open_issuer(None), "not NoneType"),  # type: ignore[arg-type]
    (lambda: farsign.open_issuer(b"memory:x"), "not bytes"),  # type: ignore[arg-type]
    (lambda: farsign.open_issuer([5]), "text, not int"),  # type: ignore[list-item]
    (lambda: farsign.open_issuer(" "), "at least one key"),
    (lambda: farsign.open_issuer("file:///a.pem,awskms:///alias/b"), "seems to be two"),
    (lambda: farsign.open_issuer(URI, policy=5), "policy= is a farsign.Policy"),  # type: ignore[arg-type]
    (lambda: farsign.Signer(lambda: None), "no RemoteSigner (NoneType)"),  # type: ignore[arg-type,return-value]
    (lambda: farsign.observe(5), "a function of one event"),  # type: ignore[arg-type]
    (lambda: farsign.Policy(verify="no"), "True or False"),  # type: ignore[arg-type]
    (lambda: farsign.Policy(follow="never"), "'wait' or 'immediately'"),  # type: ignore[arg-type]
    *(
        (lambda value=value: farsign.Policy(timeout=value), "seconds, more than 0")
        for value in (math.nan, math.inf, 0, -1, "1", True)
    ),
    (lambda: farsign.Policy(attempt_timeout=0), "seconds, more than 0"),
    *((lambda value=value: farsign.Policy(stale=value), "seconds, 0 or more") for value in (math.nan, math.inf, -1, "1", True)),
    *((lambda value=value: farsign.Policy(attempts=value), "a whole number from 1") for value in (0, 1.5, "1", True)),
    *((lambda value=value: within(value), "takes seconds") for value in (math.nan, math.inf, "1", None, True)),
    *((lambda value=value: key(timeout=value), "timeout is seconds") for value in (math.nan, math.inf, 0, -1, "1", True)),
]


@pytest.mark.filterwarnings("ignore::farsign_local.ProcessKeyWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[1].replace(" ", "-"))
def test_a_wrong_argument_is_refused_by_name(case: tuple[Callable[[], Any], str]) -> None:
    work, says = case
    with pytest.raises(ConfigurationError) as raised:
        work()
    assert says in str(raised.value)
    assert raised.value.next_step


def test_a_bad_uri_in_a_list_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(farsign.Signer, "close", lambda self: closed.append(self.name))
    with pytest.raises(farsign.InvalidKeyURI):
        farsign.open_issuer("memory:a memory:b nonsense")
    assert closed == ["'memory:a?alg=ES256'", "'memory:b?alg=ES256'"]
