"""What an ``azurekms:`` URI may say, in farsign's grammar and in others'. No I/O, no SDK.

The canonical form is ``azurekms://HOST/KEY[/VERSION]`` with the full host, in lower case as DNS has it.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final, NamedTuple

from farsign.driver import KeyURI, split_endpoint


class Cloud(NamedTuple):
    vault: str  # what the names of vaults are below; also the audience of tokens
    hsm: str
    authority: str  # where tokens come from


CLOUDS: Final = MappingProxyType(
    {
        "public": Cloud("vault.azure.net", "managedhsm.azure.net", "login.microsoftonline.com"),
        "usgov": Cloud("vault.usgovcloudapi.net", "managedhsm.usgovcloudapi.net", "login.microsoftonline.us"),
        "china": Cloud("vault.azure.cn", "managedhsm.azure.cn", "login.chinacloudapi.cn"),
    }
)
SUFFIXES: Final = tuple(f".{domain}" for cloud in CLOUDS.values() for domain in (cloud.vault, cloud.hsm))
AUTHORITIES: Final = tuple(cloud.authority for cloud in CLOUDS.values())

# (JWK kty, crv) -> what such a key signs; Key Vault's names of algorithms are JOSE's
ALGORITHMS: Final = MappingProxyType(
    {
        ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        ("EC", "P-256"): ("ES256",),
        ("EC", "P-384"): ("ES384",),
        ("EC", "P-521"): ("ES512",),
        ("EC", "secp256k1"): ("ES256K",),
    }
)
SIGNED: Final = tuple(name for names in ALGORITHMS.values() for name in names)

EMULATOR_TOKEN: Final = "token-of-the-farsign-emulator"  # noqa: S105 - what auth=emulator sends; emulators accept it, nobody else
KEY: Final = re.compile(r"[0-9A-Za-z-]{1,127}")
VERSION: Final = re.compile(r"[0-9a-f]{32}")
_TENANT: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,127}")
_WORD: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,63}")
_EXAMPLE: Final = "write azurekms://VAULT/KEY or azurekms://VAULT/KEY/VERSION"


def check(uri: KeyURI) -> KeyURI:
    """The canonical form. Raises InvalidKeyURI."""
    uri = _from_pairs(uri) if uri.authority is None else uri
    uri = uri.check(
        cloud=tuple(CLOUDS),
        tenant=str,
        client_id=str,
        hsm=("managed",),
        endpoint=str,
        ca_cert=str,
        api_version=str,
        auth=("emulator",),
    )
    key, version = _key_and_version(uri)
    if uri.kid and not version:
        raise uri.refuse("has kid=, which names one key version", "pin one, azurekms://VAULT/KEY/VERSION, or leave kid= out")
    if uri.alg and uri.alg not in SIGNED:
        step = f"use one of {' '.join(SIGNED)}; Ed25519 and ML-DSA keys exist at other providers (awskms, gcpkms, hashivault)"
        raise uri.refuse(f"has alg={uri.alg}, which Key Vault has no keys for", step)
    _check_parameters(uri)
    authority, spelled_out = _authority(uri)
    kept = {name: value for name, value in uri.parameters.items() if name not in spelled_out}
    return uri.replace(authority=authority, path=f"{key}/{version}" if version else key, parameters=kept)


def domain_of(host: str) -> str:
    """The provider's domain that the host is in, ``vault.azure.net``; empty if it is none of theirs."""
    return next((suffix[1:] for suffix in SUFFIXES if host.endswith(suffix)), "")


def cloud_of(uri: KeyURI) -> Cloud:
    """Of a canonical URI."""
    domain = domain_of(uri.host)
    return next((cloud for cloud in CLOUDS.values() if domain in cloud), CLOUDS[uri.get("cloud") or "public"])


def explain(uri: KeyURI) -> list[tuple[str, str]]:
    """Of a canonical URI."""
    key, version = _key_and_version(uri)
    what = "managed HSM" if domain_of(uri.host) in {cloud.hsm for cloud in CLOUDS.values()} else "vault"
    return [(what, str(uri.authority)), ("key", key), ("version", version or "the newest enabled, once verifiers can know it")]


