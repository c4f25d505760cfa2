"""One fetch of a JWKS document over HTTP: no redirects, bounded in size and time, with ETag. Needs httpx (``farsign[http]``)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from farsign._base.hosts import check_host, is_loopback, split_host
from farsign.errors import BackendNotInstalled, ConfigurationError, HostRefused, KeySetUnavailable

from .key_set import MAX_SET_TEXT

_URL: Final = re.compile(r"(https?)://([^/?#@\s]+)(/[^#\s]*)?", re.IGNORECASE)
_MAX_AGE: Final = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


class Document(NamedTuple):
    """body: None if the server says that what the ETag stands for has not changed. max_age: seconds, if the server says."""

    body: bytes | None
    etag: str | None
    max_age: float | None


Fetch = Callable[[str | None, float], Document]  # (ETag, seconds) -> Document; raises KeySetUnavailable


def check_url(url: str, allow_hosts: Sequence[str]) -> str:
    """https, or http to loopback and hosts that were named. Raises ConfigurationError."""
    match = _URL.fullmatch(url) if isinstance(url, str) else None
    if match is None:
        raise ConfigurationError("the address of a key set is a URL like https://issuer.example/.well-known/jwks.json")
    host, port = split_host(match[2])
    if match[1].lower() == "http" and not is_loopback(host):
        try:
            check_host(host, port, scheme="http", suffixes=(), allow=allow_hosts)
        except HostRefused:
            raise ConfigurationError(
                f"a key set over plain http from {host} could be anybody's",
                next_step="use https, or allow_hosts=[...] where the network is yours",
            ) from None
    return url


def fetcher(url: str, client: Any = None) -> Fetch:
    """``client``: an httpx.Client of the caller's, e.g. with a proxy or a private CA. Without one each fetch has a connection of its own:
    they are minutes apart, and nothing is left to a forked child."""
    if client is not None:
        return lambda etag, seconds: _fetch(client, url, etag, seconds)
    httpx = _httpx()

    def fetch(etag: str | None, seconds: float) -> Document:
        with httpx.Client(verify=_authorities()) as own:
            return _fetch(own, url, etag, seconds)

    return fetch


@cache
def _authorities() -> Any:
    """The certificate authorities: reading them takes longer than a fetch, so once per process."""
    import httpx

    return httpx.create_ssl_context()


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        raise BackendNotInstalled(
            "a remote key set needs httpx, which is not installed", next_step="pip install 'farsign[http]'"
        ) from None
    return httpx


def _fetch(client: Any, url: str, etag: str | None, seconds: float) -> Document:
    import httpx

    until = time.monotonic() + seconds
    headers = {"Accept": "application/jwk-set+json, application/json", **({"If-None-Match": etag} if etag else {})}
    try:
        with client.stream("GET", url, headers=headers, timeout=seconds, follow_redirects=False) as reply:
            if reply.status_code == 304 and etag:
                return Document(None, etag, _max_age(reply))
            if reply.status_code != 200:
                raise KeySetUnavailable(f"the key set's server answered {reply.status_code}", reason=f"http {reply.status_code}")
            return Document(_body(reply, until), reply.headers.get("etag"), _max_age(reply))
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        failure = KeySetUnavailable(f"its server could not be asked ({type(error).__name__})", reason=type(error).__name__)
    raise failure


def _body(reply: Any, until: float) -> bytes:
    body = bytearray()
    for chunk in reply.iter_bytes():
        body += chunk
        if len(body) > MAX_SET_TEXT:
            raise KeySetUnavailable(f"the key set has more than {MAX_SET_TEXT} bytes", reason="too large")
        if time.monotonic() > until:
            raise KeySetUnavailable("the key set did not arrive in time", reason="timeout")
    return bytes(body)


def _max_age(reply: Any) -> float | None:
    match = _MAX_AGE.search(reply.headers.get("cache-control", ""))
    return float(match[1]) if match else None
