"""A REST transport of google-cloud-kms, given by the caller: other exception classes, the same classes here."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
from driving import MESSAGE, verify
from google.auth.credentials import AnonymousCredentials
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceRestTransport
from google.cloud.kms_v1.types import resources, service
from google.protobuf import json_format

import farsign_gcp
from farsign import errors
from farsign.testing._http import HttpServer, Reply, Request
from farsign_gcp._emulator import GcpEmulator
from farsign_gcp._emulator_rpcs import METHODS
from farsign_gcp._emulator_server import GrpcError

# End of the path -> method, the field that the rest of the path is, the reply (https://cloud.google.com/kms/docs/reference/rest)
ROUTES: Final[dict[str, tuple[str, str, Any]]] = {
    ":asymmetricSign": ("AsymmetricSign", "name", service.AsymmetricSignResponse),
    "/publicKey": ("GetPublicKey", "name", resources.PublicKey),
    "/cryptoKeyVersions": ("ListCryptoKeyVersions", "parent", service.ListCryptoKeyVersionsResponse),
}
STATUS: Final = {"RESOURCE_EXHAUSTED": 429, "UNAVAILABLE": 503, "FAILED_PRECONDITION": 400, "PERMISSION_DENIED": 403}
JSON: Final = {"Content-Type": "application/json"}


class Transcoder:
    """The emulator's answers, as google.api.http writes them."""

    def __init__(self, gcp: GcpEmulator) -> None:
        self._gcp = gcp

    def answer(self, request: Request) -> Reply:
        path = request.path.removeprefix("/v1/")
        suffix = next(suffix for suffix in ROUTES if path.endswith(suffix))
        method, field, reply = ROUTES[suffix]
        kind = METHODS[method].request
        message = kind.from_json(request.body.decode() or "{}")
        setattr(message, field, path.removesuffix(suffix))
        if "publicKeyFormat=3" in request.query:
            message.public_key_format = 3
        try:
            answer = self._gcp._answer(f"/google.cloud.kms.v1.KeyManagementService/{method}", kind.serialize(message), {})
        except GrpcError as error:
            return self._refusal(error)
        return Reply(200, reply.to_json(reply.deserialize(answer.message)).encode(), dict(JSON))

    def _refusal(self, error: GrpcError) -> Reply:
        details = [
            {"@type": f"type.googleapis.com/{detail.DESCRIPTOR.full_name}", **json_format.MessageToDict(detail)}
            for detail in error.details
        ]
        status = STATUS[error.code.name]
        body = {"error": {"code": status, "message": str(error), "status": error.code.name, "details": details}}
        return Reply(status, json.dumps(body).encode(), dict(JSON))


@pytest.fixture
def transport(gcp: GcpEmulator) -> Iterator[KeyManagementServiceRestTransport]:
    server = HttpServer(Transcoder(gcp).answer)
    server.start()
    made = KeyManagementServiceRestTransport(
        host=f"127.0.0.1:{server.port}", url_scheme="http", credentials=AnonymousCredentials()
    )
    yield made
    made.close()
    server.close()


@pytest.mark.parametrize("algorithm", ["ES256", "ML-DSA-65"])
def test_it_signs(algorithm: str, gcp: GcpEmulator, transport: Any) -> None:
    key = gcp.create_key(algorithm)
    with farsign_gcp.open_signer(key.uri.partition("?")[0], transport=transport) as signer:
        known = signer.key()
        verify(key.public_key, algorithm, known.sign(MESSAGE))
        verify(key.public_key, algorithm, asyncio.run(known.asign(MESSAGE)))


def test_its_errors_are_told_apart(gcp: GcpEmulator, transport: Any) -> None:
    key = gcp.create_key("ES256")
    with farsign_gcp.open_signer(key.uri.partition("?")[0], transport=transport) as signer:
        known = signer.key()
        gcp.faults.throttle("sign", times=2)
        verify(key.public_key, "ES256", known.sign(MESSAGE, timeout=10.0))
        assert gcp.calls("sign") == 3, "nor does the transport repeat anything itself"
        gcp.faults.throttle("sign", times=1, retry_after=30.0)
        with pytest.raises(errors.Throttled) as throttled:
            known.sign(MESSAGE)
        assert throttled.value.retry_after == 30.0
        gcp.faults.error("sign", "denied", times=1)
        with pytest.raises(errors.PermissionDenied) as denied:
            known.sign(MESSAGE)
        assert "allow cloudkms.cryptoKeyVersions.useToSign" in denied.value.next_step
        gcp.disable(key)
        with pytest.raises(errors.KeyDisabled):
            known.sign(MESSAGE)


def test_its_timeout_is_watched_from_outside(gcp: GcpEmulator, transport: Any) -> None:
    """RULES 17: requests counts from byte to byte."""
    key = gcp.create_key("ES256")
    with farsign_gcp.open_signer(key.uri.partition("?")[0], transport=transport) as signer:
        known = signer.key()
        gcp.faults.latency("sign", 1.0, times=3)
        started = time.monotonic()
        with pytest.raises((errors.DeadlineExceeded, errors.ProviderUnavailable)):
            known.sign(MESSAGE, timeout=0.3)
        assert time.monotonic() - started < 0.3 + 0.25
