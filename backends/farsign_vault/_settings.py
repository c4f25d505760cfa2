"""Where a connection goes and how it logs in, from a canonical URI and the environment; whether credentials may go there (RULES 9, 10)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from farsign.driver import KeyURI, check_host, is_loopback, split_endpoint
from farsign.errors import ConfigurationError, HostRefused, InvalidKeyURI

from ._uri import NAMES

# Whose variables are read, in this order. One family is read as a whole: a token goes to the address that stands beside it.
FAMILIES: Final = {"hashivault": ("VAULT",), "openbao": ("BAO", "VAULT")}
_OF_THE_CLIENT: Final = ("addr", "namespace", "ca_cert", "auth")
_PORT: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Settings:
    """What makes two connections the same: keys with equal settings share one."""

    addr: str  # http(s)://HOST[:PORT]
    namespace: str = ""
    ca_cert: str = ""
    auth: str = ""  # "": a token, from the environment or the token file
    auth_role: str = ""
    auth_mount: str = ""
    family: str = "VAULT"
    environment: int = 0  # of that family's variables, a hash: they hold secrets
    client: Any = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """With its port, for messages."""
        return self.addr.partition("://")[2]

    def variable(self, name: str) -> str:
        """That of the family; empty if it is not set."""
        return os.environ.get(f"{self.family}_{name}", "")


def settings(uri: KeyURI, allow_hosts: tuple[str, ...], client: Any = None) -> Settings:
    """Raises HostRefused if credentials would go where they must not, or another ConfigurationError."""
    if client is not None:
        return _of_client(uri, allow_hosts, client)
    if uri.get("auth") == "emulator":
        addr = uri.get("addr") or ""
        _check(addr, allow_hosts)
        return Settings(addr, uri.get("namespace") or "", uri.get("ca_cert") or "", "emulator", family="")
    family, addr = _place(uri)
    configured = [named for _, named in _configured(uri)]
    _check(addr, allow_hosts, *configured)
    if is_loopback(split_endpoint(addr)[1]) and _origin(addr) not in map(_origin, configured):
        raise HostRefused(
            f"the credentials of this process would go to {addr}",
            next_step=f"if that is your agent or server set {family}_ADDR to it; for an emulator append auth=emulator; "
            "else give credentials for it: farsign_vault.open_signer(uri, client=...)",
        )
    return Settings(
        addr=addr,
        namespace=uri.get("namespace") or _namespace(family),
        ca_cert=uri.get("ca_cert") or os.environ.get(f"{family}_CACERT", ""),
        auth=uri.get("auth") or "",
        auth_role=uri.get("auth_role") or "",
        auth_mount=uri.get("auth_mount") or uri.get("auth") or "",
        family=family,
        environment=hash(frozenset(item for item in os.environ.items() if item[0].startswith(f"{family}_"))),
    )


def _configured(uri: KeyURI) -> Iterator[tuple[str, str]]:
    """Families whose address is set, with it."""
    for family in FAMILIES[uri.scheme]:
        if addr := os.environ.get(f"{family}_ADDR", "").removesuffix("/"):
            try:
                split_endpoint(addr)
            except InvalidKeyURI as error:
                raise ConfigurationError(f"{family}_ADDR is not the URL of a server", next_step=error.next_step) from None
            yield family, addr


def _place(uri: KeyURI) -> tuple[str, str]:
    """Family and address: the URI's, with the family whose own address that is; else the first that is set."""
    configured = list(_configured(uri))
    if named := uri.get("addr"):
        return next((family for family, addr in configured if _origin(addr) == _origin(named)), FAMILIES[uri.scheme][0]), named
    if not configured:
        variables = " or ".join(f"{family}_ADDR" for family in FAMILIES[uri.scheme])
        raise ConfigurationError(
            f"{str(uri)!r} does not say which server", next_step=f"append addr=https://..., or set {variables}"
        )
    return configured[0]


def _namespace(family: str) -> str:
    """Of the environment. It goes into a header, and into the names of versions."""
    found = os.environ.get(f"{family}_NAMESPACE", "").strip("/")
    if found and not re.fullmatch(NAMES, found):
        step = "it is a path of names, each made of letters, digits, _ . and -"
        raise ConfigurationError(f"{family}_NAMESPACE is no namespace", next_step=step)
    return found


def _origin(url: str) -> tuple[str, str, int]:
    scheme, host, port = split_endpoint(url)
    return scheme, host.lower().removesuffix("."), port or _PORT[scheme]


def _check(addr: str, allow: tuple[str, ...], *configured: str, own: bool = False) -> None:
    """own: the credentials were given for that host, so only plain http is refused."""
    scheme, host, port = split_endpoint(addr)
    known = host if own else "that of VAULT_ADDR or BAO_ADDR"  # which no host is below: it is for the message
    check_host(host, port, scheme=scheme, suffixes=(known,), allow=allow, configured=configured)


def _of_client(uri: KeyURI, allow_hosts: tuple[str, ...], client: Any) -> Settings:
    if said := [name for name in _OF_THE_CLIENT if uri.get(name)]:
        raise uri.refuse(f"has {said[0]}=, and a client was given besides", "say in one place where to go and how to log in")
    addr = str(client.url).removesuffix("/")
    try:
        _check(addr, allow_hosts, own=True)
    except InvalidKeyURI as error:
        raise ConfigurationError("the client's URL is not that of a server", next_step=error.next_step) from None
    return Settings(addr, namespace=client.adapter.namespace or "", auth="client", client=client)
