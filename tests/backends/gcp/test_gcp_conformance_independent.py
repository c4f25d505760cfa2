"""The conformance suite over Cloud KMS as a server has it that we did not write (FARSIGN_TEST_GCP_ENDPOINT), keys made by Google's client."""

from __future__ import annotations

import functools
import itertools
import os
import uuid
from typing import Any, ClassVar

import pytest
from cloudkms import sdk
from google.api_core import exceptions as api

from farsign.testing.conformance import SignerConformance
from farsign.testing.conformance._harness import until

ENDPOINT = os.environ.get("FARSIGN_TEST_GCP_ENDPOINT", "")
if not ENDPOINT:
    pytest.skip(
        "set FARSIGN_TEST_GCP_ENDPOINT to HOST:PORT of a plaintext gRPC server of Cloud KMS, such as Google's fakekms "
        "(https://github.com/GoogleCloudPlatform/kms-integrations) or `farsign emulate gcpkms`",
        allow_module_level=True,
    )
NUMBERS = itertools.count()
WIRE = {
    "RS256": "RSA_SIGN_PKCS1_2048_SHA256",
    "RS512": "RSA_SIGN_PKCS1_4096_SHA512",
    "PS256": "RSA_SIGN_PSS_2048_SHA256",
    "PS512": "RSA_SIGN_PSS_4096_SHA512",
    "ES256": "EC_SIGN_P256_SHA256",
    "ES384": "EC_SIGN_P384_SHA384",
    "ES256K": "EC_SIGN_SECP256K1_SHA256",
    "EdDSA": "EC_SIGN_ED25519",
}


@functools.cache
def cloud(endpoint: str) -> tuple[Any, str]:
    """Google's client, and a key ring of this run's own."""
    client = sdk(endpoint)
    request = {"parent": "projects/farsign/locations/us-east1", "key_ring_id": f"conformance-{uuid.uuid4().hex[:12]}"}
    return client, client.create_key_ring(request, retry=None, timeout=10).name


class TestIndependentGcp(SignerConformance):
    """A server that lacks an algorithm skips it. One that does not say in which state a version is cannot show a deleted one."""

    algorithms: ClassVar = set(WIRE)
    limits: ClassVar = {"EdDSA": 65536}
    refuses_empty: ClassVar = {"EdDSA"}

    @pytest.fixture(autouse=True)
    def _endpoint(self) -> None:
        self.kms, self.ring = cloud(ENDPOINT)
        self.newest: dict[str, str] = {}  # URI -> version

    def make_key(self, algorithm: str) -> str:
        wire, level = WIRE[algorithm], "HSM" if algorithm == "ES256K" else "SOFTWARE"
        key = {"purpose": "ASYMMETRIC_SIGN", "version_template": {"algorithm": wire, "protection_level": level}}
        request = {"parent": self.ring, "crypto_key_id": f"key-{next(NUMBERS)}", "crypto_key": key}
        try:
            made = self.kms.create_crypto_key(request, retry=None, timeout=30)
        except (api.BadRequest, api.MethodNotImplemented, api.InternalServerError):
            pytest.skip(f"the server at {ENDPOINT} has no {wire}")
        uri = f"gcpkms://{made.name}?endpoint=http://{ENDPOINT}&auth=emulator"
        self.newest[uri] = self._enabled(f"{made.name}/cryptoKeyVersions/1")
        return uri

    def _enabled(self, version: str) -> str:
        until(lambda: self.kms.get_crypto_key_version(name=version, retry=None, timeout=10).state.name == "ENABLED")
        return version

    def rotate(self, key: str) -> None:
        parent = self.newest[key].partition("/cryptoKeyVersions/")[0]
        made = self.kms.create_crypto_key_version({"parent": parent, "crypto_key_version": {}}, retry=None, timeout=30)
        self.newest[key] = self._enabled(made.name)

    def disable(self, key: str) -> None:
        request = {"crypto_key_version": {"name": self.newest[key], "state": "DISABLED"}, "update_mask": {"paths": ["state"]}}
        self.kms.update_crypto_key_version(request, retry=None, timeout=10)

    def delete(self, key: str) -> None:
        self.kms.destroy_crypto_key_version(name=self.newest[key], retry=None, timeout=10)
        with pytest.raises(api.FailedPrecondition) as caught:
            self.kms.get_public_key(name=self.newest[key], retry=None, timeout=10)
        if "current state is" not in str(caught.value):
            raise NotImplementedError

    def missing_key(self, algorithm: str) -> str:
        return f"gcpkms://{self.ring}/cryptoKeys/not-there?endpoint=http://{ENDPOINT}&auth=emulator"
