"""How Key Vault says no: status, code and text, with the ``innererror`` code where the service is known to give one.

Texts are those that an independent emulator answered and that the service's users have quoted.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Final

from farsign.testing.emulator import Reply


class VaultError(Exception):
    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.inner = status, code, message, inner

    def reply(self) -> Reply:
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.inner:
            error["innererror"] = {"code": self.inner}
        return json_reply({"error": error}, self.status)


def json_reply(body: object, status: int = 200) -> Reply:
    text = json.dumps(body, separators=(",", ":")).encode()
    return Reply(status, text, {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-cache"})


def unauthorized(message: str = "AKV10000: Request is missing a Bearer or PoP token.") -> VaultError:
    return VaultError(401, "Unauthorized", message)


def denied(permission: str) -> VaultError:
    return VaultError(
        403, "Forbidden", f"The principal is not permitted to perform {permission} on this vault.", "ForbiddenByRbac"
    )


def disabled() -> VaultError:
    return VaultError(403, "Forbidden", "Operation is not allowed on a disabled key.", "KeyDisabled")


def expired() -> VaultError:
    return VaultError(403, "Forbidden", "Operation is not allowed on an expired key.")


def not_yet_valid() -> VaultError:
    return VaultError(403, "Forbidden", "Operation is not allowed on a key that is not yet valid.")


def not_permitted(operation: str) -> VaultError:
    return VaultError(403, "Forbidden", f"Operation {operation} is not permitted on this key.")


def not_found(name: str) -> VaultError:
    return VaultError(404, "KeyNotFound", f"A key with (name/id) {name} was not found in this key vault.")


def deleted() -> VaultError:
    text = "Key is currently in a deleted but recoverable state; its name cannot be reused: it can only be recovered or purged."
    return VaultError(409, "Conflict", text, "ObjectIsDeletedButRecoverable")


def bad_parameter(message: str) -> VaultError:
    return VaultError(400, "BadParameter", message)


_THROTTLED: Final = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"
# codes of farsign.errors, the wire's own codes, and states of keys -> the error to order
SITUATIONS: Final = MappingProxyType(
    {
        "throttled": VaultError(429, "Throttled", _THROTTLED),
        "unavailable": VaultError(500, "InternalServerError", "An unexpected error occurred. Please try again later."),
        "ServiceUnavailable": VaultError(503, "ServiceUnavailable", "The service is unavailable."),
        "key-unavailable": not_yet_valid(),
        "expired": expired(),
        "credentials-expired": unauthorized("[TokenExpired] Error validating token: 'S2S12086'."),
        "denied": denied("keys/sign"),
        "ForbiddenByFirewall": VaultError(
            403, "Forbidden", "Client address is not authorized and caller is not a trusted service.", "ForbiddenByFirewall"
        ),
        "not-found": not_found("ordered"),
        "disabled": disabled(),
        "deleted": deleted(),
        "misuse": not_permitted("sign"),
        "BadParameter": bad_parameter("The request has a parameter that is not valid."),
    }
)
_BY_CODE: Final = {error.code: error for error in reversed(list(SITUATIONS.values()))}


def situation(name: str) -> VaultError:
    """By any of its names; what nobody knows is an HTTP 500 with that code."""
    return SITUATIONS.get(name) or _BY_CODE.get(name) or VaultError(500, name, "An error was ordered.")
