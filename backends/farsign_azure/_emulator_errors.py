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


def unavailable(status: int, code: str) -> VaultError:
    return VaultError(status, code, "An unexpected error occurred. Please try again later.")


def forbidden(inner: str, message: str) -> VaultError:
    return VaultError(403, "Forbidden", message, inner)


_THROTTLED: Final = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"
# codes of farsign.errors -> how Key Vault says it
SITUATIONS: Final = MappingProxyType(
    {
        "throttled": VaultError(429, "Throttled", _THROTTLED),
        "unavailable": unavailable(500, "InternalServerError"),
        "key-unavailable": not_yet_valid(),
        "credentials-expired": unauthorized("[TokenExpired] Error validating token: 'S2S12086'."),
        "denied": denied("keys/sign"),
        "not-found": not_found("ordered"),
        "disabled": disabled(),
        "deleted": deleted(),
        "misuse": not_permitted("sign"),
    }
)
# the wire's own codes, and the words that tell apart what has one code
OTHERS: Final = MappingProxyType(
    {
        "RequestTimeout": unavailable(408, "RequestTimeout"),
        "BadGateway": unavailable(502, "BadGateway"),
        "ServiceUnavailable": unavailable(503, "ServiceUnavailable"),
        "GatewayTimeout": unavailable(504, "GatewayTimeout"),
        "AKV10000": unauthorized(),
        "AKV10022": unauthorized(
            "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://graph.microsoft.com."
        ),
        "AKV10046": unauthorized("AKV10046: Unable to resolve the key used for signature validation."),
        "TokenExpired": SITUATIONS["credentials-expired"],
        "not yet valid": not_yet_valid(),
        "expired key": expired(),
        "not permitted on this key": not_permitted("sign"),
        "ForbiddenByPolicy": forbidden(
            "ForbiddenByPolicy", "The application 'appid=x' does not have keys sign permission on key vault 'v'."
        ),
        "ForbiddenByFirewall": forbidden(
            "ForbiddenByFirewall",
            "Client address is not authorized and caller is not a trusted service.\r\nClient address: 192.0.2.1\r\n",
        ),
        "ForbiddenByConnection": forbidden("ForbiddenByConnection", "Connection is not an approved private link."),
        "ObjectIsBeingDeleted": VaultError(409, "Conflict", "The key is currently being deleted.", "ObjectIsBeingDeleted"),
        "ObjectIsBeingRecovered": VaultError(409, "Conflict", "The key is currently being recovered.", "ObjectIsBeingRecovered"),
        "BadParameter": bad_parameter("The request has a parameter that is not valid."),
    }
)
_BY_CODE: Final = {code: error for error in SITUATIONS.values() for code in (error.code, error.inner) if code}


def situation(name: str) -> VaultError:
    """By any of its names; what nobody knows is an HTTP 500 with that code."""
    return SITUATIONS.get(name) or OTHERS.get(name) or _BY_CODE.get(name) or VaultError(500, name, "An error was ordered.")
