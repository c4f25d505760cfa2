"""Keys of this process, for farsign: ``memory:NAME?alg=`` and ``file:///abs/path``, and any private key of ``cryptography``.

They sign with real cryptography, and say "process" as their protection. A key file is PEM (PKCS#8, SEC1, PKCS#1) or one private
JWK, at most 64 KiB, readable by its user (or a group of this process) alone; the passphrase of an encrypted one comes from
FARSIGN_FILE_PASSPHRASE or a function. Permission: to read the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farsign import driver

if TYPE_CHECKING:
    import farsign

    from . import memory as memory
    from ._loading import Passphrase
    from ._new import new_key_file as new_key_file
    from ._opener import opener as opener
    from .memory import ProcessKeyWarning as ProcessKeyWarning

__all__ = [
    "ProcessKeyWarning",
    "farsign_explain",
    "farsign_open",
    "farsign_uri",
    "memory",
    "new_key_file",
    "open_signer",
    "opener",
]


@driver.hookimpl
def farsign_uri(uri: driver.KeyURI) -> driver.KeyURI:
    from . import _uris

    return _uris.check(uri)


@driver.hookimpl
def farsign_explain(uri: driver.KeyURI) -> list[tuple[str, str]]:
    from . import _uris

    return _uris.explain(uri)


@driver.hookimpl
def farsign_open(uri: driver.KeyURI) -> driver.RemoteSigner:
    from . import _files, memory

    return memory.MemorySigner(uri) if uri.scheme == "memory" else _files.FileSigner(uri)


def open_signer(uri: str, *, passphrase: Passphrase, policy: farsign.Policy | None = None) -> farsign.Signer:
    """A Signer for an encrypted key file. ``passphrase`` is called when the file is read and has changed. Raises InvalidKeyURI."""
    import farsign

    from . import _files

    parsed = farsign.parse_uri(uri)
    if parsed.scheme != "file":
        raise parsed.refuse("has no passphrase", "open it with farsign.open_signer(uri)")
    return farsign.open_signer(parsed, policy=policy, opener=lambda place, _: _files.FileSigner(place, passphrase))


_LAZY = {"ProcessKeyWarning": "memory", "memory": "", "new_key_file": "_new", "opener": "_opener"}


def __getattr__(name: str) -> Any:  # lazily: a plugin module must stay cheap to import
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{_LAZY[name] or name}", __name__)
    return getattr(module, name) if _LAZY[name] else module
