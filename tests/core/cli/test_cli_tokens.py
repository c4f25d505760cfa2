"""``farsign sign``, ``farsign verify`` and ``farsign jwks``."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from jwks_origin import Origin

import farsign

Run = Callable[..., Any]
KeyFile = Callable[..., str]
FARSIGN = [sys.executable, "-m", "farsign"]


@pytest.fixture
def published(key_file: KeyFile, tmp_path: Path, run: Run) -> tuple[str, str]:
    """A key's URI, and the path of its JWKS."""
    uri = key_file()
    (tmp_path / "jwks.json").write_text(run("jwks", uri).out)
    return uri, str(tmp_path / "jwks.json")


def test_sign_and_verify(published: tuple[str, str], run: Run) -> None:
    uri, jwks = published
    signed = run("sign", uri, "--claims", '{"sub": "42", "aud": "api"}', "--expires-in", "5m")
    assert (signed.code, signed.err, signed.out.count("\n")) == (0, "", 1)
    verified = run("verify", "--keys", jwks, "--audience", "api", stdin=signed.out.encode())
    assert (verified.code, verified.err) == (0, "")
    claims = verified.json()
    assert claims["sub"] == "42"
    assert abs(claims["exp"] - time.time() - 300) < 60


def test_an_independent_library_verifies_what_sign_prints(published: tuple[str, str], run: Run) -> None:
    uri, jwks = published
    token = run("sign", uri, "--claims", '{"sub": "42"}').out.strip()
    key = pyjwt.PyJWKSet.from_json(Path(jwks).read_text())[pyjwt.get_unverified_header(token)["kid"]]
    assert pyjwt.decode(token, key, algorithms=["ES256"])["sub"] == "42"


def test_claims_come_from_a_file_or_standard_input(published: tuple[str, str], tmp_path: Path, run: Run) -> None:
    """A token or its content never has to be an argument: those show in the process list."""
    uri, jwks = published
    (tmp_path / "claims.json").write_text('{"sub": "file"}')
    for given, stdin, sub in (("@" + str(tmp_path / "claims.json"), b"", "file"), ("-", b'{"sub": "stdin"}', "stdin")):
        token = run("sign", uri, "--claims", given, stdin=stdin).out
        assert run("verify", "--keys", jwks, stdin=token.encode()).json()["sub"] == sub


def test_the_token_may_be_a_file_and_the_keys_standard_input(published: tuple[str, str], tmp_path: Path, run: Run) -> None:
    uri, jwks = published
    (tmp_path / "token").write_text(run("sign", uri).out)
    assert run("verify", "--keys", "-", tmp_path / "token", stdin=Path(jwks).read_bytes()).code == 0
    both = run("verify", "--keys", "-")
    assert (both.code, both.out) == (2, "")


def test_json_output(published: tuple[str, str], run: Run) -> None:
    uri, jwks = published
    signed = run("sign", uri, "--claims", '{"sub":"42"}', "--typ", "at+jwt", "--json").json()
    assert signed["header"]["typ"] == "at+jwt"
    assert signed["header"]["alg"] == "ES256"
    verified = run("verify", "--keys", jwks, "--typ", "at+jwt", "--json", stdin=signed["token"].encode()).json()
    assert verified["header"] == signed["header"]
    assert verified["claims"]["sub"] == "42"


def test_any_bytes_as_a_jws(published: tuple[str, str], tmp_path: Path) -> None:
    uri, jwks = published
    (tmp_path / "data").write_bytes(b"\x00\xff not text")
    token = subprocess.run([*FARSIGN, "sign", uri, "--payload", str(tmp_path / "data")], capture_output=True, check=True).stdout
    printed = subprocess.run(
        [*FARSIGN, "verify", "--keys", jwks, "--payload"], input=token, capture_output=True, check=True
    ).stdout
    assert printed == b"\x00\xff not text"
    told = subprocess.run(
        [*FARSIGN, "verify", "--keys", jwks, "--payload", "--json"], input=token, capture_output=True, check=True
    ).stdout
    assert json.loads(told)["payload"] == base64.urlsafe_b64encode(b"\x00\xff not text").rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--audience", "other"), "aud"),
        (("--issuer", "https://issuer.example"), "iss"),
        (("--typ", "at+jwt"), "typ"),
    ],
)
def test_a_token_that_is_not_what_was_asked_for_is_1(
    arguments: tuple[str, ...], says: str, published: tuple[str, str], run: Run
) -> None:
    uri, jwks = published
    token = run("sign", uri, "--claims", '{"sub":"42","aud":"api"}').out
    outcome = run(
        "verify",
        "--keys",
        jwks,
        *(("--audience", "api") if "--audience" not in arguments else ()),
        *arguments,
        stdin=token.encode(),
    )
    assert (outcome.code, outcome.out) == (1, "")
    assert says in outcome.err
    assert token.strip() not in outcome.err


