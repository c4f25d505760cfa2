"""Workload identity federation, as Application Default Credentials find it: who is asked for what, and who is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import google.auth.transport.requests
import pytest
from cloudkms import KEY

import farsign
from farsign import errors
from farsign_gcp._credentials import Requests, Tokens, finder

ISSUER = "run-actions-1-azure-eastus.actions.githubusercontent.com"
HEADERS = {"Authorization": "Bearer of-the-workflow"}
POOL = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/p/providers/github"
IMPERSONATES = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/signer@p-1.iam.gserviceaccount.com:generateAccessToken"
)
ANSWERS: dict[str, Any] = {
    ISSUER: {"value": "subject"},
    "sts.googleapis.com": {"access_token": "federated", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"},
    "iamcredentials.googleapis.com": {"accessToken": "impersonated", "expireTime": "2199-01-01T00:00:00Z"},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Host after host; each answers as its service does."""
    hosts: list[str] = []

    def answer(self: Any, url: str, *_: Any, **__: Any) -> Any:
        hosts.append(urlsplit(url).hostname or "")
        return SimpleNamespace(status=200, data=json.dumps(ANSWERS[hosts[-1]]).encode(), headers={})

    monkeypatch.setattr(google.auth.transport.requests.Request, "__call__", answer)
    return hosts


@pytest.fixture
def ambient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Tokens]:
    """A credentials file as `gcloud iam workload-identity-pools create-cred-config` and google-github-actions/auth write it."""

    def make(source: dict[str, Any], **more: str) -> Tokens:
        account = {
            "type": "external_account",
            "audience": POOL,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": source,
            **more,
        }
        file = tmp_path / "account.json"
        file.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        find = finder(given=None, emulator=False, quota_project="", impersonate="")
        return Tokens(find, Requests(own_credentials=False, allow=()))

    return make


def by_url(url: str = f"https://{ISSUER}/1//idtoken?audience=x") -> dict[str, Any]:
    return {"url": url, "headers": HEADERS, "format": {"type": "json", "subject_token_field_name": "value"}}


@pytest.mark.parametrize("impersonates", [False, True])
def test_by_url_as_on_github(impersonates: bool, ambient: Callable[..., Tokens], asked: list[str]) -> None:
    """The file's own header goes to the file's own URL; nobody is asked for the project's name."""
    more = {"service_account_impersonation_url": IMPERSONATES} if impersonates else {}
    token = "impersonated" if impersonates else "federated"
    assert ambient(by_url(), **more).get(5.0) == (("authorization", f"Bearer {token}"),)
    assert asked == [ISSUER, "sts.googleapis.com"] + ["iamcredentials.googleapis.com"] * impersonates


def test_by_file(ambient: Callable[..., Tokens], asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "subject").write_text("subject")
    ambient({"file": str(tmp_path / "subject")}).get(5.0)
    assert asked == ["sts.googleapis.com"]


def test_no_header_without_tls(ambient: Callable[..., Tokens], asked: list[str]) -> None:
    """RULES 10."""
    with pytest.raises(errors.HostRefused):
        ambient(by_url(f"http://{ISSUER}/token")).get(5.0)
    assert not asked


def test_the_exchange_is_googles(ambient: Callable[..., Tokens], asked: list[str]) -> None:
    """RULES 9: the subject's token is worth a token of Google's to whoever has it."""
    with pytest.raises(errors.HostRefused, match=r"evil\.example"):
        ambient(by_url(), token_url="https://evil.example/token").get(5.0)
    assert asked == [ISSUER]


def test_a_file_that_cannot_be_read(ambient: Callable[..., Tokens], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No trouble of the network's: it is said at once, with the file's name."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    with (
        farsign.open_signer(f"gcpkms://{KEY}") as signer,
        pytest.raises(errors.CredentialsNotFound, match="cannot read") as caught,
    ):
        signer.key()
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(errors.CredentialsNotFound, match="cannot read"):
        ambient({"file": str(tmp_path)}).get(5.0)
