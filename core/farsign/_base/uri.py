"""Key URIs: one text that names one key, in settings. Here is the split that holds for every scheme; what the parts mean is read
by the backend that owns the scheme.

Strict, because the text decides which key signs and where credentials go: percent-escapes are decoded once, and what two readers
could understand differently is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from farsign.errors import AlgorithmNotSupported, InvalidKeyURI

from . import algorithms
from .hosts import split_host

LONGEST: Final = 4096  # characters
COMMON: Final = ("alg", "kid", "thumbprint")  # parameters that every backend knows
# Other tools' names for a scheme. Core rewrites them; the owner sees the canonical name, and this one as ``dialect``.
DIALECTS: Final = MappingProxyType(
    {
        "aws-kms": "awskms",
        "azurekeyvault": "azurekms",
        "cloudkms": "gcpkms",
        "gcp-kms": "gcpkms",
        "hcvault": "hashivault",
        "hv": "hashivault",
    }
)
Kind = type[str] | type[int] | type[bool] | tuple[str, ...]

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_NOT_IN_AUTHORITY: Final = re.compile(r"[\s/?#\\%]")  # to another reader, the host would end here
_NESTED_USER: Final = re.compile(r"(?:^|:)[/\\]{2}[^/\\?#]*@")
_SHA256: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")  # 43 characters hold 258 bits: the last two are zero
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:@!$'()*,;=")
_AUTHORITY: Final = _PLAIN | frozenset("&+[]")
_PATH: Final = _PLAIN | frozenset("&+/")
_VALUE: Final = _PLAIN | frozenset("/")  # no "+": some readers take it for a space
_EXAMPLE: Final = "a key URI looks like file:///etc/app/key.pem or awskms:///alias/auth?region=eu-west-1"


@dataclass(frozen=True, slots=True, repr=False)
class KeyURI:
    """A URI in parts, decoded. Making one that breaks the rules raises InvalidKeyURI, so ``KeyURI.split(str(uri)) == uri`` always.

    scheme: canonical. authority: what stands after ``//``, case kept, "" in ``scheme:///x``, None in ``scheme:x``. path: without its
    leading slash. parameters: in the order written. dialect: the scheme as the user spelled it; not part of the identity.
    """

    scheme: str
    authority: str | None
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    dialect: str = field(default="", compare=False)
    checked: bool = field(default=False, compare=False)  # every parameter is one that the owner knows: repr may show it

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        object.__setattr__(self, "dialect", self.dialect or self.scheme)
        _check_place(self)
        for name, value in self.parameters.items():
            _check_parameter(self, name, value)
        _check_common(self)
        if len(str(self)) > LONGEST:
            raise self.refuse(f"is longer than {LONGEST} characters")

    @classmethod
    def split(cls, text: str) -> KeyURI:
        """The parts of a URI, before its owner has read them. Raises InvalidKeyURI, and nothing else, whatever ``text`` is."""
        scheme, rest = _scheme(text)
        place, question, query = rest.partition("?")
        label = _label(text)
        authority: str | None = None
        if place.startswith("//"):
            authority, _, place = place[2:].partition("/")
        elif place.startswith("/"):  # RFC 8089: file:/x is file:///x
            authority, place = "", place[1:]
        return cls(
            scheme=DIALECTS.get(scheme, scheme),
            authority=None if authority is None else _decoded(authority, label),
            path=_decoded(place, label),
            parameters=_parameters(query, label) if question else {},
            dialect=scheme,
        )

    @property
    def alg(self) -> str | None:
        """The JOSE algorithm to sign with, where the key allows several."""
        return self.parameters.get("alg")

    @property
    def kid(self) -> str | None:
        """The ``kid`` to publish; only for a URI that pins a key version."""
        return self.parameters.get("kid")

    @property
    def thumbprint(self) -> str | None:
        """The RFC 7638 SHA-256 thumbprint that the public key must have."""
        return self.parameters.get("thumbprint")

    @property
    def host(self) -> str:
        """The authority's host, case kept, IPv6 without brackets. Raises InvalidKeyURI if the authority is none."""
        return self._host_and_port()[0]

    @property
    def port(self) -> int | None:
        return self._host_and_port()[1]

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.split("/")) if self.path else ()

    def get(self, name: str, default: str | None = None) -> str | None:
        return self.parameters.get(name, default)

    def check(self, /, **known: Kind) -> KeyURI:
        """This URI, if it has no parameters but the common ones and those given: ``check(slot=int, fips=bool, auth=("a", "b"))``.

        int: digits; bool: true or false; a tuple: one of these. Raises InvalidKeyURI that lists what is known.
        """
        for name, value in self.parameters.items():
            if name not in known and name not in COMMON:
                raise self._unknown(name, sorted({*known, *COMMON}))
            if complaint := _complaint(value, known.get(name, str)):
                raise self.refuse(f"has a wrong {name}=", f"{name} is {complaint}")
        return replace(self, checked=True)

    def replace(self, **changes: Any) -> KeyURI:
        """A copy with other parts: for owners that rewrite a dialect to the canonical form."""
        return replace(self, **changes)

    def refuse(self, what: str, next_step: str | None = None) -> InvalidKeyURI:
        """The error to raise: "'awskms:///alias/x' <what>". The URI is shown without parameters."""
        return InvalidKeyURI(f"{_label(str(self))} {what}", next_step=next_step)

    def _host_and_port(self) -> tuple[str, int | None]:
        try:
            return split_host(self.authority or "")
        except InvalidKeyURI as error:
            raise self.refuse("has no host after //", error.next_step) from None

    def _unknown(self, name: str, known: list[str]) -> InvalidKeyURI:
        from difflib import get_close_matches

        close = get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}=? " if close else ""
        return self.refuse(f"has an unknown parameter {name}=", f"{hint}known for {self.scheme}: {', '.join(known)}")

    def __str__(self) -> str:
        place = _encoded(self.path, _PATH)
        if self.authority is not None:
            place = f"//{_encoded(self.authority, _AUTHORITY)}" + (f"/{place}" if place else "")
        query = "&".join(f"{name}={_encoded(value, _VALUE)}" for name, value in self.parameters.items())
        return f"{self.scheme}:{place}" + (f"?{query}" if query else "")

    def __repr__(self) -> str:
        shown = repr(str(self)) if self.checked else _label(str(self))
        return f"KeyURI({shown})"

    def __reduce__(self) -> tuple[Any, ...]:  # a mappingproxy cannot be pickled
        return KeyURI, (self.scheme, self.authority, self.path, dict(self.parameters), self.dialect, self.checked)


