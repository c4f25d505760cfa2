"""What a gcpkms URI means, in our grammar and in others', and what is refused before any SDK is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import farsign
from farsign.errors import InvalidKeyURI
from farsign_gcp._uri import KEY, VERSION, place

NAME = "projects/p-1/locations/europe-west3/keyRings/r_1/cryptoKeys/K"
CANONICAL = f"gcpkms://{NAME}"
PINNED = f"{CANONICAL}/cryptoKeyVersions/12"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (CANONICAL, CANONICAL),
        (PINNED, PINNED),
        (f"gcpkms:///{NAME}", CANONICAL),
        (f"{CANONICAL}/versions/12", PINNED),  # sigstore, cosign
        (f"gcpkms:{NAME}", CANONICAL),  # securesystemslib
        (f"gcpkms:{NAME}/cryptoKeyVersions/12", PINNED),
        (f"gcp-kms://{NAME}", CANONICAL),  # Tink
        (f"cloudkms:{NAME}/cryptoKeyVersions/12", PINNED),  # smallstep
        (f"cloudkms://{NAME}", CANONICAL),
        ("gcpkms://projects/example.com:p-1/locations/global/keyRings/r/cryptoKeys/k",) * 2,
        ("gcpkms://projects/123456789012/locations/us/keyRings/r/cryptoKeys/versions",) * 2,
        (f"{PINNED}?kid=a", f"{PINNED}?kid=a"),
        (f"{CANONICAL}?alg=EdDSA", f"{CANONICAL}?alg=EdDSA"),
        (f"{CANONICAL}?endpoint=https://cloudkms.europe-west3.rep.googleapis.com&quota_project=p-2",) * 2,
        (f"{CANONICAL}?impersonate=signer@p-1.iam.gserviceaccount.com",) * 2,
        (f"{CANONICAL}?endpoint=http://[::1]:9&auth=emulator", f"{CANONICAL}?endpoint=http://%5B::1%5D:9&auth=emulator"),
    ],
)
def test_every_spelling_has_one_canonical_form(text: str, canonical: str) -> None:
    parsed = farsign.parse_uri(text)
    assert str(parsed) == canonical
    assert farsign.parse_uri(canonical) == parsed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gcpkms://evil.example/" + NAME, "names no Cloud KMS key"),
        ("gcpkms://projects", "names no Cloud KMS key"),
        (f"{CANONICAL}/cryptoKeyVersions", "names no Cloud KMS key"),
        (f"{CANONICAL}/cryptoKeyVersions/latest", "names no Cloud KMS key"),
        (f"{CANONICAL}/cryptoKeyVersions/0", "names no Cloud KMS key"),
        (f"{CANONICAL}/cryptoKeyVersions/1/2", "names no Cloud KMS key"),
        (f"{CANONICAL}/../x", "'.' or '..'"),
        (f"{CANONICAL}%2Fx", "names no Cloud KMS key"),
        ("gcpkms://projects/p-1/locations/l/keyRings/r/importJobs/j", "names no Cloud KMS key"),
        ("gcpkms://projects/p-1/locations/L/keyRings/r/cryptoKeys/k", "names no Cloud KMS key"),
        ("gcpkms://projects/p-1:x/locations/l/keyRings/r/cryptoKeys/k y", "white space"),
        (f"{CANONICAL}?kid=a", "has kid=, which names one key version"),
        (f"{PINNED}?region=eu", "has an unknown parameter region="),
        (f"{PINNED}?credentials-file=/etc/key.json", "has an unknown parameter credentials-file="),
        (f"{PINNED}?alg=ES512", "has alg=ES512, which Cloud KMS has no keys for"),
        (f"{PINNED}?alg=RS384", "has alg=RS384, which Cloud KMS has no keys for"),
        (f"{PINNED}?alg=HS256", "has an alg= that no key here signs with"),
        (f"{PINNED}?endpoint=cloudkms.googleapis.com", "not the URL of a server"),
        (f"{PINNED}?endpoint=https://u:p@cloudkms.googleapis.com", "user-info"),
        (f"{PINNED}?endpoint=https://cloudkms.googleapis.com/v1", "not the URL of a server"),
        (f"{PINNED}?auth=emulator", "has auth=emulator and no endpoint="),
        (f"{PINNED}?auth=adc", "has a wrong auth="),
        (f"{PINNED}?quota_project=P!", "quota_project= that is no project"),
        (f"{PINNED}?impersonate=somebody", "impersonate= that is no service account"),
        (f"{PINNED}?endpoint=http://127.0.0.1:1&auth=emulator&impersonate=a@b.c", "auth=emulator and impersonate="),
        ("gcpkms://user:secret@projects/p-1/locations/l/keyRings/r/cryptoKeys/k", "user-info"),
    ],
)
def test_what_is_refused_and_why(text: str, told: str) -> None:
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.parse_uri(text)
    assert told in str(caught.value)
    assert caught.value.next_step
    assert "secret" not in caught.value.diagnostics()


def test_an_unknown_parameter_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.parse_uri(f"{CANONICAL}?endpoints=https://x.example")
    assert "did you mean endpoint=?" in caught.value.next_step
    assert "alg, auth, endpoint, impersonate, kid, quota_project, thumbprint" in caught.value.next_step


def test_the_parts() -> None:
    assert place(farsign.parse_uri(PINNED)) == (NAME, f"{NAME}/cryptoKeyVersions/12", "europe-west3")
    assert place(farsign.parse_uri(CANONICAL)) == (NAME, "", "europe-west3")


@given(st.text(st.sampled_from("pr0ojects/lcatinskeyRgVv-_.:%2F?=&@#"), max_size=120))
def test_nothing_gets_into_a_resource_name_but_names(rest: str) -> None:
    """What goes to the wire is one of two templates, whatever the text was."""
    for text in (f"gcpkms://projects/{rest}", f"{CANONICAL}{rest}", f"gcpkms:{rest}"):
        try:
            parsed = farsign.parse_uri(text)
        except InvalidKeyURI:
            continue
        found = place(parsed)
        assert KEY.fullmatch(found.key)
        assert not found.version or VERSION.fullmatch(found.version)
        assert farsign.parse_uri(str(parsed)) == parsed


def test_neither_importing_nor_parsing_imports_the_sdk() -> None:
    program = f"""
import sys, farsign, farsign_gcp
farsign.parse_uri({PINNED!r})
print([name for name in sys.modules if name.partition(".")[0] in ("google", "grpc", "google_crc32c", "requests")])
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("projects/P/locations/l/keyRings/r/cryptoKeys/k", "projects/ is followed by lower-case"),
        ("projects/p-1/locations/L/keyRings/r/cryptoKeys/k", "locations/ is followed by lower-case"),
        ("projects/p-1/locations/l/keyRings/r.1/cryptoKeys/k", "keyRings/ is followed by letters"),
        (
            "projects/p-1/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/latest",
            "cryptoKeyVersions/ is followed by a number",
        ),
    ],
)
def test_the_wrong_part_of_a_name_is_told(name: str, told: str) -> None:
    with pytest.raises(InvalidKeyURI, match=told):
        farsign.parse_uri(f"gcpkms://{name}")
