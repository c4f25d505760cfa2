"""The mutation fuzzer, briefly: ``python tests/fuzz/mutate.py`` runs a million tokens and a hundred thousand key sets."""

from __future__ import annotations

import json
import os

import pytest
from fuzzcases import documents, run, tokens
from fuzzoracle import Finding

from farsign._base import strict_json
from farsign._jose import compact, key_set

TOKENS, KEY_SETS = (1_000_000, 100_000) if os.environ.get("FARSIGN_SOAK") else (20_000, 2_000)
SEED = 8725


def test_tokens() -> None:
    seen = run(tokens(SEED), TOKENS)
    assert seen.total() == TOKENS
    assert seen.keys() >= {"malformed", "signature", "unknown-key", "token-alg", "accepted"}, "not all for one reason"


def test_key_sets() -> None:
    seen = run(documents(SEED), KEY_SETS)
    assert seen.total() == KEY_SETS
    assert seen.keys() >= {"key", "kid-conflict", "partly", "accepted"}


# A fuzzer that finds nothing may be blind: each of these mistakes has to be found.


def test_it_sees_a_second_spelling_that_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = compact.b64url_decode_bytes
    monkeypatch.setattr(compact, "b64url_decode_bytes", lambda segment: strict(segment.rstrip(b"=\n")))
    with pytest.raises(Finding):
        run(tokens(SEED), TOKENS)


def test_it_sees_a_signature_that_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "_prove", lambda found, parts: compact.decode_segment(parts[1], "payload"))
    with pytest.raises(Finding):
        run(tokens(SEED), TOKENS)


def test_it_sees_a_foreign_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "loads_object", json.loads)  # which may return a list
    with pytest.raises((AttributeError, TypeError)) as caught:
        run(tokens(SEED), TOKENS)
    assert "check_token" in caught.value.__notes__[0]


def test_it_sees_a_key_set_that_should_have_been_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_set, "_refuse_hostile", lambda listed: None)
    monkeypatch.setattr(key_set, "Counter", lambda kids: {})  # no kid is there twice
    with pytest.raises(Finding):
        run(documents(SEED), KEY_SETS)
