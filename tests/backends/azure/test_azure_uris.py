"""What an azurekms URI means, in our grammar and in others', and what is refused before any SDK is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import farsign
from farsign.errors import InvalidKeyURI

V = "0123456789abcdef0123456789abcdef"
CANONICAL = f"azurekms://v-1.vault.azure.net/K/{V}"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("azurekms://v-1/K", "azurekms://v-1.vault.azure.net/K"),
        (f"azurekms://v-1/K/{V}", CANONICAL),
        (f"azurekms://v-1/K/{V.upper()}", CANONICAL),
        (f"azurekms://V-1.Vault.Azure.NET/K/{V}", CANONICAL),
        (f"azurekms://v-1.vault.azure.net:443/K/{V}", CANONICAL),
        ("azurekms://v-1/K?alg=PS256", "azurekms://v-1.vault.azure.net/K?alg=PS256"),
        # sovereign clouds and managed HSMs: the host says it all
        ("azurekms://v-1/K?cloud=public", "azurekms://v-1.vault.azure.net/K"),
        ("azurekms://v-1/K?cloud=usgov", "azurekms://v-1.vault.usgovcloudapi.net/K"),
        ("azurekms://v-1/K?cloud=china", "azurekms://v-1.vault.azure.cn/K"),
        ("azurekms://h-1/K?hsm=managed", "azurekms://h-1.managedhsm.azure.net/K"),
        ("azurekms://h-1/K?hsm=managed&cloud=usgov", "azurekms://h-1.managedhsm.usgovcloudapi.net/K"),
        ("azurekms://h-1/K?cloud=china&hsm=managed", "azurekms://h-1.managedhsm.azure.cn/K"),
        ("azurekms://h-1.managedhsm.azure.net/K?hsm=managed", "azurekms://h-1.managedhsm.azure.net/K"),
        ("azurekms://v.internal.example/K?cloud=usgov", "azurekms://v.internal.example/K?cloud=usgov"),
        # gocloud and securesystemslib
        (f"azurekeyvault://v-1.vault.azure.net/keys/K/{V}", CANONICAL),
        ("azurekeyvault://v-1.vault.azure.net/keys/K", "azurekms://v-1.vault.azure.net/K"),
        (f"azurekms://v-1.vault.azure.net/keys/K/{V}", CANONICAL),
        # URIS 3: two segments that begin with "keys"
        (f"azurekms://v-1/keys/{V}", f"azurekms://v-1.vault.azure.net/keys/{V}"),
        ("azurekms://v-1/keys", "azurekms://v-1.vault.azure.net/keys"),
        # smallstep
        ("azurekms:name=K;vault=v-1", "azurekms://v-1.vault.azure.net/K"),
        (f"azurekms:vault=v-1;name=K?version={V}", CANONICAL),
        (f"azurekms:name=K;vault=v-1;version={V};hsm=true", CANONICAL),
        ("azurekms:name=K;vault=v-1?hsm=true&alg=ES256", "azurekms://v-1.vault.azure.net/K?alg=ES256"),
    ],
)
def test_every_spelling_has_one_canonical_form(text: str, canonical: str) -> None:
    parsed = farsign.parse_uri(text)
    assert str(parsed) == canonical
    assert farsign.parse_uri(canonical) == parsed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("azurekms://v-1/keys/auth", "can be read in two ways"),
        ("azurekms://v-1/K/latest", "has a version that is none"),
        (f"azurekms://v-1/other/K/{V}", "names no Key Vault key"),
        (f"azurekms://v-1/keys/K/{V}/sign", "names no Key Vault key"),
        ("azurekms:///K", "names no Key Vault key"),
        ("azurekms://v-1", "names no Key Vault key"),
        ("azurekms://v-1/K_1", "has a key name"),
        ("azurekms://v-1/K%2F..", "path segment"),
        (f"azurekms://v-1/{'k' * 128}", "has a key name"),
        ("azurekms://v_1/K", "vault name"),
        ("azurekms://v-1.vault.azure.net/K?hsm=managed", "hsm=managed"),
        ("azurekms://v-1.vault.azure.net/K?cloud=usgov", "cloud="),
        ("azurekms://v-1/K?cloud=germany", "wrong cloud="),
        ("azurekms://v-1/K?hsm=true", "wrong hsm="),
        ("azurekms://v-1/K?slot=1", "unknown parameter slot="),
        ("azurekms://v-1/K?tenant=a/b", "tenant="),
        ("azurekms://v-1/K?api_version=7.4%26x", "api_version="),
        ("azurekms://v-1/K?client_id=a%20b", "client_id="),
        ("azurekms://v-1/K?kid=mine", "has kid="),
        ("azurekms://v-1/K?auth=emulator", "no endpoint="),
        ("azurekms://v-1/K?auth=token&endpoint=https://127.0.0.1:1", "wrong auth="),
        ("azurekms://v-1/K?endpoint=127.0.0.1:8443", "not the URL of a server"),
        ("azurekms://v-1/K?endpoint=https://127.0.0.1:8443/path", "not the URL of a server"),
        ("azurekms:name=K", "names no Key Vault key"),
        ("azurekms:name=K;vault=v-1;other=x", "names no Key Vault key"),
        ("azurekms:name=K;vault=v-1;name=L", "names no Key Vault key"),
        (f"azurekms:name=K;vault=v-1;version={V}?version={V}", "names no Key Vault key"),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.parse_uri(text)
    assert told in str(caught.value)
    assert caught.value.next_step


def test_an_ambiguous_uri_shows_both_spellings() -> None:
    """URIS 3."""
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.parse_uri("azurekms://v-1/keys/auth")
    assert "azurekms://v-1/auth" in caught.value.next_step
    assert "azurekms://v-1/keys/VERSION" in caught.value.next_step


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519", "ML-DSA-65"])
def test_key_types_that_key_vault_has_not_are_named_at_once(alg: str) -> None:
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.parse_uri(f"azurekms://v-1/K?alg={alg}")
    assert f"alg={alg}" in str(caught.value)
    assert "ES256" in caught.value.next_step
    assert "awskms" in caught.value.next_step


@pytest.mark.parametrize(
    "text",
    [
        "azurekms://canary:secret@v-1/K",
        "azurekms://v-1/K?endpoint=https://canary:secret@127.0.0.1:1",
        "azurekms://v-1/K?endpoint=https%3A%2F%2Fcanary%40127.0.0.1",
    ],
)
def test_user_info_is_refused_and_not_repeated(text: str) -> None:
    """RULES 12."""
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.parse_uri(text)
    assert "canary" not in caught.value.diagnostics()


@given(st.text(alphabet=st.sampled_from("azurekms:/v1.K;=name?&%0fghalt@-_ \x00é"), max_size=40))
def test_parsing_raises_nothing_else_and_is_stable(rest: str) -> None:
    try:
        parsed = farsign.parse_uri(f"azurekms:{rest}")
    except InvalidKeyURI:
        return
    assert farsign.parse_uri(str(parsed)) == parsed
    assert str(farsign.parse_uri(str(parsed))) == str(parsed)


def test_neither_import_nor_parsing_needs_the_sdk() -> None:
    program = (
        "import sys, farsign, farsign_azure\n"
        "farsign.parse_uri('azurekms://v-1/K')\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('azure', 'requests', 'aiohttp', 'msal')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
