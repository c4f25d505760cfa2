"""A Key Vault that this project did not write, at the address that FARSIGN_TEST_AZURE_ENDPOINT gives.

FARSIGN_TEST_AZURE_VAULT        the host that it plays (default emulator.vault.azure.net)
FARSIGN_TEST_AZURE_TOKEN_URL    answers a POST with {"access_token": ...}; without it a token that means nothing is sent
FARSIGN_TEST_AZURE_CA           a PEM file, where its certificate is of a private CA
FARSIGN_TEST_AZURE_API_VERSION  where it does not know the SDK's
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from azure.keyvault.keys import KeyClient, KeyCurveName
from keyvault import StaticCredential

import farsign
from farsign_azure._driver import VaultKey, open_key
from farsign_azure._transport import Transport

PREFIX = "FARSIGN_TEST_AZURE_"
CURVES = {"ES256": KeyCurveName.p_256, "ES384": KeyCurveName.p_384, "ES512": KeyCurveName.p_521, "ES256K": KeyCurveName.p_256_k}
NUMBERS = itertools.count()


def needed() -> None:
    """Skips the module if there is none, saying how to have one."""
    if not os.environ.get(f"{PREFIX}ENDPOINT"):
        why = f"set {PREFIX}ENDPOINT to the address of a Key Vault emulator, such as https://127.0.0.1:4997"
        pytest.skip(why, allow_module_level=True)


def vault() -> IndependentVault:
    endpoint = os.environ[f"{PREFIX}ENDPOINT"]
    host = os.environ.get(f"{PREFIX}VAULT", "emulator.vault.azure.net")
    return IndependentVault(
        endpoint.rstrip("/"), host, os.environ.get(f"{PREFIX}CA", ""), os.environ.get(f"{PREFIX}API_VERSION", "")
    )


@dataclass
class IndependentVault:
    endpoint: str
    host: str
    ca: str
    api_version: str
    credential: StaticCredential = field(init=False)
    client: KeyClient = field(init=False)

    def __post_init__(self) -> None:
        self.credential = StaticCredential(self._token)
        options: dict[str, Any] = {"api_version": self.api_version} if self.api_version else {}
        self.client = KeyClient(
            f"https://{self.host}", self.credential, transport=Transport(self.endpoint, self.ca), retry_total=0, **options
        )

    def _token(self) -> str:
        url = os.environ.get(f"{PREFIX}TOKEN_URL")
        if not url:
            return "token-of-a-test"
        reply = requests.post(url, verify=self.ca or True, timeout=10)
        reply.raise_for_status()
        token: str = reply.json()["access_token"]
        return token

    def create(self, algorithm: str) -> str:
        """The name of a new key."""
        name = f"conformance-{os.getpid()}-{next(NUMBERS)}"
        self.add_version(name, algorithm)
        return name

    def add_version(self, name: str, algorithm: str) -> None:
        """Creating a name that exists makes a new version of it, on every server."""
        if algorithm in CURVES:
            self.client.create_ec_key(name, curve=CURVES[algorithm])
        else:
            self.client.create_rsa_key(name, size=2048)

    def open(self, name: str, algorithm: str) -> VaultKey:
        parameters = {"endpoint": self.endpoint, "ca_cert": self.ca, "api_version": self.api_version, "alg": algorithm}
        uri = farsign.KeyURI("azurekms", self.host, name, {key: value for key, value in parameters.items() if value})
        allowed = urlsplit(self.endpoint).netloc
        return open_key(farsign.parse_uri(uri), (allowed,), credential=self.credential)
