"""One KMS key, raw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from farsign.driver import CredentialRefresher, Failure, Form, KeyDescription, KeyURI, RemoteSigner, SignReply, SignRequest
from farsign.errors import ConfigurationError, FarsignError, IntegrityFailure, KeyMisuse

from . import _errors
from ._client import client_for
from ._deadline import deadline
from ._uri import place

RAW: Final = 4096  # bytes of a message, at most
_DIGEST: Final[Mapping[Form, int | None]] = MappingProxyType({"digest": None})
_MESSAGE: Final[Mapping[Form, int | None]] = MappingProxyType({"message": RAW})
_EITHER: Final[Mapping[Form, int | None]] = MappingProxyType({"message": RAW, "mu": 64})
_TYPES: Final = MappingProxyType({"digest": "DIGEST", "message": "RAW", "mu": "EXTERNAL_MU"})

# KeySpec -> JOSE name, where the key has one algorithm; RSA keys have those that SigningAlgorithms lists
_SPECS: Final = MappingProxyType(
    {
        "ECC_NIST_P256": ("ES256", "ECDSA_SHA_256", _DIGEST),
        "ECC_NIST_P384": ("ES384", "ECDSA_SHA_384", _DIGEST),
        "ECC_NIST_P521": ("ES512", "ECDSA_SHA_512", _DIGEST),
        "ECC_SECG_P256K1": ("ES256K", "ECDSA_SHA_256", _DIGEST),
        "ECC_NIST_EDWARDS25519": ("Ed25519", "ED25519_SHA_512", _MESSAGE),  # the PH variant is another scheme, and hashes twice
        "ML_DSA_44": ("ML-DSA-44", "ML_DSA_SHAKE_256", _EITHER),
        "ML_DSA_65": ("ML-DSA-65", "ML_DSA_SHAKE_256", _EITHER),
        "ML_DSA_87": ("ML-DSA-87", "ML_DSA_SHAKE_256", _EITHER),
    }
)
_RSA: Final = MappingProxyType(
    {
        "RS256": "RSASSA_PKCS1_V1_5_SHA_256",
        "RS384": "RSASSA_PKCS1_V1_5_SHA_384",
        "RS512": "RSASSA_PKCS1_V1_5_SHA_512",
        "PS256": "RSASSA_PSS_SHA_256",
        "PS384": "RSASSA_PSS_SHA_384",
        "PS512": "RSASSA_PSS_SHA_512",
    }
)
_WIRE: Final = MappingProxyType({**_RSA, **{name: wire for name, wire, _ in _SPECS.values()}})


class AwsKey(RemoteSigner, CredentialRefresher):
    """``session``: a boto3 session instead of the process's own settings."""

    def __init__(
        self, uri: KeyURI, *, session: Any = None, grant_tokens: Sequence[str] = (), allow_hosts: Sequence[str] = ()
    ) -> None:
        self._uri, self._place = uri, place(uri)
        self._grants = _checked(grant_tokens)
        self._shared = client_for(uri, session, allow_hosts)
        self.endpoint = f"awskms {self._shared.client.region}"
        if self._place.endpoint:
            self.endpoint += f" at {self._place.endpoint}"
        self.total_timeout = self._shared.client.transport is not None

    def describe(self, version: str | None = None, *, timeout: float) -> KeyDescription:
        """GetPublicKey; by alias, its reply names the key."""
        asked = version or self._place.key
        reply = self._call("get_public_key", timeout, KeyId=asked)
        spec, usage, arn, spki = (
            _text(reply, "KeySpec"),
            _text(reply, "KeyUsage"),
            _text(reply, "KeyId"),
            reply.get("PublicKey"),
        )
        if not isinstance(spki, bytes) or not arn:
            raise IntegrityFailure("AWS KMS sent a GetPublicKey reply without a key", reason="garbled reply")
        if "alias/" not in asked and asked not in (arn, arn.rpartition("/")[2]):
            raise IntegrityFailure(f"AWS KMS was asked for {asked} and described {arn}", reason="another key")
        if usage != "SIGN_VERIFY":
            raise KeyMisuse(f"{arn} is a key for {usage}, not for SIGN_VERIFY", reason="KeyUsage")
        return KeyDescription(arn, spki, _inputs(spec, reply), pinned=self._place.pinned, protection="hsm")

    def sign(self, request: SignRequest, *, timeout: float) -> SignReply:
        reply = self._call(
            "sign",
            timeout,
            KeyId=request.version,
            Message=bytes(request.data),
            MessageType=_TYPES[request.form],
            SigningAlgorithm=_WIRE[request.algorithm],
        )
        signature = reply.get("Signature")
        if not isinstance(signature, bytes):
            raise IntegrityFailure("AWS KMS sent a Sign reply without a signature", reason="garbled reply")
        return SignReply(signature, _text(reply, "KeyId") or None)

    def _call(self, operation: str, timeout: float, **parameters: Any) -> Any:
        with deadline(timeout):
            try:
                return getattr(self._shared.client.kms, operation)(**parameters, **self._grants)
            except FarsignError as error:
                raise error.with_traceback(None) from None  # whose frames hold the request, with its credentials (RULES 16)

    def refresh_credentials(self, *, timeout: float) -> bool:
        return self._shared.client.credentials.refresh(timeout)

    def classify(self, error: Exception) -> Failure | None:
        return _errors.classify(error, self._uri)

    def close(self) -> None:
        self._shared.release()


def _checked(tokens: Any) -> dict[str, list[str]]:
    """The member of a request; empty if there are none."""
    if isinstance(tokens, (str, bytes)) or not all(isinstance(token, str) and token for token in tokens):
        step = "grant_tokens=[...] takes what CreateGrant returned as GrantToken"
        raise ConfigurationError("grant tokens are a list of texts", next_step=step)
    return {"GrantTokens": list(tokens)} if tokens else {}


def _inputs(spec: str, reply: Any) -> dict[str, Mapping[Form, int | None]]:
    if known := _SPECS.get(spec):
        return {known[0]: known[2]}
    offered = reply.get("SigningAlgorithms") or ()
    if spec.startswith("RSA_"):
        return {name: _DIGEST for name, wire in _RSA.items() if wire in offered}
    raise KeyMisuse(f"AWS KMS keys of spec {spec} sign nothing that farsign knows", reason="KeySpec")


def _text(reply: Any, member: str) -> str:
    value = reply.get(member)
    return value if isinstance(value, str) else ""
