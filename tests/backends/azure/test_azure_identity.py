"""azure-identity's default chain: what it means that its servers fail, and how often they are asked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from azure import identity
from driving import MESSAGE
from keyvault import without_emulator_credential

import farsign
import farsign_azure
from farsign import errors
from farsign.testing._http import HttpServer
from farsign.testing.emulator import Reply, Request
from farsign_azure._emulator import AzureEmulator
from farsign_azure._identity import Chain, Wire

THRICE = farsign.Policy(timeout=20.0, attempts=3)
Opened = Callable[..., farsign.Signer]


@pytest.fixture
def opened(azure: AzureEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A Signer with one credential of the chain, whose token endpoint is the emulator's; azure-identity's retries do not sleep."""
    monkeypatch.setattr(Wire, "sleep", lambda self, seconds: None)
    monkeypatch.setattr(
        identity, "DefaultAzureCredential", partial(identity.DefaultAzureCredential, disable_instance_discovery=True)
    )
    signers: list[farsign.Signer] = []

    def make(credential: str = "EnvironmentCredential", authority: str = "", **variables: str) -> farsign.Signer:
        for name, value in {**azure.environment(), "AZURE_TOKEN_CREDENTIALS": credential, **variables}.items():
            monkeypatch.setenv(name, value)
        uri = without_emulator_credential(azure.create_key("ES256").uri)
        signers.append(farsign_azure.open_signer(uri, credential=Chain(authority or azure.url), policy=THRICE))
        return signers[-1]

    yield make
    for signer in signers:
        signer.close()


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("unavailable", errors.ProviderUnavailable, "HTTP 500"),
        ("ServiceUnavailable", errors.ProviderUnavailable, "HTTP 503"),
        ("throttled:retry_after=0.1", errors.Throttled, "throttles"),
    ],
)
def test_an_outage_of_the_token_endpoint_is_no_lack_of_credentials(
    azure: AzureEmulator, opened: Opened, fault: str, kind: type[errors.ProviderError], says: str
) -> None:
    signer = opened()
    azure.faults.order(f"error:token:{fault}")
    with pytest.raises(kind, match=says) as caught:
        signer.key()
    assert caught.value.retry_after == (0.1 if kind is errors.Throttled else None)
    assert caught.value.__context__ is None or "identity" not in type(caught.value.__context__).__module__
    azure.faults.clear()
    assert signer.key().sign(MESSAGE)


def test_what_msal_answers_from_memory_is_the_same_outage(
    azure: AzureEmulator, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 503 to a POST: for five seconds nothing is sent."""
    answer, refused = azure.tokens.answer, Reply(503, b"{}", {"Content-Type": "application/json"})
    monkeypatch.setattr(azure.tokens, "answer", lambda asked, base: refused if asked.method == "POST" else answer(asked, base))
    signer = opened()
    for _ in range(2):
        with pytest.raises(errors.ProviderUnavailable, match="HTTP 503"):
            signer.key()
    assert azure.calls("token") == 1 + 4, "the discovery; azure-identity's own retries, once for all six attempts"


def test_nobody_listens_at_the_authority(azure: AzureEmulator, opened: Opened) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(errors.ProviderUnavailable) as caught:
        opened(authority=f"https://127.0.0.1:{port}").key()
    assert not caught.value.answered
    assert "Microsoft Entra" in caught.value.next_step


def test_a_refusal_is_no_failure_that_passes(azure: AzureEmulator, opened: Opened) -> None:
    with pytest.raises(errors.CredentialsExpired) as caught:
        opened(AZURE_CLIENT_SECRET="wrong").key()
    assert caught.value.reason == "AADSTS7000215"


@pytest.fixture
def metadata() -> Iterator[tuple[list[Request], HttpServer]]:
    """A machine's metadata server, which fails."""
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        return Reply(503, b"{}", {"Content-Type": "application/json"})

    server = HttpServer(answer)
    server.start()
    yield asked, server
    server.close()


def test_the_metadata_server_fails_or_is_not_there(opened: Opened, metadata: tuple[list[Request], HttpServer]) -> None:
    asked, server = metadata
    managed = partial(opened, "ManagedIdentityCredential", AZURE_POD_IDENTITY_AUTHORITY_HOST=f"http://127.0.0.1:{server.port}")
    with pytest.raises(errors.ProviderUnavailable, match="HTTP 503"):
        managed().key()
    assert len(asked) == 6
    server.close()
    with pytest.raises(errors.CredentialsNotFound):  # a machine that has none
        managed().key()
