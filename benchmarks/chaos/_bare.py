"""The bare SDKs, as they come: their own retries, and one second to read where that can be said, as ours has."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Final, NamedTuple

from ._cloud import Cloud
from ._load import AsyncSign, Sign

READ: Final = 1  # second


class Bare(NamedTuple):
    """asign: None where the SDK has no asyncio; then it is called from 32 threads."""

    sign: Sign
    asign: AsyncSign | None = None


def boto3(cloud: Cloud) -> Bare:
    from boto3.session import Session
    from botocore.config import Config

    client = Session().client(
        "kms",
        region_name="us-east-1",
        endpoint_url=cloud.ask("url"),
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",  # noqa: S106 - the emulator's
        config=Config(read_timeout=READ, connect_timeout=READ, max_pool_connections=64),
    )
    fixed = {"KeyId": cloud.key.version, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}

    def sign(data: bytes) -> bytes:
        signature: bytes = client.sign(Message=hashlib.sha256(data).digest(), **fixed)["Signature"]
        return signature

    return Bare(sign)


def azure(cloud: Cloud) -> Bare:
    from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm

    from farsign_azure._client import EmulatorCredential
    from farsign_azure._transport import Transport

    client = CryptographyClient(
        cloud.key.version,
        EmulatorCredential(),
        transport=Transport(cloud.ask("url"), cloud.ask("certificate.ca_file")),  # only changes where the socket goes
        read_timeout=READ,
    )

    def sign(data: bytes) -> bytes:
        return client.sign(SignatureAlgorithm.es256, hashlib.sha256(data).digest()).signature

    return Bare(sign)


def google(cloud: Cloud) -> Bare:
    import grpc
    from google.cloud import kms_v1
    from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

    channel = grpc.insecure_channel(cloud.ask("authority"))
    client = kms_v1.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))

    def sign(data: bytes) -> bytes:
        digest = {"sha256": hashlib.sha256(data).digest()}
        signature: bytes = client.asymmetric_sign(request={"name": cloud.key.version, "digest": digest}).signature
        return signature

    return Bare(sign)


def hvac(cloud: Cloud) -> Bare:
    import hvac

    environment = cloud.ask("environment")
    client = hvac.Client(
        next(value for name, value in environment.items() if name.endswith("_ADDR")),
        token=next(value for name, value in environment.items() if name.endswith("_TOKEN")),
        verify=next((value for name, value in environment.items() if name.endswith("_CACERT")), True),
        timeout=READ,
    )
    name = cloud.key.name.rpartition("/")[2]

    def sign(data: bytes) -> bytes:
        reply = client.secrets.transit.sign_data(
            name,
            hash_input=base64.b64encode(hashlib.sha256(data).digest()).decode(),
            hash_algorithm="sha2-256",
            prehashed=True,
            marshaling_algorithm="asn1",
        )
        return base64.b64decode(reply["data"]["signature"].rpartition(":")[2])

    return Bare(sign)


SDKS: Final[Mapping[str, tuple[str, Callable[[Cloud], Bare]]]] = MappingProxyType(
    {
        "awskms": ("boto3", boto3),
        "azurekms": ("azure-keyvault-keys", azure),
        "gcpkms": ("google-cloud-kms", google),
        "hashivault": ("hvac", hvac),
    }
)


def asynchronous(bare: Bare) -> AsyncSign:
    if bare.asign is not None:
        return bare.asign
    pool = ThreadPoolExecutor(32)

    async def asign(data: bytes) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(pool, bare.sign, data)

    return asign
