"""RULES 9 and 10: which hosts credentials may go to."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farsign import errors
from farsign._base.hosts import check_host, is_loopback, split_endpoint, split_host

AWS = (".amazonaws.com", ".api.aws")


def allowed(host: str, port: int | None = None, *, scheme: str = "https", **options: object) -> bool:
    try:
        check_host(host, port, scheme=scheme, suffixes=AWS, **options)
    except errors.HostRefused:
        return False
    return True


@pytest.mark.parametrize(
    "host", ["kms.eu-west-1.amazonaws.com", "KMS.EU-WEST-1.AMAZONAWS.COM", "kms.eu-west-1.amazonaws.com.", "x.api.aws"]
)
def test_the_providers_own_hosts_over_https(host: str) -> None:
    assert allowed(host)
    assert not allowed(host, scheme="http")


@pytest.mark.parametrize(
    "host",
    ["evil.com", "amazonaws.com", "evilamazonaws.com", "amazonaws.com.evil.com", "kms.amazonaws.com@evil.com", "kms.amazonaws.com/", "",
     "kms .amazonaws.com", "kms.amazonaws.com\\.evil.com", "169.254.169.254", "10.0.0.1", "::ffff:10.0.0.1", "kms..amazonaws.com", "кms.amazonaws.com"],
)  # fmt: skip
def test_anything_else_is_refused(host: str) -> None:
    assert not allowed(host)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]
)
def test_loopback_is_this_machine_by_name(host: str) -> None:
    assert is_loopback(host)
    assert allowed(host, scheme="http")


@pytest.mark.parametrize(
    "host", ["localhost.evil.com", "127.1", "0x7f000001", "2130706433", "0.0.0.0", "127.0.0.1.evil.com", "::", "local"]
)
def test_what_only_looks_like_loopback_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_named_hosts_may_be_reached_with_or_without_their_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert allowed("kms.internal", allow=["kms.internal"])
    assert allowed("kms.internal", 8443, allow=["kms.internal"])
    assert allowed("kms.internal", 8443, allow=["kms.internal:8443"])
    assert not allowed("kms.internal", 8444, allow=["kms.internal:8443"])
    assert not allowed("a.kms.internal", allow=["kms.internal"])
    monkeypatch.setenv("FARSIGN_ALLOW_HOSTS", "one.internal, two.internal:9")
    assert allowed("one.internal", scheme="http")
    assert allowed("two.internal", 9)
    assert not allowed("three.internal")


def test_a_wildcard_is_an_error_not_a_permission() -> None:
    with pytest.raises(errors.HostRefused, match="is no host") as caught:
        check_host("a.internal", None, scheme="https", suffixes=(), allow=["*.internal"])
    assert "no wildcards" in caught.value.next_step


@pytest.mark.parametrize(
    "url",
    [
        "http://h/path",
        "https://u:p@h",
        "ftp://h",
        "h:80",
        "https://",
        "https://h:99999",
        "https://h?x",
        "https://h#x",
        "https://[::1",
    ],
)
def test_an_endpoint_is_scheme_host_and_port_and_nothing_else(url: str) -> None:
    with pytest.raises(errors.InvalidKeyURI):
        split_endpoint(url)


def test_hosts_and_ports_are_split_once() -> None:
    assert split_host("[::1]:80") == ("::1", 80)
    assert split_host("Host") == ("Host", None)
    assert split_endpoint("HTTPS://Host:1/") == ("https", "Host", 1)


@given(st.text(max_size=80))
def test_nothing_but_our_errors_comes_out(text: str) -> None:
    allowed(text)
    is_loopback(text)
    with suppress(errors.InvalidKeyURI):
        split_endpoint(text)