def _scheme(text: object) -> tuple[str, str]:
    """The scheme, lower case (RFC 3986 3.1), and what follows its colon."""
    if not isinstance(text, str):
        raise InvalidKeyURI(f"a key URI is text, not {type(text).__name__}", next_step=_EXAMPLE)
    if len(text) > LONGEST:
        raise InvalidKeyURI(f"the key URI has {len(text)} characters; {LONGEST} are allowed", next_step=_EXAMPLE)
    for position, character in enumerate(text):
        if character == " " or not character.isprintable():
            what = f"U+{ord(character):04X}, white space or a control character, at position {position}"
            raise InvalidKeyURI(f"the key URI contains {what}", next_step="remove it; a space inside a name is written %20")
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme.lower()):
        raise InvalidKeyURI("the key URI has no scheme", next_step=_EXAMPLE)
    if "#" in rest:
        raise InvalidKeyURI(f"{_label(text)} has a fragment", next_step="a key URI has none; '#' inside a name is written %23")
    return scheme.lower(), rest


def _parameters(query: str, label: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in query.split("&"):
        name, equals, value = item.partition("=")
        name = _decoded(name, label)
        if not equals or not value or not _NAME.fullmatch(name):
            raise InvalidKeyURI(f"{label} has a parameter that is not name=value", next_step="write '?name=value&name=value'")
        if name in found:
            raise InvalidKeyURI(f"{label} has {name}= twice", next_step="give each parameter once")
        found[name] = _decoded(value, label)
    return found


def _check_place(uri: KeyURI) -> None:
    """Scheme, authority and path: the invariants that make ``str`` reversible and the parts safe to hand on."""
    if not _SCHEME.fullmatch(uri.scheme) or uri.scheme in DIALECTS:
        raise InvalidKeyURI(f"{uri.scheme[:40]!r} is no canonical scheme", next_step=_EXAMPLE)
    if not (uri.authority or uri.path):
        raise uri.refuse("names no key", _EXAMPLE)
    if "@" in (uri.authority or ""):
        raise _user_info(uri)
    if _NOT_IN_AUTHORITY.search(uri.authority or "") or not _printable(uri.authority or ""):
        raise uri.refuse("has a character after // that no host or key name has")
    if not _printable(uri.path):
        raise uri.refuse("has a control character in its path")
    if "" in uri.segments:
        raise uri.refuse("has an empty path segment", "remove the doubled or trailing slash")
    if not {".", ".."}.isdisjoint(uri.segments):
        raise uri.refuse("has a path segment '.' or '..'", "write the path that is meant")


def _check_parameter(uri: KeyURI, name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise uri.refuse("has a parameter whose name is none")
    if not value or not _printable(value):
        raise uri.refuse(f"has an empty {name}=, or one with a control character", f"give {name}= a value, or leave it out")
    if _NESTED_USER.search(value):
        raise _user_info(uri)


def _check_common(uri: KeyURI) -> None:
    if uri.thumbprint and not _SHA256.fullmatch(uri.thumbprint):
        step = "it is the RFC 7638 SHA-256 thumbprint of the public key, 43 characters of base64url; `farsign check` prints it"
        raise uri.refuse("has a thumbprint= that is none", step)
    if uri.alg:
        try:
            signs = algorithms.lookup(uri.alg).kind != "HMAC"
        except AlgorithmNotSupported:
            signs = False
        if not signs:
            raise uri.refuse("has an alg= that no key here signs with", f"use one of {' '.join(algorithms.ASYMMETRIC)}")


def _user_info(uri: KeyURI) -> InvalidKeyURI:
    return InvalidKeyURI(
        f"the {uri.scheme} URI has user-info (something before '@' in a host)",
        next_step="a key URI holds no credentials: remove them, revoke them if they were real, and use the environment or a file",
    )


def _complaint(value: str, kind: Kind) -> str:
    """What the parameter should have been; empty if it is."""
    if isinstance(kind, tuple):
        return "" if value in kind else f"one of {', '.join(kind)}"
    if kind is bool:
        return "" if value in ("true", "false") else "true or false"
    if kind is int:
        return "" if value.isascii() and value.isdecimal() and len(value) <= 18 else "a whole number in digits"
    return ""


def _printable(text: str) -> bool:
    """No controls, no lone surrogates, no invisible or direction-changing characters: what is read is what is there."""
    return text.replace(" ", "").isprintable()


def _decoded(text: str, label: str) -> str:
    raw, count = _ESCAPE.subn(lambda match: bytes.fromhex(match[1].decode()), text.encode())
    try:
        if count != text.count("%"):
            raise ValueError
        return raw.decode()
    except ValueError:
        step = "write each byte of UTF-8 as %XX, and '%' itself as %25"
        raise InvalidKeyURI(f"{label} has a bad percent-escape", next_step=step) from None


def _encoded(text: str, plain: frozenset[str]) -> str:
    return "".join(char if char in plain else "".join(f"%{byte:02X}" for byte in char.encode(errors="replace")) for char in text)


def _label(text: str) -> str:
    """The URI for a message, cut where something confidential could start: parameters, opaque key=value pairs, user-info."""
    place, question, _ = text.partition("?")
    shown = place if place.isprintable() and not {"@", "="} & set(place) else f"{place.partition(':')[0]}:..."
    return repr(shown[:200] + ("?..." if question else ""))
