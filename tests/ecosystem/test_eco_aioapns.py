"""aioapns: a notification's token, as Apple's server receives it."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

aioapns = pytest.importorskip("aioapns", reason="needs the package aioapns")
import jwt as pyjwt
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from farsign.testing._tls import server_certificate

LIBRARY, HOW = "aioapns", "unmodified: APNs(key=...)"


class Server(asyncio.Protocol):
    """Takes each notification, over HTTP/2."""

    def __init__(self, seen: list[dict[bytes, bytes]]) -> None:
        self.seen, self.http = seen, H2Connection(H2Configuration(client_side=False))

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.http.initiate_connection()
        self.transport.write(self.http.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self.http.receive_data(data):
            if isinstance(event, RequestReceived):
                self.seen.append(dict(event.headers))
            elif isinstance(event, StreamEnded):
                answer = [(b":status", b"200"), (b"apns-id", self.seen[-1][b"apns-id"])]
                self.http.send_headers(event.stream_id, answer, end_stream=True)
        self.transport.write(self.http.data_to_send())


async def notify(key: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[bytes, bytes]]:
    seen: list[dict[bytes, bytes]] = []
    certificate = server_certificate(("127.0.0.1", "localhost"))
    server = await asyncio.get_running_loop().create_server(lambda: Server(seen), "localhost", 0, ssl=certificate.context)
    context = ssl.create_default_context(cafile=certificate.ca_file)
    client = aioapns.APNs(key=key, key_id="K1", team_id="T1", topic="org.example.app", ssl_context=context)
    monkeypatch.setattr(client.pool.protocol_class, "APNS_SERVER", "localhost")
    monkeypatch.setattr(client.pool.protocol_class, "APNS_PORT", server.sockets[0].getsockname()[1])
    try:
        for _ in range(2):
            request = aioapns.NotificationRequest(device_token="d1", message={"aps": {"alert": "hello"}})
            assert (await client.send_notification(request)).is_successful
    finally:
        client.pool.close()
        server.close()
    return seen


@pytest.mark.parametrize("algorithm", ["ES256"])
def test_notifications(any_key: Any, algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = any_key(algorithm)
    first, second = asyncio.run(notify(key.as_private_key(), monkeypatch))
    assert first[b"authorization"] == second[b"authorization"]  # one signature for half an hour
    token = first[b"authorization"].decode().removeprefix("bearer ")
    assert pyjwt.decode(token, key.public_key(), algorithms=[algorithm])["iss"] == "T1"
    assert pyjwt.get_unverified_header(token)["kid"] == "K1"
