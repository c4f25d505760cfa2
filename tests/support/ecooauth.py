"""A provider's side of OAuth 1.0 with RSA, by oauthlib."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import serialization


def verified(key: Any, verify: Any, url: str, authorization: str, *, method: str = "GET", body: str = "") -> bool:
    """verify: one of oauthlib's verify_rsa_... functions; key: a SigningKey."""
    from oauthlib.common import Request
    from oauthlib.oauth1.rfc5849.signature import collect_parameters

    request = Request(url, method, body, {"Authorization": authorization})
    found = collect_parameters(url.partition("?")[2], body, request.headers, exclude_oauth_signature=False)
    request.signature = dict(found)["oauth_signature"]
    request.params = [(name, value) for name, value in found if name != "oauth_signature"]
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return bool(verify(request, pem.decode()))
