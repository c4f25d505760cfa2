"""Key URIs: the split that holds for every scheme (URIS.md 1, 5, 6, 7, 9; RULES 12, 14)."""

from __future__ import annotations

import pickle
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import farsign
from farsign import errors
from farsign._base.uri import DIALECTS, LONGEST, KeyURI

SPLIT = {
    "file:///etc/app/key.pem": ("file", "", "etc/app/key.pem", {}),
    "memory:NAME?alg=ES384": ("memory", None, "NAME", {"alg": "ES384"}),
    "awskms:///alias/Auth?region=eu-west-1": ("awskms", "", "alias/Auth", {"region": "eu-west-1"}),
    "aws-kms://arn:aws:kms:eu-west-1:111122223333:key/x": ("awskms", "arn:aws:kms:eu-west-1:111122223333:key", "x", {}),
    "AWSKMS:///alias/Auth": ("awskms", "", "alias/Auth", {}),
    "awskms:key-id=a;region=b": ("awskms", None, "key-id=a;region=b", {}),
    "hv:K/3": ("hashivault", None, "K/3", {}),
    "gcp-kms://projects/p/locations/l": ("gcpkms", "projects", "p/locations/l", {}),
    "azurekeyvault://V.vault.azure.net/keys/K": ("azurekms", "V.vault.azure.net", "keys/K", {}),
    "hashivault://Key": ("hashivault", "Key", "", {}),
    "awskms://[::1]:8080/alias/x": ("awskms", "[::1]:8080", "alias/x", {}),
    "awskms:///alias/a%20b?endpoint=http%3A//127.0.0.1%3A4566": (
        "awskms",
        "",
        "alias/a b",
        {"endpoint": "http://127.0.0.1:4566"},
    ),
    "file:///a%25b": ("file", "", "a%b", {}),
}


@pytest.mark.parametrize("text", SPLIT)
def test_the_parts(text: str) -> None:
    uri = KeyURI.split(text)
    assert (uri.scheme, uri.authority, uri.path, dict(uri.parameters)) == SPLIT[text]
    assert KeyURI.split(str(uri)) == uri


REFUSED = {
    "user-info": "awskms://user:pw@host/alias/x",
    "user-info alone": "hashivault://token@host/k",
    "nested user-info": "awskms:///alias/x?endpoint=https://user:pw@host",
    "nested user-info, encoded": "awskms:///alias/x?endpoint=https%3A%2F%2Fuser%3Apw%40host",
    "dot segment": "file:///etc/../shadow",
    "dot segment, encoded": "hashivault:///%2e%2e/%2e%2e/sys/seal",
    "slash that makes a dot segment": "hashivault:///a%2f..%2fb",
    "NUL": "file:///a%00b",
    "control character": "awskms:///alias/a\nb",
    "empty segment": "file:///a//b",
    "trailing slash": "file:///a/",
    "repeated parameter": "awskms:///alias/x?region=a&region=b",
    "repeated parameter, encoded": "awskms:///alias/x?alg=ES256&%61lg=RS256",
    "bad escape": "file:///a%2",
    "escape that is no UTF-8": "file:///a%ff",
    "fragment": "file:///a#b",
    "no scheme": "/etc/app/key.pem",
    "empty": "",
    "a number": 7,
    "bytes": b"file:///a",
    "None": None,
    "too long": "file:///" + "a" * LONGEST,
    "wrong thumbprint": "file:///a?thumbprint=short",
    "unknown algorithm": "file:///a?alg=none",
    "parameter without a name": "file:///a?=x",
    "lone surrogate": "file:///\ud800",
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_reason_and_a_next_step(case: str) -> None:
    with pytest.raises(errors.InvalidKeyURI) as caught:
        KeyURI.split(REFUSED[case])  # type: ignore[arg-type]  # some are not text on purpose
    assert isinstance(caught.value, ValueError)
    assert caught.value.next_step
    assert "pw" not in caught.value.diagnostics()


def test_uris_1_unknown_parameters_list_the_known_ones() -> None:
    uri = KeyURI.split("acme:///k?slott=1")
    with pytest.raises(errors.InvalidKeyURI, match="unknown parameter slott=") as caught:
        uri.check(slot=int)
    assert "did you mean slot=" in caught.value.next_step
    assert all(name in caught.value.next_step for name in ("alg", "kid", "thumbprint"))


def test_check_holds_parameters_to_their_kind() -> None:
    uri = KeyURI.split("acme:///k?slot=2&fast=true&mode=a&alg=ES256")
    assert uri.check(slot=int, fast=bool, mode=("a", "b")).checked
    for kinds in ({"slot": bool}, {"slot": ("1",)}, {"fast": int}, {"mode": int}):
        with pytest.raises(errors.InvalidKeyURI, match="wrong"):
            uri.check(**{"slot": int, "fast": bool, "mode": str, **kinds})


def test_uris_7_repr_shows_no_value_before_the_owner_knows_the_name() -> None:
    uri = KeyURI.split("acme:///k?pin=1234")
    assert "1234" not in repr(uri)
    assert "1234" in repr(uri.check(pin=str))


def test_dialects_keep_what_the_user_wrote() -> None:
    for spelled, scheme in DIALECTS.items():
        uri = KeyURI.split(f"{spelled}:///a")
        assert (uri.scheme, uri.dialect) == (scheme, spelled)


def test_an_unknown_scheme_lists_what_is_installed() -> None:
    with pytest.raises(errors.UnknownScheme, match="file, ") as caught:
        farsign.parse_uri("filee:///a")
    assert "did you mean file?" in caught.value.next_step
    with pytest.raises(errors.InvalidKeyURI):
        farsign.parse_uri("https://example.com/")


TEXTS = st.text(alphabet=st.characters(), max_size=60) | st.text(alphabet=string.printable, max_size=60)
PLAUSIBLE = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["file:", "awskms:", "aws-kms:", "memory:", "hv:", "gcpkms:", "azurekms:", "x:"]),
    st.sampled_from(["", "//", "///"]),
    st.text(alphabet="abZ019/%.:@[]-_=;,+~ é", max_size=40),
    st.sampled_from(["", "?"]).flatmap(
        lambda mark: st.just(mark) if not mark else st.text(alphabet="ab=&%2f/:?+", max_size=30).map("?".__add__)
    ),
)


@given(TEXTS | PLAUSIBLE)
@example("file:///%25%32%65")
@example("x://a/b?c=%3F%26")
def test_whatever_comes_in_only_invalid_key_uri_comes_out_and_parsing_is_stable(text: str) -> None:
    try:
        uri = KeyURI.split(text)
    except errors.InvalidKeyURI:
        return
    again = KeyURI.split(str(uri))
    assert again == uri
    assert str(again) == str(uri)
    assert pickle.loads(pickle.dumps(uri)) == uri
    assert ".." not in uri.segments
    assert "" not in uri.segments


@given(PLAUSIBLE)
def test_parse_uri_is_stable_for_every_installed_backend(text: str) -> None:
    try:
        uri = farsign.parse_uri(text)
    except errors.InvalidKeyURI:
        return
    assert farsign.parse_uri(str(uri)) == uri


@given(st.one_of(st.none(), st.integers(), st.binary(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
def test_what_is_no_text_is_an_invalid_key_uri_too(thing: object) -> None:
    with pytest.raises(errors.InvalidKeyURI):
        farsign.parse_uri(thing)  # type: ignore[arg-type]  # the mistake under test
