"""One key version: immutable, with its public key, its ``kid`` and its algorithm. Only this signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from cryptography.exceptions import InvalidSignature

from farsign._base import algorithms, encodings
from farsign._base.algorithms import Algorithm
from farsign._base.primitives import Check, PublicKey, checker, digest, load_spki, mu, spki
from farsign._base.public_jwk import public_jwk, thumbprint
from farsign.driver import Form, KeyDescription, SignReply, SignRequest
from farsign.errors import AlgorithmNotSupported, AlgorithmRequired, InvalidKeyURI, KeyMismatch, MessageTooLong

from .funnel import Operation
from .legs import Leg


class Funnel(Protocol):
    """What keys sign through: their Signer."""

    @property
    def legs(self) -> tuple[Leg, ...]: ...

    def operation(self, timeout: float | None) -> Operation: ...

    def run(self, plan: Plan, operation: Operation) -> bytes: ...

    async def arun(self, plan: Plan, operation: Operation) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Options:
    """What a URI says of its key beyond naming it."""

    name: str
    alg: str | None = None
    kid: str | None = None
    thumbprint: str | None = None


class SigningKey:
    """A signer's key at one version. Get it from ``Signer.key()``; use it from any thread, task or forked child."""

    def __init__(self, signer: Funnel, described: KeyDescription, options: Options, place: int = 0) -> None:
        self._signer, self._described, self._options, self._place = signer, described, options, place
        self._public_key: PublicKey = load_spki(described.public_key)
        self.spki = spki(self._public_key)
        self._jwk = public_jwk(self._public_key)
        self.version: str = described.version
        self.protection: str = described.protection
        self.pinned = described.pinned  # the URI can never mean another version
        self.encoding = described.ecdsa  # of ECDSA signatures on the wire
        self.thumbprint: str = thumbprint(self._jwk)
        self.kid: str = options.kid or self.thumbprint
        self._inputs = {algorithms.primitive(name): (name, forms) for name, forms in described.inputs.items()}
        self._algorithm: str | None = None
        self._checkers: dict[tuple[str, Form], Check] = {}
        self._refuse_contradictions()

    def _refuse_contradictions(self) -> None:
        name, wanted = self._options.name, self._options.thumbprint
        if wanted and wanted != self.thumbprint:
            raise KeyMismatch(f"{name} is not the key whose thumbprint was pinned: it is {self.thumbprint}")
        if self._options.kid and not self._described.pinned:
            raise InvalidKeyURI(f"{name}: kid= names one key version, and this URI can mean another tomorrow",
                                next_step="pin a version in the URI, or leave kid= out: the thumbprint is used")  # fmt: skip
        if self._options.alg:
            self._input(self._options.alg)

    @property
    def algorithm(self) -> str:
        """The JWS algorithm. Raises AlgorithmRequired if the key signs several and the URI chose none."""
        if self._algorithm is None:
            self._algorithm = self._options.alg or self._only_choice()
        return self._algorithm

    def _only_choice(self) -> str:
        choices, name = self.algorithms, self._options.name
        if len(choices) != 1:
            mark = "&" if "?" in name else "?"
            raise AlgorithmRequired(
                f"{name} signs {' '.join(choices) or 'nothing that JWS knows'}",
                next_step=f"append what your verifiers expect, e.g. '{mark}alg={choices[0]}'" if choices else "use another key",
            )
        return choices[0]

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The JWS algorithms that this key can sign."""
        return tuple(algorithms.default_name(name) for name in self._inputs if algorithms.lookup(name).jose)

    @property
    def primitives(self) -> tuple[str, ...]:
        """All algorithms that this key can sign, those without a JOSE name too."""
        return tuple(self._inputs)

    @property
    def name(self) -> str:
        """The URI, or what the Signer was called."""
        return self._options.name

    def public_key(self) -> Any:
        """A native ``cryptography`` public key; no I/O."""
        return self._public_key

    def jwk(self) -> dict[str, str]:
        """The public JWK with kid, alg and use (RFC 7517). Raises AlgorithmRequired as ``algorithm`` does."""
        return {**self._jwk, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def public_members(self) -> dict[str, str]:
        """The members of the public JWK that define the key, and no others."""
        return dict(self._jwk)

    def same_version(self, other: SigningKey) -> bool:
        """Whether both are one version of one key, in one place or several. A name deleted and created again is not."""
        return self.spki == other.spki and (self.version == other.version or self.leg is not other.leg)

    @property
    def leg(self) -> Leg:
        """The place that described it."""
        return self._signer.legs[self._place]

    def sign(self, data: bytes, *, timeout: float | None = None) -> bytes:
        """The JWS signature over ``data``: raw bytes, r||s for ECDSA (RFC 7518 3.4). ``timeout`` is seconds in total.

        Raises ProviderError (503), or ConfigurationError if the key cannot sign this.
        """
        return self._signer.run(self.plan(self.algorithm, data), self._signer.operation(timeout))

    async def asign(self, data: bytes, *, timeout: float | None = None) -> bytes:
        """As ``sign``, without holding the event loop."""
        return await self._signer.arun(self.plan(self.algorithm, data), self._signer.operation(timeout))

    def plan(self, algorithm: str, data: bytes, *, hashed: bool = False) -> Plan:
        """What to ask for, and how to check it. ``hashed``: data is a digest already, or ML-DSA's mu."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data to sign is bytes, not {type(data).__name__}")
        wire_name, forms = self._input(algorithm)
        row = algorithms.lookup(algorithm)
        given = bytes(data)
        form, octets = self._form(row, forms, given, hashed)
        return Plan(self, row, wire_name, form, octets, given, hashed)

    def checker(self, algorithm: str, form: Form) -> Check:
        """Checks signatures over data of that form; prepared once."""
        known = self._checkers.get((algorithm, form))
        if known is None:
            known = self._checkers[algorithm, form] = checker(self._public_key, algorithm, form)
        return known

    def _input(self, algorithm: str) -> tuple[str, Mapping[Form, int | None]]:
        try:
            return self._inputs[algorithms.primitive(algorithm)]
        except KeyError:
            able = " ".join(self.algorithms or self.primitives)
            raise AlgorithmNotSupported(f"{self.name} cannot sign {algorithm}", next_step=f"it signs {able}") from None

    def _form(self, algorithm: Algorithm, forms: Mapping[Form, int | None], data: bytes, hashed: bool) -> tuple[Form, bytes]:
        if hashed:
            form: Form = "digest" if algorithm.digests else "mu"
            if form in forms:
                return form, data
            raise AlgorithmNotSupported(f"{self.name} does not sign a ready {form}", next_step="pass the message itself")
        if "digest" in forms and algorithm.digests:
            return "digest", digest(algorithm, data)
        if "message" in forms and ((most := forms["message"]) is None or len(data) <= most):
            return "message", data
        if "mu" in forms:
            return "mu", mu(self._public_key, data)
        raise MessageTooLong(
            f"{self.name} takes messages of up to {forms.get('message')} bytes for {algorithm.name}; this one has {len(data)}",
            next_step="sign less, or use a key whose provider signs digests (ES256, RS256) or mu (ML-DSA)",
        )

    def as_private_key(self, *, pss_max_length: Literal["refuse", "digest"] = "refuse") -> Any:
        """A ``cryptography`` private key of this version whose ``sign`` is remote.

        pss_max_length: what to do when a library asks for PSS.MAX_LENGTH, which providers do not sign. "digest" signs with a salt
        of the digest's length; that verifies only where the verifier does not insist on the maximum (X.509 and CMS do).
        """
        from farsign._private_keys import private_key

        return private_key(self, pss_max_length)

    def __reduce__(self) -> tuple[Any, ...]:
        inputs = {name: dict(forms) for name, forms in self._described.inputs.items()}
        return SigningKey, (self._signer, replace(self._described, inputs=inputs), self._options, self._place)

    def __repr__(self) -> str:
        return f"<SigningKey {self.name} kid={self.kid} protection={self.protection}>"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to sign with which key version, and how to tell that a reply is that."""

    key: SigningKey
    algorithm: algorithms.Algorithm
    wire_name: str  # the algorithm as the driver spells it
    form: Form
    data: bytes = field(repr=False)
    given: bytes = field(repr=False)  # by the caller
    hashed: bool

    def at(self, key: SigningKey) -> Plan:
        """The same with that key's way of signing it: another place's copy may name, hash and encode differently."""
        return self if key is self.key else key.plan(self.algorithm.name, self.given, hashed=self.hashed)

    def request(self) -> SignRequest:
        return SignRequest(self.key.version, self.wire_name, self.form, self.data)

    def accept(self, reply: SignReply, *, verify: bool) -> bytes | str:
        """The signature in JOSE encoding, or what is wrong with the reply."""
        if reply.version is not None and reply.version != self.key.version:
            return f"asked for version {self.key.version}, and another one signed"
        signature = reply.signature
        try:
            if self.algorithm.kind == "ECDSA" and self.key.encoding == "der":
                signature = encodings.der_to_raw(signature, self.algorithm.curve)
            if verify:
                self.key.checker(self.algorithm.name, self.form)(signature, self.data)
        except (ValueError, InvalidSignature):
            return f"{self.key.name} returned what is no {self.algorithm.name} signature by version {self.key.version}"
        return signature
