"""Where credentials may go (RULES 9, 10): the provider's own hosts over https, loopback, and hosts that somebody named.

A URI steers the ambient credentials of the process, so a host that only the URI names is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Final

from farsign.errors import HostRefused, InvalidKeyURI

ENVIRONMENT: Final = "FARSIGN_ALLOW_HOSTS"
_DEFAULT_PORT: Final = {"https": 443, "http": 80}
_NETLOC: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::(?P<port>[0-9]{1,5}))?")
_LABELS: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_URL: Final = re.compile(r"(https?)://([^/]+)/?", re.IGNORECASE)


def split_host(netloc: str) -> tuple[str, int | None]:
    """Host (case kept, no brackets) and port of ``host``, ``host:port`` or ``[IPv6]:port``. Raises InvalidKeyURI."""
    match = _NETLOC.fullmatch(netloc)
    port = int(match["port"]) if match and match["port"] else None
    host = (match["v6"] or match["name"]) if match else ""
    if not match or port == 0 or (port or 0) > 65535 or not _normal(host):
        raise InvalidKeyURI(
            "not a host: expected a DNS name, an IPv4 address or an IPv6 address in brackets, and perhaps a port from 1 to 65535",
            next_step="write it like kms.example.com, 127.0.0.1:8080 or [::1]:8080",
        )
    return host, port


def split_endpoint(url: str) -> tuple[str, str, int | None]:
    """Scheme ("http" or "https"), host and port of the URL of a server: no user-info, path, query or fragment.

    For ``endpoint=`` and ``addr=`` parameters. Raises InvalidKeyURI.
    """
    if not (match := _URL.fullmatch(url)):
        raise InvalidKeyURI(
            "not the URL of a server: expected http:// or https://, a host, perhaps a port, and nothing else",
            next_step="write it like https://kms.example.com or http://127.0.0.1:8080",
        )
    return match[1].lower(), *split_host(match[2])


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by name: localhost, 127.0.0.0/8 in its usual spelling, ::1. No look-up."""
    name = _normal(host)
    if name == "localhost":
        return True
    if not name or not (name[0].isdigit() or ":" in name):
        return False
    from ipaddress import ip_address

    try:
        address = ip_address(name)
    except ValueError:  # 127.1, 0x7f000001: resolvers read these as addresses, people do not
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def check_host(
    host: str,
    port: int | None,
    *,
    scheme: str,
    suffixes: Sequence[str],
    allow: Sequence[str] = (),
    configured: Sequence[str] = (),
) -> None:
    """Return if credentials may go to ``scheme://host:port``, else raise HostRefused.

    suffixes: the provider's, each a host that counts with everything below it (``.x`` counts only what is below); https only.
    allow, configured: ``host``, ``host:port`` or ``scheme://host:port`` from the caller and from settings such as VAULT_ADDR;
    FARSIGN_ALLOW_HOSTS is read besides. These and loopback may be reached over plain http.
    """
    name = _normal(host)
    if not name or scheme not in _DEFAULT_PORT:
        raise HostRefused(f"{scheme}://{host[:80]!r} is not the address of a server")
    if is_loopback(name) or _named(scheme, name, port or _DEFAULT_PORT[scheme], (*allow, *configured)):
        return
    if _named(scheme, name, port or _DEFAULT_PORT[scheme], _environment()):
        return
    if not any(_below(name, suffix.lower()) for suffix in suffixes):
        known = ", ".join(suffix.lstrip(".") for suffix in suffixes) or "none"
        raise HostRefused(f"credentials would go to {_shown(name, port)}, which is not a host of the provider ({known})")
    if scheme != "https":
        raise HostRefused(f"credentials would go to {_shown(name, port)} over plain http", next_step="use https")


def _normal(host: str) -> str:
    """Lower case, without the root's dot, IPv6 in its shortest spelling; empty if it is no host name or address."""
    name = host.lower().removesuffix(".")
    if ":" not in name:
        return name if len(name) <= 253 and _LABELS.fullmatch(name) else ""
    from ipaddress import IPv6Address

    try:
        return "" if "%" in name else str(IPv6Address(name))  # a zone means another host elsewhere
    except ValueError:
        return ""


def _below(name: str, suffix: str) -> bool:
    return name == suffix or name.endswith(f".{suffix.lstrip('.')}")


def _environment() -> list[str]:
    return os.environ.get(ENVIRONMENT, "").replace(",", " ").split()


def _named(scheme: str, name: str, port: int, entries: Iterable[str]) -> bool:
    return any(_matches(entry, scheme, name, port) for entry in entries)


def _matches(entry: str, scheme: str, name: str, port: int) -> bool:
    """An entry with a scheme means that scheme only: naming https://host does not allow http to it."""
    try:
        if "://" in entry:
            entry_scheme, entry_host, entry_port = split_endpoint(entry)
            if entry_scheme != scheme:
                return False
            entry_port = entry_port or _DEFAULT_PORT[scheme]
        else:
            entry_host, entry_port = split_host(entry)
    except InvalidKeyURI:
        raise HostRefused(
            f"{entry[:80]!r} among the allowed hosts is no host",
            next_step=f"write host or host:port, in allow_hosts and in {ENVIRONMENT}; there are no wildcards",
        ) from None
    return _normal(entry_host) == name and entry_port in (None, port)


def _shown(name: str, port: int | None) -> str:
    host = f"[{name}]" if ":" in name else name
    return f"{host}:{port}" if port else host