def _key_and_version(uri: KeyURI) -> tuple[str, str]:
    parts = list(uri.segments)
    if parts and parts[0] == "keys" and (len(parts) == 3 or uri.dialect == "azurekeyvault"):
        parts = parts[1:]  # as the REST API, gocloud and securesystemslib write it
    elif len(parts) == 2 and parts[0] == "keys" and not VERSION.fullmatch(parts[1].lower()):
        raise uri.refuse(
            "can be read in two ways",
            f'write azurekms://{uri.authority}/{parts[1]} for the key "{parts[1]}"; '
            f'azurekms://{uri.authority}/keys/VERSION, with 32 hexadecimal digits, is the key "keys"',
        )
    if len(parts) not in (1, 2) or not uri.authority:
        raise uri.refuse("names no Key Vault key", _EXAMPLE)
    key, version = parts[0], (parts[1].lower() if len(parts) == 2 else "")
    if not KEY.fullmatch(key):
        raise uri.refuse("has a key name that Key Vault does not allow", "it is made of 1 to 127 letters, digits and hyphens")
    if version and not VERSION.fullmatch(version):
        raise uri.refuse("has a version that is none", "a version is 32 hexadecimal digits; leave it out for the newest")
    return key, version


def _authority(uri: KeyURI) -> tuple[str, tuple[str, ...]]:
    """The full host, and the parameters that it makes superfluous."""
    host, port = uri.host.lower(), uri.port if uri.port != 443 else None
    cloud = CLOUDS[uri.get("cloud") or "public"]
    domain = domain_of(host)
    if not {".", ":"} & set(host) and host != "localhost":
        if not re.fullmatch(r"[0-9a-z-]{3,24}", host):
            raise uri.refuse("has a vault name that Azure does not allow", "it is made of 3 to 24 letters, digits and hyphens")
        domain = cloud.hsm if uri.get("hsm") else cloud.vault
        host = f"{host}.{domain}"
    elif uri.get("hsm") and domain != cloud.hsm:
        raise uri.refuse("has hsm=managed beside a host that is no managed HSM's", "leave hsm= out; the host says it")
    elif uri.get("cloud") and domain and domain not in cloud:
        raise uri.refuse("has a cloud= that is not the host's", "leave cloud= out; the host says it")
    if ":" in host:
        host = f"[{host}]"
    return (f"{host}:{port}" if port else host), (("cloud", "hsm") if domain else ())


def _check_parameters(uri: KeyURI) -> None:
    for name, pattern in (("tenant", _TENANT), ("client_id", _WORD), ("api_version", _WORD)):
        if (value := uri.get(name)) and not pattern.fullmatch(value):
            raise uri.refuse(f"has a {name}= that is none", "it is made of letters, digits, dots and hyphens")
    if endpoint := uri.get("endpoint"):
        split_endpoint(endpoint)
    elif uri.get("auth"):
        raise uri.refuse("has auth=emulator and no endpoint=", "append the emulator's address, endpoint=https://127.0.0.1:PORT")


def _from_pairs(uri: KeyURI) -> KeyURI:
    """smallstep's ``azurekms:name=KEY;vault=VAULT?version=VERSION``; its ``hsm=`` says how to create a key, nothing about where it is."""
    parameters = dict(uri.parameters)
    pairs = [(name, value) for name, _, value in (item.partition("=") for item in uri.path.split(";"))]
    pairs += [(name, parameters.pop(name)) for name in ("version", "hsm") if name in parameters]
    found = dict(pairs)
    if (
        len(found) != len(pairs)
        or not found.keys() <= {"name", "vault", "version", "hsm"}
        or not (found.get("name") and found.get("vault"))
    ):
        raise uri.refuse("names no Key Vault key", _EXAMPLE)
    path = "/".join(filter(None, (found["name"], found.get("version"))))
    return uri.replace(authority=found["vault"], path=path, parameters=parameters)