def test_an_expired_token_is_1_and_leeway_forgives(published: tuple[str, str], run: Run) -> None:
    uri, jwks = published
    claims = json.dumps({"sub": "42", "exp": int(time.time()) - 30})
    token = run("sign", uri, "--claims", claims).out.encode()
    expired = run("verify", "--keys", jwks, stdin=token)
    assert (expired.code, expired.out) == (1, "")
    assert run("verify", "--keys", jwks, "--leeway", "5m", stdin=token).code == 0


@pytest.mark.parametrize("token", [b"", b"a.b.c", b"\xff\xfe", b"x" * 100_000, b"e30.e30."])
def test_what_is_no_token_is_1(token: bytes, published: tuple[str, str], run: Run) -> None:
    outcome = run("verify", "--keys", published[1], stdin=token)
    assert (outcome.code, outcome.out) == (1, "")


def test_a_token_by_another_key_is_1(published: tuple[str, str], key_file: KeyFile, run: Run) -> None:
    token = run("sign", key_file(name="other.pem")).out
    assert run("verify", "--keys", published[1], stdin=token.encode()).code == 1


@pytest.mark.parametrize("claims", ["{", "[]", '{"a": 1, "a": 2}', "@/nowhere/claims.json"])
def test_claims_that_are_none_are_2(claims: str, published: tuple[str, str], run: Run) -> None:
    outcome = run("sign", published[0], "--claims", claims)
    assert (outcome.code, outcome.out) == (2, "")
    assert "\n  next: " in outcome.err


def test_a_payload_does_not_expire(published: tuple[str, str], run: Run) -> None:
    assert run("sign", published[0], "--payload", "-", "--expires-in", "5m").code == 2


@pytest.mark.parametrize("form", ["jwk", "pem"])
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_keys_may_be_a_jwk_or_a_pem(form: str, alg: str, key_file: KeyFile, tmp_path: Path) -> None:
    uri = key_file(alg)
    public = subprocess.run([*FARSIGN, "public-key", uri, "--format", form], capture_output=True, check=True).stdout
    (tmp_path / "public").write_bytes(public)
    token = subprocess.run([*FARSIGN, "sign", uri], capture_output=True, check=True).stdout
    told = ["--alg", "RS256"] if (form, alg) == ("pem", "RS256") else []
    subprocess.run([*FARSIGN, "verify", "--keys", tmp_path / "public", *told], input=token, capture_output=True, check=True)


def test_keys_may_be_a_url(published: tuple[str, str], run: Run) -> None:
    uri, jwks = published
    token = run("sign", uri, "--claims", '{"sub":"42"}').out.encode()
    origin = Origin()
    origin.serve(Path(jwks).read_bytes())
    try:
        assert run("verify", "--keys", origin.url, stdin=token).json()["sub"] == "42"
        assert run("verify", "--keys", origin.url, stdin=b"a.b.c").code == 1
        assert len(origin.fetches) == 2
        origin.serve({}, 503)
        refused = run("verify", "--keys", origin.url, stdin=token)
    finally:
        origin.stop()
    assert (refused.code, refused.out) == (3, "")
    assert "503" in refused.err


def test_a_url_that_anybody_could_answer_is_2(run: Run) -> None:
    outcome = run("verify", "--keys", "http://issuer.example/jwks.json", stdin=b"a.b.c")
    assert (outcome.code, outcome.out) == (2, "")
    assert "plain http" in outcome.err


def test_keys_that_cannot_be_read_are_2(tmp_path: Path, run: Run) -> None:
    for content in (None, b"", b"{}", b'{"keys": []}', b"-----BEGIN PUBLIC KEY-----"):
        path = tmp_path / "keys"
        if content is not None:
            path.write_bytes(content)
        outcome = run("verify", "--keys", path, stdin=b"a.b.c")
        assert (outcome.code, outcome.out) == (2, ""), content


