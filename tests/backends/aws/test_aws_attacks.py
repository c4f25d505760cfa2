"""What breaks drivers: wrong types, odd credentials, replies that are no HTTP, servers that lie, signers opened and closed by many."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from aws_wire import REQUEST, Wire, key_at, wire
from boto import client
from canned import ARN, Canned, canned

import farsign
import farsign_aws
from farsign import errors
from farsign._base.encodings import raw_to_der
from farsign.testing._http import Reply, Request
from farsign.testing.conformance._harness import in_threads
from farsign.testing.conformance._verify import is_valid
from farsign_aws import _client
from farsign_aws._driver import AwsKey
from farsign_aws._emulator import AwsEmulator

__all__ = ["canned", "wire"]
Emulators = Callable[..., AwsEmulator]
QUICK = farsign.Policy(timeout=1.0, attempts=3)


# -- wrong types ----------------------------------------------------------------------------------------------------------------

SESSIONS: list[Callable[[], object]] = [
    lambda: "default",
    lambda: {"region": "us-east-1"},
    lambda: botocore.session.Session(),
    lambda: boto3.Session("a", "b", region_name="us-east-1").client("kms"),
    lambda: boto3.Session,
]


@pytest.mark.parametrize("make", SESSIONS, ids=["text", "dict", "botocore's", "a client", "the class"])
def test_what_is_no_session(make: Callable[[], object]) -> None:
    with pytest.raises(errors.ConfigurationError, match="session= is a boto3 session, not ") as caught:
        farsign_aws.open_signer("awskms:///alias/x?region=eu-west-1", session=make())
    assert "boto3.Session" in caught.value.next_step


@pytest.mark.parametrize("tokens", ["token", b"token", [1], [None], [""], [b"token"], ["fine", 2]], ids=repr)
def test_what_is_no_grant_token(tokens: Any, no_settings: Path) -> None:
    """ "token" for ["token"] would be five tokens of one letter."""
    with pytest.raises(errors.ConfigurationError, match="grant tokens are a list of texts") as caught:
        farsign_aws.open_signer("awskms:///alias/x?region=eu-west-1", grant_tokens=tokens)
    assert "token" not in str(caught.value).replace("grant tokens", ""), "RULES 16: a grant token is a secret"


@pytest.mark.parametrize("timeout", [0, -1, "1", True, float("nan")], ids=repr)
def test_a_timeout_that_is_none(timeout: Any, emulator: Emulators) -> None:
    aws = emulator("awskms")
    with farsign.open_signer(aws.create_key("ES256").uri) as signer:
        with pytest.raises(errors.ConfigurationError, match="timeout is seconds, more than 0"):
            signer.key(timeout=5.0).sign(b"x", timeout=timeout)
        signer.key().sign(b"x", timeout=1e9)
    assert aws.calls("sign") == 1


def test_five_megabytes_go_as_a_digest_or_mu(emulator: Emulators) -> None:
    aws, large = emulator("awskms"), bytes(5_000_000)
    for algorithm in ("ES256", "PS256", "ML-DSA-44"):
        with farsign.open_signer(aws.create_key(algorithm).uri) as signer:
            key = signer.key()
            assert is_valid(key.public_key(), algorithm, key.sign(large), large)


# -- credentials that a file or a secret store has spoilt -------------------------------------------------------------------------


@pytest.mark.parametrize("spoilt", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("by", ["\n", "\r\nx-evil: 1", " ", "\N{SNOWMAN}", "\x7f"], ids=repr)
def test_a_credential_with_a_line_break(spoilt: str, by: str, no_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, before anything is sent; not "the backend is broken", nor "expired"."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "canary" + (by if name == spoilt else ""))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
    with farsign.open_signer("awskms:///alias/x?region=eu-west-1") as signer, pytest.raises(errors.CredentialsNotFound) as caught:
        signer.key()
    assert "line break" in caught.value.next_step
    assert "canary" not in caught.value.diagnostics()


# -- replies that are none ----------------------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b'{"KeyId": "a", "Signature": "AAAA"}'
RAW = {
    "nothing": b"",
    "half a status": b"HTTP/1",
    "no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a number too large": b"HTTP/1.1 99999 OK\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a TLS alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "a long header": OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": OK + b"".join(b"X-%d: 1\r\n" % n for n in range(5000)) + b"\r\n",
    "two lengths": OK + b"Content-Length: 35\r\nContent-Length: 3\r\n\r\n" + BODY,
    "a length too large": OK + b"Content-Length: 99999999999999999999\r\n\r\n" + BODY,
    "a chunk that is none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk too large": OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + BODY,
    "chunks without end": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1000,
    "compressed": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x00\x00",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "continue for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 2000,
    "a captive portal": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/login\r\nContent-Length: 0\r\n\r\n",
    "more than was promised": OK + b"Content-Length: 2\r\n\r\n{}" + BODY * 10,
    "a deep error": b"HTTP/1.1 400 Bad\r\nContent-Length: 200000\r\n\r\n" + b'{"__type":' * 20_000,
    "an error code of another type": b'HTTP/1.1 400 Bad\r\nContent-Length: 29\r\n\r\n{"__type":{"a":1},"message":2}'[:-1] + b"}",
}  # fmt: skip


@pytest.mark.parametrize("reply", RAW.values(), ids=list(RAW))
def test_a_reply_that_is_no_http(reply: bytes, wire: Callable[..., Wire]) -> None:
    """Always a ProviderError, in time; never BackendBroken, never a success."""

    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        if wire.request(sock):
            sock.sendall(reply)
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(5)
            sock.recv(1)

    started = time.monotonic()
    with key_at(f"127.0.0.1:{wire(talk).port}") as driver:
        with pytest.raises(Exception) as caught:  # whatever boto3 raises is what is classified
            driver.sign(REQUEST, timeout=1.0)
        if not isinstance(caught.value, errors.ProviderError):
            failure = driver.classify(caught.value)
            assert failure is not None, repr(caught.value)
            assert failure.error in (errors.IntegrityFailure, errors.KeyMisuse)
    assert time.monotonic() - started < 5.0


# -- logs ---------------------------------------------------------------------------------------------------------------------------


BEHIND = "http://kms.internal.example:81"


class Proxied(AwsEmulator):
    """A forward proxy and what is behind it in one: it is asked for whole URLs."""

    def answer(self, request: Request) -> Reply:
        request.target = request.target.removeprefix(BEHIND)
        return super().answer(request)


@pytest.mark.parametrize("proxied", [False, True])
def test_rules_16_a_log_at_debug_shows_no_secret(
    proxied: bool, no_settings: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Grant and session tokens, the message, its digest, the signature: not by us, by botocore, nor by urllib3."""
    with Proxied() as aws:
        key = aws.create_key("ES256")
        grant = client(aws.url).create_grant(KeyId=key.version, GranteePrincipal="x", Operations=["Sign"])["GrantToken"]
        given = aws.credentials.issue("111122223333", "arn:aws:sts::111122223333:assumed-role/x/y", 3600)
        session = boto3.Session(given.access_key, given.secret, given.token, region_name="us-east-1")
        uri = key.uri.replace("&auth=emulator", "")
        if proxied:
            monkeypatch.setenv("HTTP_PROXY", aws.url)
            uri = uri.replace(aws.url, BEHIND)
        with caplog.at_level(logging.DEBUG):
            signer = farsign_aws.open_signer(uri, session=session, grant_tokens=[grant], allow_hosts=[BEHIND])
            with signer:
                signature = signer.key().sign(b"canary message")
        assert aws.calls("sign") == 1
    assert "botocore" in caplog.text
    digest = hashlib.sha256(b"canary message").digest()
    octets = [base64.b64encode(each).decode() for each in (digest, signature, raw_to_der(signature, "P-256"))]
    for secret in (grant, given.secret, given.token, "canary", *octets, repr(digest)[2:-1], "AWS4-HMAC-SHA256"):
        assert secret not in caplog.text


