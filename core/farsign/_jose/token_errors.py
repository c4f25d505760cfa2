"""Why a token was refused: each class is a farsign.InvalidToken and the PyJWT class of the same name.

InvalidTokenError                 token             also farsign.InvalidToken
├── DecodeError                   malformed         no token of the kind that the function takes
│   └── InvalidSignatureError     signature
├── InvalidAlgorithmError         token-alg         not the algorithm of the key, or not one that the caller allows
├── UnknownKey                    unknown-key       no key of the set is meant; .kid is what the token says, unverified
├── InvalidTypeError              typ               another type of token (RFC 8725 3.11)
├── MissingRequiredClaimError     claim-missing     .claim names it
├── ExpiredSignatureError         expired
├── ImmatureSignatureError        not-yet           nbf or iat lies in the future
├── InvalidIssuedAtError          iat
├── InvalidLifetimeError          lifetime          issued for longer than the caller accepts
├── InvalidAudienceError          aud
├── InvalidIssuerError            iss
├── InvalidSubjectError           sub
└── InvalidJTIError               jti

InvalidTypeError, InvalidLifetimeError and UnknownKey have no namesake in PyJWT. Messages name the claim or the header member, never
its value: what a token says is not shown before, or after, it was believed.
"""

from __future__ import annotations

from jwt import exceptions as pyjwt

from farsign.errors import InvalidToken


class InvalidTokenError(InvalidToken, pyjwt.InvalidTokenError):
    code = "token"


class DecodeError(InvalidTokenError, pyjwt.DecodeError):
    code = "malformed"


class InvalidSignatureError(DecodeError, pyjwt.InvalidSignatureError):
    code = "signature"


class InvalidAlgorithmError(InvalidTokenError, pyjwt.InvalidAlgorithmError):
    code = "token-alg"


class UnknownKey(InvalidTokenError):
    """kid: the key id that the token names, unverified text from whoever sent it, or None."""

    code = "unknown-key"

    def __init__(self, message: str, *, kid: str | None = None, next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.kid = kid


class InvalidTypeError(InvalidTokenError):
    code = "typ"


class MissingRequiredClaimError(InvalidTokenError, pyjwt.MissingRequiredClaimError):
    code = "claim-missing"

    def __init__(self, claim: str) -> None:
        InvalidTokenError.__init__(self, claim)
        self.claim = claim  # PyJWT's __str__ makes the sentence


class ExpiredSignatureError(InvalidTokenError, pyjwt.ExpiredSignatureError):
    code = "expired"


class ImmatureSignatureError(InvalidTokenError, pyjwt.ImmatureSignatureError):
    code = "not-yet"


class InvalidIssuedAtError(InvalidTokenError, pyjwt.InvalidIssuedAtError):
    code = "iat"


class InvalidLifetimeError(InvalidTokenError):
    code = "lifetime"


class InvalidAudienceError(InvalidTokenError, pyjwt.InvalidAudienceError):
    code = "aud"


class InvalidIssuerError(InvalidTokenError, pyjwt.InvalidIssuerError):
    code = "iss"


class InvalidSubjectError(InvalidTokenError, pyjwt.InvalidSubjectError):
    code = "sub"


class InvalidJTIError(InvalidTokenError, pyjwt.InvalidJTIError):
    code = "jti"
