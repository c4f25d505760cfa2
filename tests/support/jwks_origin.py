"""An issuer, and an HTTP server on loopback for its JWKS that answers as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fakekms import FakeDriver, FakeKMS

from farsign import Signer, jwk, jwt
from farsign._base.encodings import b64url_encode


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # more than a test has threads

    def handle_error(self, request: object, client_address: object) -> None:
        """The client has gone: that is what some tests are about."""


class Origin:
    """A JWKS server whose answers are set by the test."""

    def __init__(self) -> None:
        self.fetches: list[dict[str, str]] = []  # the headers of each
        self.paths: list[str] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: self.send(handler, {"keys": []})
        self.delay = 0.0
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                origin.fetches.append(dict(self.headers))
                origin.paths.append(self.path)
                time.sleep(origin.delay)
                origin.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def hold(self) -> threading.Event:
        """Answer nothing until the event is set."""
        gate, answer = threading.Event(), self.answer
        self.answer = lambda handler: answer(handler) if gate.wait(10) else None
        return gate

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def send(self, handler: BaseHTTPRequestHandler, document: object, status: int = 200, **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def serve(self, document: object, status: int = 200, **headers: str) -> None:
        self.answer = lambda handler: self.send(handler, document, status, **headers)


class Issuer:
    """Signs tokens with a key of its own and knows its JWK."""

    def __init__(self) -> None:
        kms = FakeKMS()
        self.signer = Signer(lambda: FakeDriver(kms))
        self.jwk = self.signer.key().jwk()
        self.kid = self.jwk["kid"]

    def token(self) -> str:
        return jwt.encode({"sub": "42"}, self.signer)


def with_kid(token: str, kid: str) -> str:
    """The token, naming another key."""
    header = b64url_encode(json.dumps({"alg": "ES256", "kid": kid}).encode())
    return ".".join([header, *token.split(".")[1:]])


def settled(keys: jwk.RemoteKeySet) -> None:
    """Wait for the fetch in the background."""
    assert keys._flight is not None
    keys._flight.exception(10.0)
