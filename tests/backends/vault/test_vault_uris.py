"""hashivault and openbao URIs: the canonical form, other tools' dialects, and what is refused, without I/O."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import farsign
from farsign.errors import InvalidKeyURI
from farsign_vault._wire import _TEMPLATES

CANONICAL = {
    "hashivault://auth": "hashivault://auth",
    "hashivault:///auth": "hashivault://auth",
    "openbao://auth": "openbao://auth",
    "openbao:///Auth_1.key-2?version=07": "openbao://Auth_1.key-2?version=7",
    "hashivault://k?mount=transit": "hashivault://k",
    "hashivault://k?mount=team/transit&alg=RS256": "hashivault://k?mount=team/transit&alg=RS256",
    "hashivault://k?namespace=admin/team/": "hashivault://k?namespace=admin/team",
    "hashivault://k?addr=HTTPS://Vault.example:8200/": "hashivault://k?addr=https://Vault.example:8200",
    "hashivault://k?auth=kubernetes&auth_role=signer&auth_mount=k8s/eu": "hashivault://k?auth=kubernetes&auth_role=signer&auth_mount=k8s/eu",
    # gocloud
    "hashivault://k?engine=transit": "hashivault://k",
    "hashivault://k?engine=kms": "hashivault://k?mount=kms",
    # Tink
    "hcvault://vault.example:8200/transit/keys/k": "hashivault://k?addr=https://vault.example:8200",
    "hcvault://vault.example/team/kms/keys/k?version=3": "hashivault://k?version=3&addr=https://vault.example&mount=team/kms",
    # securesystemslib
    "hv:k/3": "hashivault://k?version=3",
    "hv:k": "hashivault://k",
}

REFUSED = {
    "hashivault:k": "names no transit key",
    "hashivault://host/k": "names no transit key",
    "hashivault:///transit/keys/k": "names no transit key",
    "hashivault://vault.example:8200": "key name that transit does not allow",
    "hashivault://-k": "key name that transit does not allow",
    "hashivault://k.": "key name that transit does not allow",
    "hashivault://k%2Fx": "character after //",
    "hashivault:///k%2Fx": "names no transit key",
    "hashivault:///%2e%2e%2f%2e%2e%2fsys%2fseal": "'.' or '..'",
    "hashivault://schl%C3%BCssel": "key name that transit does not allow",
    "hashivault://k%20k": "character after //",
    "hashivault://k?mount=sys": "no transit engine's",
    "hashivault://k?mount=auth/token": "no transit engine's",
    "hashivault://k?mount=identity": "no transit engine's",
    "hashivault://k?mount=cubbyhole": "no transit engine's",
    "hashivault://k?mount=team/sys": "no transit engine's",
    "hashivault://k?engine=sys": "no transit engine's",
    "hashivault://k?mount=../sys": "no path of names",
    "hashivault://k?mount=a//b": "no path of names",
    "hashivault://k?mount=%2e%2e%2fsys": "no path of names",
    "hashivault://k?mount=a%3Fb": "no path of names",
    "hashivault://k?mount=a&engine=b": "which mean the same",
    "hashivault://k?namespace=../x": "no path of names",
    "hashivault://k?namespace=a%0d%0ab": "control character",
    "hashivault://k?auth=approle&auth_mount=../../sys": "no path of names",
    "hashivault://k?version=0": "version=0",
    "hashivault://k?version=latest": "wrong version=",
    "hashivault://k?version=-1": "wrong version=",
    "hashivault://k?kid=x": "kid=",
    "hashivault://k?alg=ES256K": "alg=ES256K",
    "hashivault://k?alg=ML-DSA-65": "alg=ML-DSA-65",
    "hashivault://k?addr=vault.example": "not the URL of a server",
    "hashivault://k?addr=https://vault.example/v1": "not the URL of a server",
    "hashivault://k?addr=unix:///run/vault": "not the URL of a server",
    "hashivault://k?auth=emulator": "no addr=",
    "hashivault://k?auth=ldap": "wrong auth=",
    "hashivault://k?auth=kubernetes": "no auth_role=",
    "hashivault://k?auth=token&auth_role=x": "takes a role",
    "hashivault://k?auth=jwt&auth_role=a/b": "auth_role= that is no name",
    "hashivault://k?auth_mount=x": "no auth= that logs in",
    "hashivault://k?token=s.x": "unknown parameter token=",
    "hashivault://user:pw@k": "user-info",
    "hashivault://k?addr=https://u:p@vault.example": "user-info",
    "hv:k/3/4": "names no transit key",
    "hv:k/latest": "version that is none",
    "hcvault://vault.example/transit/k": "Tink's form",
    "hcvault://vault.example/sys/keys/k": "no transit engine's",
    "hcvault://u:p@vault.example/transit/keys/k": "user-info",
    "hcvault://vault.example/transit/keys/k?addr=https://other.example": "names no transit key",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_the_canonical_form(text: str, canonical: str) -> None:
    parsed = farsign.parse_uri(text)
    assert str(parsed) == canonical
    assert str(farsign.parse_uri(canonical)) == canonical


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_what_is_refused(text: str, why: str) -> None:
    """RULES 12, 13."""
    with pytest.raises(InvalidKeyURI, match=re.escape(why)) as caught:
        farsign.parse_uri(text)
    assert caught.value.next_step
    told = caught.value.diagnostics()
    assert ":pw" not in told
    assert "u:p" not in told


def test_an_unknown_parameter_lists_the_known_ones() -> None:
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.parse_uri("hashivault://k?mout=x")
    for name in ("did you mean mount", "addr", "auth_role", "namespace", "version", "thumbprint"):
        assert name in caught.value.next_step


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), st.sampled_from(["key", "mount", "namespace", "hcvault"]))
def test_whatever_is_written_the_path_is_one_of_the_templates(text: str, where: str) -> None:
    """RULES 13, before any I/O: what the parser lets through makes a path that may leave."""
    from urllib.parse import quote

    written = quote(text, safe="")
    uri = {
        "key": f"hashivault:///{written}",
        "mount": f"hashivault://k?mount={written}",
        "namespace": f"hashivault://k?namespace={written}",
        "hcvault": f"hcvault://v.example/{quote(text, safe='/')}/keys/k",
    }[where]
    try:
        parsed = farsign.parse_uri(uri)
    except InvalidKeyURI:
        return
    path = f"/v1/{parsed.get('mount') or 'transit'}/sign/{parsed.authority}"
    assert _TEMPLATES.fullmatch(path)
    assert not re.search(r"(^|/)(sys|auth|identity|cubbyhole)/", path)
    assert re.fullmatch(r"[A-Za-z0-9_./-]*", parsed.get("namespace") or "")


def test_importing_and_parsing_load_no_sdk() -> None:
    code = (
        "import sys, farsign, farsign_vault\n"
        "farsign.parse_uri('hashivault://k?mount=m'); farsign.parse_uri('openbao://k')\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'hvac', 'requests', 'urllib3'}, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
