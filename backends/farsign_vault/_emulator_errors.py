"""How the server says no: status and texts as OpenBao 2.6 was seen to answer, HTTP 500 for many a caller's mistake included."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any, Final

from farsign.testing.emulator import Reply


class ServerError(Exception):
    """``told``: each an element of "errors"; None: the body is no JSON but the message."""

    def __init__(self, status: int, *told: str) -> None:
        super().__init__(*told)
        self.status, self.told = status, list(told)

    def reply(self) -> Reply:
        return json_reply({"errors": self.told}, self.status)


def json_reply(body: object, status: int = 200) -> Reply:
    text = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    return Reply(status, text, {"Content-Type": "application/json", "Cache-Control": "no-store"})


def answered(data: Any, *, request_id: str, auth: Any = None, warnings: list[str] | None = None) -> Reply:
    """The envelope of every answer."""
    body = {
        "request_id": request_id,
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": warnings,
        "auth": auth,
    }
    return json_reply(body)


def wrapped(status: int, text: str) -> ServerError:
    """As an error comes out of a plugin."""
    return ServerError(status, f"1 error occurred:\n\t* {text}\n\n")


def bad_token() -> ServerError:
    return ServerError(403, "permission denied")


def denied() -> ServerError:
    return wrapped(403, "permission denied")


def invalid(text: str) -> ServerError:
    return ServerError(400, text)


def internal(text: str) -> ServerError:
    return wrapped(500, text)


def sealed() -> ServerError:
    return ServerError(503, "Vault is sealed")


def no_leader() -> ServerError:
    return ServerError(500, "local node not active but active cluster node not found")


def over_quota(path: str) -> ServerError:
    return ServerError(429, f'request path "{path}": rate limit quota exceeded')


def not_mounted(path: str) -> ServerError:
    return ServerError(404, f'no handler for route "{path}". route entry not found.')


MISSING: Final = ServerError(404)  # of a read: no text at all
NO_KEY: Final = invalid("signing key not found")  # of a signature
NO_NAMESPACE: Final = ServerError(404, "namespace not found")
UNSUPPORTED_PATH: Final = wrapped(404, "unsupported path")
UNSUPPORTED_OPERATION: Final = wrapped(405, "unsupported operation")
TOO_OLD: Final = internal("requested version for signing is less than the minimum encryption key version")
TOO_NEW: Final = internal("requested version for signing is higher than the latest key version")
NEGATIVE: Final = internal("requested version for signing is negative")
SOFT_DELETED: Final = internal("key is soft deleted")
STALE: Final = ServerError(412, "required index state not present")
TOO_LARGE: Final = ServerError(413, "http: request body too large")

# codes of farsign.errors, and names for what has none -> the error to order
SITUATIONS: Final = MappingProxyType(
    {
        "unavailable": sealed(),
        "sealed": sealed(),
        "no-leader": no_leader(),
        "key-unavailable": STALE,
        "credentials-expired": bad_token(),
        "denied": denied(),
        "not-found": NO_KEY,
        "disabled": TOO_OLD,
        "deleted": SOFT_DELETED,
        "misuse": internal("unsupported rsa signature algorithm pkcs7"),
    }
)


def situation(name: str, path: str) -> ServerError:
    """By any of its names; a number is that status without a text; what nobody knows is an HTTP 500 that says so."""
    if name == "throttled":
        return over_quota(path)
    if name == "not-found" and "/keys/" in path:
        return MISSING
    if name.isdecimal():
        return ServerError(int(name))
    return SITUATIONS.get(name) or internal(name)
