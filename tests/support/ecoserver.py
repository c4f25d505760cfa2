"""For ecosystem tests: the vendor's side of a token request, on loopback. It answers everything alike and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from farsign.testing._http import HttpServer
from farsign.testing._tls import server_certificate
from farsign.testing.emulator import Reply, Request

TOKEN = {"access_token": "opaque", "expires_in": 3600, "token_type": "Bearer"}


class Endpoint:
    """``authority`` is its URL; ``ca_file`` is there where it speaks TLS."""

    def __init__(self, answer: dict[str, Any] | None, *, status: int = 200, tls: bool = False) -> None:
        self.requests: list[Request] = []
        self._body, self._status = json.dumps(TOKEN if answer is None else answer).encode(), status
        certificate = server_certificate(("127.0.0.1", "localhost")) if tls else None
        self.ca_file = certificate.ca_file if certificate else ""
        self.server = HttpServer(self._answer, tls=certificate.context if certificate else None)
        self.server.start()
        self.host = f"localhost:{self.server.port}"
        self.authority = f"http{'s' if tls else ''}://{self.host}"

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(self._status, self._body, {"Content-Type": "application/json"})

    def form(self) -> dict[str, str]:
        """Of the last request."""
        return {name: values[0] for name, values in parse_qs(self.requests[-1].body.decode()).items()}

    def bearer(self) -> str:
        """The last request's credentials, without the scheme."""
        return self.requests[-1].headers["authorization"].partition(" ")[2]


@contextmanager
def endpoint(answer: dict[str, Any] | None = None, *, status: int = 200, tls: bool = False) -> Iterator[Endpoint]:
    made = Endpoint(answer, status=status, tls=tls)
    try:
        yield made
    finally:
        made.server.close()


def session_to(there: Endpoint) -> Any:
    """A requests.Session that takes every host for the endpoint: for clients whose addresses are not to be set."""
    import requests
    from requests.adapters import HTTPAdapter

    class Here(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            request.url = f"{there.authority}{urlsplit(request.url).path}"
            return super().send(request, *args, **kwargs)

    made = requests.Session()
    made.mount("https://", Here())
    return made
