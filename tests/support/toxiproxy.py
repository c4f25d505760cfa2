"""TCP faults by toxiproxy: FARSIGN_TEST_TOXIPROXY (its control address), or one started once per test run."""

from __future__ import annotations

import itertools
import json
import os
import urllib.request
from typing import Any

import pytest
from servers import started

NUMBERS = itertools.count()


def control() -> str:
    """Skips the test if there is none, saying how to have one."""
    address = os.environ.get("FARSIGN_TEST_TOXIPROXY") or started("toxiproxy")
    if not address:
        pytest.skip("set FARSIGN_TEST_TOXIPROXY to toxiproxy's control address, such as http://127.0.0.1:8474 (toxiproxy-server)")
    return address


class Proxy:
    """A proxy in front of ``upstream`` (host:port). ``address`` is where it listens."""

    def __init__(self, upstream: str) -> None:
        self._control, self._name = control(), f"farsign-{os.getpid()}-{next(NUMBERS)}"
        made = self._ask("POST", "/proxies", {"name": self._name, "listen": "127.0.0.1:0", "upstream": upstream})
        self.address: str = made["listen"]

    def add(self, kind: str, *, upstream: bool = False, toxicity: float = 1.0, **attributes: Any) -> None:
        """A toxic: on the replies, or on the requests (upstream). It strikes new connections, that many of them."""
        stream = "upstream" if upstream else "downstream"
        toxic = {"name": f"{kind}-{stream}", "type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        self._ask("POST", f"/proxies/{self._name}/toxics", toxic)

    def enable(self, enabled: bool) -> None:
        self._ask("POST", f"/proxies/{self._name}", {"enabled": enabled})

    def clear(self) -> None:
        for toxic in self._ask("GET", f"/proxies/{self._name}/toxics"):
            self._ask("DELETE", f"/proxies/{self._name}/toxics/{toxic['name']}")

    def close(self) -> None:
        self._ask("DELETE", f"/proxies/{self._name}")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self._control + path, method=method, data=json.dumps(body).encode() if body is not None else None
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read() or b"null")
