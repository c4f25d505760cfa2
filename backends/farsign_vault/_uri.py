"""What a ``hashivault:`` or ``openbao:`` URI may say, in farsign's grammar and in others'. No I/O, no SDK.

The canonical form is ``hashivault://KEY``. Key, mount and namespace become parts of a URL, so they are names and nothing else (RULES 13).
"""

from __future__ import annotations

import hashlib
import re
from types import MappingProxyType
from typing import Final

from farsign.driver import KeyURI, split_endpoint
from farsign.errors import InvalidKeyURI

MOUNT: Final = "transit"
# transit's type of key -> what it signs
ALGORITHMS: Final = MappingProxyType(
    {
        "ecdsa-p256": ("ES256",),
        "ecdsa-p384": ("ES384",),
        "ecdsa-p521": ("ES512",),
        "ed25519": ("Ed25519",),
        **dict.fromkeys(("rsa-2048", "rsa-3072", "rsa-4096"), ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    }
)
SIGNED: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
LOGINS: Final = ("approle", "kubernetes", "jwt", "userpass", "cert")
AUTH: Final = ("token", "token_file", *LOGINS, "emulator")
WITH_ROLE: Final = ("kubernetes", "jwt", "cert")

NAME: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
NAMES: Final = rf"{NAME}(?:/{NAME})*"
EMULATOR_TOKEN: Final = "s.token-of-the-farsign-emulator"  # noqa: S105 - what auth=emulator sends; emulators accept it, nobody else
_RESERVED: Final = frozenset({"sys", "auth", "cubbyhole", "identity"})  # also below a namespace, which a path may begin with
_EXAMPLE: Final = "write hashivault://KEY, and say where it is with mount=, namespace= and addr="


def check(uri: KeyURI) -> KeyURI:
    """The canonical form. Raises InvalidKeyURI."""
    uri = _from_tink(uri) if uri.dialect == "hcvault" else uri
    uri = uri.check(
        mount=str,
        engine=str,
        version=int,
        namespace=str,
        addr=str,
        ca_cert=str,
        auth=AUTH,
        auth_role=str,
        auth_mount=str,
    )
    key, version = _key_and_version(uri)
    if uri.kid and not version:
        raise uri.refuse("has kid=, which names one key version", "pin one with version=, or leave kid= out")
    if uri.alg and uri.alg not in SIGNED:
        step = f"use one of {' '.join(SIGNED)}; secp256k1 and ML-DSA keys exist at other providers (awskms, gcpkms)"
        raise uri.refuse(f"has alg={uri.alg}, which transit has no keys for", step)
    _check_auth(uri)
    settled: dict[str, str] = {"mount": _mount(uri), "version": version, "engine": "", "addr": _addr(uri)}
    settled |= {name: _names(uri, name) for name in ("namespace", "auth_mount")}
    parameters = {name: settled.get(name, value) for name, value in {**uri.parameters, **settled}.items()}
    return uri.replace(authority=key, path="", parameters={name: value for name, value in parameters.items() if value})


def explain(uri: KeyURI) -> list[tuple[str, str]]:
    """Of a canonical URI."""
    server = uri.get("addr") or f"what {'BAO_ADDR or VAULT_ADDR' if uri.scheme == 'openbao' else 'VAULT_ADDR'} says"
    version = uri.get("version") or "the newest, once verifiers can know it"
    return [("addr", server), ("mount", mount_of(uri)), ("key", str(uri.authority)), ("version", version)]


def mount_of(uri: KeyURI) -> str:
    """Of a canonical URI."""
    return uri.get("mount") or MOUNT


def version_name(name: str, number: int, spki: bytes) -> str:
    """What a driver calls a version. name: ``[NAMESPACE/]MOUNT/KEY``; spki: its public key."""
    return f"{name}/v{number}#{hashlib.sha256(spki).hexdigest()[:16]}"


def _key_and_version(uri: KeyURI) -> tuple[str, str]:
    parts = [uri.authority, *uri.segments] if uri.authority else list(uri.segments)
    version = uri.get("version") or ""
    if uri.dialect == "hv" and len(parts) == 2 and not version:  # securesystemslib's hv:KEY/VERSION
        version = parts.pop() or ""
        if not (version.isascii() and version.isdecimal() and len(version) <= 18):
            raise uri.refuse("has a version that is none", "a version is a whole number from 1")
    if len(parts) != 1 or (uri.authority is None and uri.dialect != "hv"):
        raise uri.refuse("names no transit key", _EXAMPLE)
    key = parts[0] or ""
    if not re.fullmatch(NAME, key):
        raise uri.refuse(
            "has a key name that transit does not allow", "it is made of letters, digits, _ . and -, and . and - stand inside"
        )
    if version and int(version) == 0:
        raise uri.refuse("has version=0, which moves", "leave version= out for the newest, or name one from 1")
    return key, str(int(version)) if version else ""


def _mount(uri: KeyURI) -> str:
    """Empty: the default."""
    if uri.get("mount") and uri.get("engine"):
        raise uri.refuse("has mount= and engine=, which mean the same", "leave one of them out")
    name = "engine" if uri.get("engine") else "mount"
    mount = _names(uri, name)
    if _RESERVED & set(mount.split("/")):
        raise uri.refuse(f"has a {name}= that is no transit engine's", f"{', '.join(sorted(_RESERVED))} are Vault's own")
    return "" if mount == MOUNT else mount


def _names(uri: KeyURI, name: str) -> str:
    value = (uri.get(name) or "").removesuffix("/")
    if value and not re.fullmatch(NAMES, value):
        raise uri.refuse(f"has a {name}= that is no path of names", "each is made of letters, digits, _ . and -")
    return value


def _addr(uri: KeyURI) -> str:
    addr = uri.get("addr") or ""
    try:
        scheme = split_endpoint(addr)[0] if addr else ""
    except InvalidKeyURI as error:
        raise uri.refuse("has an addr= that is not the URL of a server", error.next_step) from None
    return f"{scheme}{addr[len(scheme) :].removesuffix('/')}"


def _check_auth(uri: KeyURI) -> None:
    auth, role = uri.get("auth"), uri.get("auth_role")
    if auth == "emulator" and not uri.get("addr"):
        raise uri.refuse("has auth=emulator and no addr=", "append the emulator's address, addr=http://127.0.0.1:PORT")
    if uri.get("auth_mount") and auth not in LOGINS:
        raise uri.refuse("has auth_mount= and no auth= that logs in", f"use auth= with one of {' '.join(LOGINS)}")
    if role and auth not in WITH_ROLE:
        raise uri.refuse("has auth_role= and no auth= that takes a role", f"use auth= with one of {' '.join(WITH_ROLE)}")
    if role and not re.fullmatch(NAME, role):
        raise uri.refuse("has an auth_role= that is no name", "it is made of letters, digits, _ . and -")
    if auth == "kubernetes" and not role:
        raise uri.refuse(
            "has auth=kubernetes and no auth_role=", "append auth_role=, the role that the service account is bound to"
        )


def _from_tink(uri: KeyURI) -> KeyURI:
    """Tink's ``hcvault://HOST[:PORT]/MOUNT/keys/KEY``, always over https."""
    match = re.fullmatch(rf"({NAMES})/keys/({NAME})", uri.path)
    if not uri.authority or match is None or uri.get("addr") or uri.get("mount"):
        raise uri.refuse("names no transit key", "Tink's form is hcvault://HOST:PORT/MOUNT/keys/KEY")
    parameters = {**uri.parameters, "addr": f"https://{uri.authority}", "mount": match[1]}
    return uri.replace(authority=match[2], path="", parameters=parameters)
