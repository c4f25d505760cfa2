"""azure-core's transports, with a socket that may go elsewhere than the URL says.

``endpoint=`` is another way to the same vault (an emulator, a tunnel): URLs, the Host header and what the SDK checks stay the vault's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import (
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from farsign._plugin.kept import Distrustful, once_more
from farsign.errors import IntegrityFailure

LARGEST: Final = 1 << 20  # bytes of a reply; a page of versions has some 10 KiB
POOL: Final = 64  # connections kept; requests' own 10 would make and drop one per call under load


class _Adapter(Distrustful, HTTPAdapter):
    pass


class Transport(RequestsTransport):  # type: ignore[misc]  # azure-core loads its transports lazily, so they are Any
    def __init__(self, endpoint: str, ca_cert: str) -> None:
        session = requests.Session()
        session.trust_env = not endpoint  # no proxy between us and an endpoint: over plain http it would see everything
        session.auth = _as_it_is
        session.hooks["response"] = [_read]
        adapter = _Adapter(pool_maxsize=POOL, max_retries=Retry(total=False, redirect=False, raise_on_status=False))
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        super().__init__(session=session, use_env_settings=session.trust_env, connection_verify=ca_cert or True)
        self._endpoint = endpoint

    def send(self, request: Any, **options: Any) -> Any:
        with sent_to(self._endpoint, request):
            return once_more(lambda: super(Transport, self).send(request, **options), broke)


def _as_it_is(request: Any) -> Any:
    """Nothing is added to a request: else requests would, from a .netrc, and take the token out for it."""
    return request


def _read(response: requests.Response, **_: Any) -> None:
    """A body without an end would be read by a thread that nobody waits for any more."""
    read = b""
    for piece in response.iter_content(64 * 1024):
        read += piece
        if len(read) > LARGEST:
            raise IntegrityFailure("the vault sent a reply of more than 1 MiB", reason="oversized")
    response._content = read  # as requests reads it


def broke(error: Exception) -> bool:
    """Whether a connection did, in azure-core's words; a timeout is no such thing."""
    timeouts = (ServiceRequestTimeoutError, ServiceResponseTimeoutError)
    return isinstance(error, (ServiceRequestError, ServiceResponseError)) and not isinstance(error, timeouts)


@contextmanager
def sent_to(endpoint: str, request: Any) -> Iterator[None]:
    """While the request is sent, its URL is the endpoint's; afterwards it is the vault's again."""
    url = request.url
    if endpoint:
        origin = urlsplit(url)
        request.headers["Host"] = origin.netloc.removesuffix(":443")
        request.headers["X-Forwarded-Proto"] = origin.scheme  # servers behind plain http make the URLs of next pages from it
        request.url = endpoint + url[len(f"{origin.scheme}://{origin.netloc}") :]
    try:
        yield
    finally:
        request.url = url
