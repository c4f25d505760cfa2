"""JSON Web Signatures (RFC 7515, 7797): one pair of functions per format, so that no format can be taken for another.

    compact            header.payload.signature    sign             verify
    detached           header..signature           sign_detached    verify_detached     the payload beside it
    unencoded          header..signature           sign_unencoded   verify_unencoded    b64 false (RFC 7797)
    flattened JSON     {"payload", "signature"}    sign_json        verify_json
    general JSON       {"payload", "signatures"}   sign_general     verify_general      up to 4 signatures
    readable JSON      {"payload", "signature"}    sign_unencoded_json   verify_unencoded_json   b64 false, payload as text

Each has an async twin with an ``a`` before its name. Signing takes a Signer, an Issuer, a SigningKey or a Key of a shared secret;
verifying takes a Key, a KeySet, a SigningKey or a RemoteKeySet, and returns a ``Verified`` or raises InvalidToken.
"""

from ._jose.compact import Verified, averify, unverified_header, verify
from ._jose.detached import averify_detached, averify_unencoded, verify_detached, verify_unencoded
from ._jose.json_forms import (
    averify_general,
    averify_json,
    averify_unencoded_json,
    verify_general,
    verify_json,
    verify_unencoded_json,
)
from ._jose.sign import (
    asign,
    asign_detached,
    asign_general,
    asign_json,
    asign_unencoded,
    asign_unencoded_json,
    sign,
    sign_detached,
    sign_general,
    sign_json,
    sign_unencoded,
    sign_unencoded_json,
)

__all__ = [
    "Verified",
    "asign",
    "asign_detached",
    "asign_general",
    "asign_json",
    "asign_unencoded",
    "asign_unencoded_json",
    "averify",
    "averify_detached",
    "averify_general",
    "averify_json",
    "averify_unencoded",
    "averify_unencoded_json",
    "sign",
    "sign_detached",
    "sign_general",
    "sign_json",
    "sign_unencoded",
    "sign_unencoded_json",
    "unverified_header",
    "verify",
    "verify_detached",
    "verify_general",
    "verify_json",
    "verify_unencoded",
    "verify_unencoded_json",
]
