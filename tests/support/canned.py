"""A KMS endpoint that answers what it is told to, and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from farsign.testing._http import HttpServer, Reply, Request

ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


class Canned:
    """Answers every request with ``reply``."""

    def __init__(self) -> None:
        self.reply = Reply(200)
        self.requests: list[Request] = []
        self._http = HttpServer(self._answer)
        self._http.start()
        self.close = self._http.close

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(self.reply.status, self.reply.body, dict(self.reply.headers))

    def says(self, status: int = 200, headers: dict[str, str] | None = None, **members: Any) -> None:
        self.reply = Reply(
            status, json.dumps(members).encode(), {"Content-Type": "application/x-amz-json-1.1", **(headers or {})}
        )

    @property
    def asked(self) -> dict[str, Any]:
        """The members of the last request, and its operation."""
        last = self.requests[-1]
        return {**json.loads(last.body), "operation": last.headers["x-amz-target"].rpartition(".")[2]}

    @property
    def uri(self) -> str:
        return f"awskms:///{ARN}?endpoint=http://127.0.0.1:{self._http.port}&auth=emulator"


@pytest.fixture(scope="module")
def canned() -> Iterator[Canned]:
    server = Canned()
    yield server
    server.close()