# -- jwks -----------------------------------------------------------------------------------------------------------------


def kids(document: Any) -> list[str]:
    return [key["kid"] for key in document["keys"]]


def kid_of(uri: str) -> str:
    with farsign.open_signer(uri) as signer:
        return signer.key().kid


def test_jwks_of_several_keys(key_file: KeyFile, run: Run) -> None:
    uris = [key_file(name="a.pem"), key_file("RS256", "b.pem")]
    document = run("jwks", *uris).json()
    assert kids(document) == [kid_of(uri) for uri in uris]
    assert [key["alg"] for key in document["keys"]] == ["ES256", "RS256"]
    assert not {"d", "p", "q"} & {name for key in document["keys"] for name in key}


def test_merge_keeps_retired_keys(key_file: KeyFile, tmp_path: Path, run: Run) -> None:
    """The old key is gone from the command; tokens that it signed still have to verify."""
    old, new, path = key_file(name="old.pem"), key_file(name="new.pem"), tmp_path / "jwks.json"
    token = run("sign", old, "--claims", '{"sub":"42"}').out.encode()
    path.write_text(run("jwks", old).out)
    assert run("jwks", new, "--merge", path, "--output", path).code == 0
    assert kids(json.loads(path.read_text())) == [kid_of(new), kid_of(old)]
    assert run("verify", "--keys", path, stdin=token).code == 0
    assert run("jwks", new, "--merge", path, "--output", path).code == 0  # once more changes nothing
    assert kids(json.loads(path.read_text())) == [kid_of(new), kid_of(old)]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["jwks.json", "new.pem", "old.pem"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_merge_refuses_one_kid_for_two_keys(key_file: KeyFile, tmp_path: Path, run: Run) -> None:
    uri = key_file()
    other = run("jwks", key_file(name="other.pem")).json()
    other["keys"][0]["kid"] = kid_of(uri)
    (tmp_path / "jwks.json").write_text(json.dumps(other))
    outcome = run("jwks", uri, "--merge", tmp_path / "jwks.json")
    assert (outcome.code, outcome.out) == (2, "")
    assert "KeyIDConflict" in outcome.err


def test_merge_tells_what_it_leaves_out(key_file: KeyFile, tmp_path: Path, run: Run) -> None:
    document = run("jwks", key_file(name="old.pem")).json()
    document["keys"].append({"kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "encryption"})
    (tmp_path / "jwks.json").write_text(json.dumps(document))
    outcome = run("jwks", key_file(), "--merge", tmp_path / "jwks.json")
    assert outcome.code == 0
    assert "left out keys[1]" in outcome.err


@pytest.mark.parametrize("content", ["", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'])
def test_merge_refuses_what_is_no_key_set(content: str, key_file: KeyFile, tmp_path: Path, run: Run) -> None:
    (tmp_path / "jwks.json").write_text(content)
    outcome = run("jwks", key_file(), "--merge", tmp_path / "jwks.json", "--output", tmp_path / "jwks.json")
    assert (outcome.code, outcome.out) == (2, "")
    assert (tmp_path / "jwks.json").read_text() == content


def test_rules_28_keys_that_break_other_verifiers_are_asked_for(key_file: KeyFile, run: Run) -> None:
    uri = key_file("ML-DSA-44")
    refused = run("jwks", uri)
    assert (refused.code, refused.out) == (2, "")
    assert "--all" in refused.err or "include" in refused.err
    assert run("jwks", uri, "--all").json()["keys"][0]["kty"] == "AKP"


def test_rules_3_two_algorithms_of_one_key_are_refused(key_file: KeyFile, run: Run) -> None:
    uri = key_file("RS256")
    outcome = run("jwks", uri, uri.replace("RS256", "PS256"))
    assert (outcome.code, outcome.out) == (2, "")
    assert "RS256" in outcome.err
    assert "PS256" in outcome.err


def test_an_output_that_cannot_be_written_is_2(key_file: KeyFile, tmp_path: Path, run: Run) -> None:
    assert run("jwks", key_file(), "--output", tmp_path / "no" / "jwks.json").code == 2