# -- a server that lies ---------------------------------------------------------------------------------------------------------------


def test_rules_1_another_key_than_the_one_that_was_asked_for(canned: Canned) -> None:
    """For a pinned key; an alias means what the reply says."""
    described = {"PublicKey": "AAAA", "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}
    other = ARN.replace("1234abcd", "ffffffff")
    alias = canned.uri.replace(ARN, "alias/x") + "&region=us-east-1"
    for uri, asked in ((canned.uri, None), (canned.uri, ARN), (alias, ARN)):
        key = AwsKey(farsign.parse_uri(uri))
        canned.says(KeyId=other, **described)
        with pytest.raises(errors.IntegrityFailure, match=r"was asked for .* and described") as caught:
            key.describe(asked, timeout=5.0)
        assert caught.value.reason == "another key"
        canned.says(KeyId=ARN, **described)
        assert key.describe(asked, timeout=5.0).version == ARN
        key.close()


def test_a_public_key_of_another_kind_than_the_spec_says(emulator: Emulators, canned: Canned) -> None:
    """An RSA key that is said to be ECC_NIST_P256 signs nothing, rather than something that no verifier takes."""
    aws = emulator("awskms")
    spki = base64.b64encode(aws.create_key("RS256").public_key).decode()
    canned.says(KeyId=ARN, PublicKey=spki, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Signature="AAAA")
    with farsign.open_signer(canned.uri, policy=QUICK) as signer, pytest.raises(errors.FarsignError) as caught:
        signer.key().sign(b"x")
    assert not isinstance(caught.value, errors.BackendBroken)
    assert caught.value.next_step


# -- many at once -------------------------------------------------------------------------------------------------------------------


def test_signers_of_one_configuration_opened_and_closed_by_many_threads(emulator: Emulators) -> None:
    """They share one client; whoever closes last closes it, and nobody signs on a closed one."""
    aws = emulator("awskms")
    uris = [aws.create_key("ES256").uri for _ in range(4)]

    def work(n: int) -> None:
        for i in range(12):
            with farsign.open_signer(uris[(n + i) % 4], policy=farsign.Policy(timeout=20.0, attempt_timeout=10.0)) as signer:
                key = signer.key()
                assert is_valid(key.public_key(), "ES256", key.sign(b"x"), b"x")

    in_threads(16, work)
    end = time.monotonic() + 5
    while aws._server._connections:
        assert time.monotonic() < end, "the shared client is closed with its last signer"
        time.sleep(0.02)


def test_one_signer_in_an_event_loop_after_another(emulator: Emulators) -> None:
    aws = emulator("awskms")
    with farsign.open_signer(aws.create_key("ES256").uri) as signer:
        for n in range(5):
            key = asyncio.run(signer.akey())
            data = f"{n}".encode()
            assert is_valid(key.public_key(), "ES256", asyncio.run(key.asign(data)), data)


def test_an_environment_that_changes_while_signers_are_opened(no_settings: Path) -> None:
    """Reading all of it is not atomic: a variable may go between its name and its value."""
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for n in range(50):
                os.environ[f"AWS_UNUSED_{n}"] = "x"
            for n in range(50):
                del os.environ[f"AWS_UNUSED_{n}"]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        read = {_client._environment() for _ in range(3000)}
    finally:
        stop.set()
        thread.join()
    assert len(read) > 1
