"""The filter on what the bare SDKs print at DEBUG when they sign; a handler without it, on the same records, is the control."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from faulty_backends import running

from farsign.testing._http import HttpServer
from farsign.testing.emulator import Reply
from farsign_contrib.redaction import REDACTED, RedactingFilter

MESSAGE = b"it's a canary-message, 5c1f0a \x00\xff"
REFUSED = "it's, a canary of the wrong type"
DIGEST = hashlib.sha256(MESSAGE).digest()


def spellings(data: bytes) -> list[str]:
    standard = base64.b64encode(data).decode().rstrip("=")
    urlsafe = base64.urlsafe_b64encode(data).decode().rstrip("=")
    octal = "".join(f"\\{each:03o}" for each in data)
    return [standard, urlsafe, data.hex(), repr(data)[2:-1], octal]


class Told(NamedTuple):
    """What one handler without the filter wrote, and one with it that came after."""

    plain: io.StringIO
    filtered: io.StringIO

    def check(self, canaries: dict[str, list[str]]) -> None:
        plain, filtered = self.plain.getvalue(), self.filtered.getvalue()
        assert {name for name, spelled in canaries.items() if any(each in plain for each in spelled)} == set(canaries)
        assert [name for name, spelled in canaries.items() if any(each in filtered for each in spelled)] == []
        assert REDACTED in filtered
        assert filtered.count("\n") >= plain.count("\n") // 2  # only secrets went


def attached(logger: logging.Logger, formatter: logging.Formatter | None = None) -> Told:
    told = Told(io.StringIO(), io.StringIO())
    for stream in told:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    logger.handlers[-1].addFilter(RedactingFilter())
    return told


@pytest.fixture
def loggers() -> Iterator[None]:
    """Every logger as it was before."""
    root = logging.getLogger()
    known = [root, *(logging.getLogger(name) for name in root.manager.loggerDict)]
    before = [(each, each.level, list(each.handlers), each.propagate) for each in known]
    yield
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers, logger.propagate = handlers, propagate


@pytest.fixture
def told(loggers: None) -> Told:
    """Of every logger, at DEBUG."""
    root = logging.getLogger()
    for name in ("", *root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.DEBUG)
    return attached(root)


@pytest.fixture
def google(loggers: None) -> Told:
    """Of Google's own handler, as GOOGLE_SDK_PYTHON_LOGGING_SCOPE=google makes it when the process starts."""
    client_logging = pytest.importorskip("google.api_core.client_logging")
    logger = logging.getLogger("google")
    logger.setLevel(logging.NOTSET)
    logger.handlers, logger.propagate = [], True
    client_logging.setup_logging("google")
    (own,) = logger.handlers
    logger.handlers = []
    return attached(logger, own.formatter)


def test_boto3(told: Told) -> None:
    with running("awskms") as cloud:
        import boto3

        key = cloud.create_key("ES256")
        given = cloud.credentials.issue("111122223333", "arn:aws:sts::111122223333:assumed-role/canary/canary", 3600.0)
        session = boto3.session.Session(given.access_key, given.secret, given.token, region_name="us-east-1")
        client = session.client("kms", endpoint_url=cloud.url)
        fixed = {"KeyId": key.version, "SigningAlgorithm": "ECDSA_SHA_256"}
        signatures = [
            client.sign(Message=MESSAGE, MessageType="RAW", **fixed)["Signature"],
            client.sign(Message=DIGEST, MessageType="DIGEST", **fixed)["Signature"],
        ]
        with pytest.raises(Exception, match="Invalid type") as refused:
            client.sign(Message=[REFUSED], MessageType="RAW", **fixed)
        logging.getLogger("a.users.own").error("refused", exc_info=refused.value)
    told.check(
        {
            "token": [given.token],
            "key id": [given.access_key[4:]],
            "message": spellings(MESSAGE),
            "digest": spellings(DIGEST),
            "first signature": spellings(signatures[0]),
            "second signature": spellings(signatures[1]),
            "refused": [REFUSED],
        }
    )


def test_azure_keyvault_keys(told: Told) -> None:
    with running("azurekms") as cloud:
        from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
        from keyvault import StaticCredential

        from farsign_azure._transport import Transport

        key, token = cloud.create_key("ES256"), cloud.tokens.grant()
        transport = Transport(cloud.url, cloud.certificate.ca_file)
        with CryptographyClient(key.version, StaticCredential(lambda: token), transport=transport, logging_enable=True) as client:
            signature = client.sign(SignatureAlgorithm.es256, DIGEST).signature
    told.check({"token": [token], "digest": spellings(DIGEST), "signature": spellings(signature)})


def test_google_cloud_kms(google: Told) -> None:
    with running("gcpkms") as cloud:
        from cloudkms import CANARY, sdk

        key = cloud.create_key("ES256")
        client = sdk(cloud.authority)
        metadata = [("authorization", f"Bearer {CANARY}")]
        cloud.tokens.add(CANARY)
        signed = client.asymmetric_sign(request={"name": key.version, "digest": {"sha256": DIGEST}}, metadata=metadata)
        data = client.asymmetric_sign(request={"name": key.version, "data": MESSAGE}, metadata=metadata)
        client.transport.close()
        logging.getLogger("google.cloud.mine").warning("%s, %r", data, {"digest": {"sha256": DIGEST}})
    google.check(
        {
            "token": [CANARY],
            "digest": spellings(DIGEST),
            "message": spellings(MESSAGE),
            "signature": spellings(signed.signature),
            "second signature": spellings(data.signature),
        }
    )
    assert key.version in google.filtered.getvalue()


def test_google_auth(google: Told) -> None:
    requests = pytest.importorskip("google.auth.transport.requests")
    server = HttpServer(lambda request: Reply(200, b'{"access_token": "canary-access", "jwt": "canary-jwt"}', {}), tls=None)
    server.start()
    headers = {"Authorization": "Basic canary-basic", "Content-Type": "application/json"}
    requests.Request()(f"http://127.0.0.1:{server.port}/token", "POST", b'{"assertion": "x", "secret_id": "canary-id"}', headers)
    server.close()
    google.check({"header": ["canary-basic"], "body": ["canary-id"], "reply": ["canary-jwt"]})


def test_hvac(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """It logs next to nothing, so with what people use instead: http.client's debuglevel, sent to a logger."""
    with running("hashivault") as cloud:
        hvac = pytest.importorskip("hvac")
        logger = logging.getLogger("http.client")
        monkeypatch.setattr(http.client, "print", lambda *args: logger.debug(" ".join(map(str, args))), raising=False)
        monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
        cloud.create_key("ES256", "auth")
        token = cloud.auth.grant()
        client = hvac.Client(cloud.url, token=token)
        reply: Any = client.secrets.transit.sign_data(
            "auth",
            hash_input=base64.b64encode(DIGEST).decode(),
            hash_algorithm="sha2-256",
            prehashed=True,
            marshaling_algorithm="asn1",
        )
        logger.debug("sent %s, got %r", [*client.session.headers.items(), ("X-Vault-Token", client.token)], reply["data"])
        client.adapter.close()
    told.check({"token": [token], "digest": spellings(DIGEST), "signature": [reply["data"]["signature"].rpartition(":")[2]]})
