"""From a fresh interpreter to the first signature: farsign by URI beside the provider's bare SDK, both against the same emulator.

Each figure is the median of processes of its own, taken in turn, so that a drifting machine hits all alike. The bare SDK signs one
digest; farsign also asks for the public key, builds a SigningKey and verifies what it got. ``python -m benchmarks.cold_start [SCHEME ...]``
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import farsign_local
from farsign._plugin.discovery import backend, installed
from farsign.testing.emulator import EmulatedKey

from ._timing import table

ROUNDS: Final = 9
OURS: Final = """
import os, farsign
farsign.open_signer(os.environ["KEY_URI"]).key().sign(b"data")
"""
# scheme -> the shortest program with the bare SDK; KEY_NAME, KEY_VERSION and the emulator's own variables are set
BARE: Final[Mapping[str, str]] = {
    "file": """
import os
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = serialization.load_pem_private_key(open(os.environ["KEY_NAME"], "rb").read(), None)
key.sign(b"data", ec.ECDSA(hashes.SHA256()))
""",
    "awskms": """
import hashlib, os, boto3
digest = hashlib.sha256(b"data").digest()
boto3.client("kms").sign(
    KeyId=os.environ["KEY_VERSION"], Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256"
)["Signature"]
""",
    "azurekms": """
import hashlib, os
from azure.core.credentials import AccessToken
from azure.keyvault.keys.crypto import CryptographyClient
class Credential:
    def get_token(self, *_, **__): return AccessToken("token-of-the-farsign-emulator", 1 << 40)
key = os.environ["VAULT_URL"] + "/keys/" + os.environ["KEY_NAME"] + "/" + os.environ["KEY_VERSION"].rpartition("/")[2]
CryptographyClient(key, Credential(), verify_challenge_resource=False).sign("ES256", hashlib.sha256(b"data").digest()).signature
""",
    "gcpkms": """
import hashlib, os, grpc
from google.cloud import kms
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport
channel = grpc.insecure_channel(os.environ["KEY_ENDPOINT"])
client = kms.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))
client.asymmetric_sign(name=os.environ["KEY_VERSION"], digest={"sha256": hashlib.sha256(b"data").digest()}).signature
""",
    "hashivault": """
import base64, hashlib, os, hvac
digest = base64.b64encode(hashlib.sha256(b"data").digest()).decode()
hvac.Client().secrets.transit.sign_data(
    name=os.environ["KEY_NAME"], hash_input=digest, prehashed=True, hash_algorithm="sha2-256", marshaling_algorithm="jws"
)["data"]["signature"]
""",
}
DONE: Final = "\nimport time; print(time.monotonic())"  # a clock that all processes share


class Bench(NamedTuple):
    """What one scheme is measured with."""

    scheme: str
    environment: Mapping[str, str]


@contextmanager
def bench(scheme: str) -> Iterator[Bench]:
    """A key for both programs, and its emulator while it is needed."""
    if scheme == "file":
        with tempfile.TemporaryDirectory(prefix="farsign-bench-") as folder:
            path = Path(folder) / "key.pem"
            farsign_local.new_key_file(str(path), "ES256")
            yield Bench(scheme, {"KEY_URI": f"file://{path}", "KEY_NAME": str(path)})
        return
    emulator = backend(scheme).emulator()
    assert emulator is not None  # BARE has none without one
    with emulator:
        key = emulator.create_key("ES256", alias="bench")
        yield Bench(scheme, {**_named(key), "KEY_ENDPOINT": emulator.authority, **emulator.environment()})


def _named(key: EmulatedKey) -> dict[str, str]:
    return {"KEY_URI": key.uri, "KEY_NAME": key.alias or key.name, "KEY_VERSION": key.version}


def seconds(program: str, environment: Mapping[str, str]) -> float:
    """From the start of the process to the end of the program, without the interpreter's own end."""
    started = time.monotonic()
    done = subprocess.run(  # noqa: S603 - programs of this file
        [sys.executable, "-c", program + DONE],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout) - started


def measured(scheme: str) -> tuple[object, ...]:
    programs = {"nothing": "pass", "bare": BARE[scheme], "ours": OURS}
    samples: dict[str, list[float]] = {name: [] for name in programs}
    with bench(scheme) as settings:
        for _ in range(ROUNDS):
            for name, program in programs.items():
                samples[name].append(seconds(program, settings.environment) * 1000)
    took = {name: statistics.median(values) for name, values in samples.items()}
    return scheme, took["nothing"], took["bare"], took["ours"], took["ours"] / took["bare"]


def schemes() -> list[str]:
    return [row.scheme for row in installed() if row.present and row.scheme in BARE]


if __name__ == "__main__":
    heads = ("scheme", "python ms", "bare SDK ms", "farsign ms", "farsign/bare")
    table("A fresh process to its first ES256 signature", heads, [measured(scheme) for scheme in sys.argv[1:] or schemes()])
