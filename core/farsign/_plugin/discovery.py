"""Which backend owns a scheme, found when the scheme is first used.

An entry point in the group ``farsign.backends`` is a claim: its name is the scheme. Only the one claim that a URI asks for is
loaded, into a plugin manager of its own, so that nobody answers for another's scheme and one plugin's mistake stays its own.
Plugins are code: the restrictions by name keep a URI from choosing freely among what is installed, nothing more.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from farsign._base import fork
from farsign._base.events import logger
from farsign._base.uri import DIALECTS, KeyURI
from farsign.driver import RemoteSigner, is_driver
from farsign.errors import BackendBroken, BackendNotInstalled, FarsignError, SchemeConflict, SchemeRefused, UnknownScheme

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from farsign.testing.emulator import Emulator

GROUP: Final = "farsign.backends"
ALLOW: Final = "FARSIGN_ALLOW_SCHEMES"  # if set, only these; schemes, separated by commas or spaces
DISABLE: Final = "FARSIGN_DISABLE_BACKENDS"  # never these; schemes or names of distributions


class Extra(NamedTuple):
    name: str
    sdk: str  # as pip knows it
    module: str  # whose presence means that it is installed


# Schemes whose backend comes with farsign and needs more than farsign does.
KNOWN_EXTRAS: Final = MappingProxyType(
    {
        "awskms": Extra("aws", "boto3", "boto3"),
        "gcpkms": Extra("gcp", "google-cloud-kms", "google.cloud.kms"),
        "azurekms": Extra("azure", "azure-keyvault-keys", "azure.keyvault.keys"),
        "hashivault": Extra("vault", "hvac", "hvac"),
        "openbao": Extra("vault", "hvac", "hvac"),
    }
)
_HINTS: Final = MappingProxyType(
    {
        "arn": "an AWS key ARN is written awskms:///arn:aws:kms:...",
        "https": "a Key Vault key is written azurekms://VAULT/KEY, a Vault transit key hashivault://KEY?addr=https://...",
    }
)


class Installed(NamedTuple):
    """A row of ``farsign backends``. needs: the SDK, where farsign knows it; present: whether that is installed."""

    scheme: str
    distribution: str
    present: bool
    needs: str


class Claim(NamedTuple):
    distribution: str  # normalised (PyPA: lower case, runs of -_. are one -)
    entry_point: EntryPoint


class Backend:
    """A loaded plugin, held to its contract: what it returns is checked, what it raises names its distribution."""

    def __init__(self, scheme: str, claim: Claim) -> None:
        self.scheme, self.distribution = scheme, claim.distribution
        self._module = claim.entry_point.value.partition(":")[0]
        self._package = self._module.partition(".")[0]
        self._hook = self._guarded("cannot be loaded", lambda: _register(scheme, claim.entry_point))
        for name in ("farsign_uri", "farsign_open"):
            if not getattr(self._hook, name).get_hookimpls():
                raise self._broken(f"does not implement {name}")

    def uri(self, uri: KeyURI) -> KeyURI:
        """The canonical form. Raises InvalidKeyURI."""
        found = self._guarded("failed in farsign_uri", lambda: self._hook.farsign_uri(uri=uri))
        if not isinstance(found, KeyURI) or found.scheme != self.scheme:
            raise self._broken(f"returned from farsign_uri what is no KeyURI of its scheme ({type(found).__name__})")
        return found.replace(dialect=uri.dialect, checked=True)

    def explain(self, uri: KeyURI) -> list[tuple[str, str]]:
        """What a canonical URI points at, part by part, in the plugin's words or by its grammar."""
        plain = [("authority", uri.authority or "none"), ("path", uri.path or "none")]
        found = self._guarded("failed in farsign_explain", lambda: self._hook.farsign_explain(uri=uri)) or plain
        return [(str(part), str(meaning)) for part, meaning in found]

    def replicas(self, uri: KeyURI) -> list[KeyURI]:
        """The places that a canonical URI stands for, preferred first; mostly itself alone."""
        found = self._guarded("failed in farsign_replicas", lambda: self._hook.farsign_replicas(uri=uri)) or [uri]
        if not all(isinstance(each, KeyURI) and each.scheme == self.scheme for each in found):
            raise self._broken("returned from farsign_replicas what are no KeyURIs of its scheme")
        return list(found)

    def open(self, uri: KeyURI, allow_hosts: Sequence[str] = ()) -> RemoteSigner:
        """A driver; imports the SDK. Raises BackendNotInstalled, HostRefused or another ConfigurationError."""
        found = self._guarded("failed in farsign_open", lambda: self._hook.farsign_open(uri=uri, allow_hosts=tuple(allow_hosts)))
        if not is_driver(found):
            raise self._broken(f"returned from farsign_open what is no RemoteSigner ({type(found).__name__})")
        driver: RemoteSigner = found
        return driver

    @property
    def example(self) -> str:
        """The first URI of its scheme that the plugin's docstring shows, such as ``acmekms://HOST/KEY``; empty if there is none."""
        shown = re.search(rf"{re.escape(self.scheme)}:[^\s`]+", sys.modules[self._module].__doc__ or "")
        return shown[0].rstrip(":.,") if shown else ""

    def emulator(self) -> Emulator | None:
        """The provider's wire protocol on loopback, not started; None if the backend has none."""
        emulator: Emulator | None = self._guarded(
            "failed in farsign_emulator", lambda: self._hook.farsign_emulator(scheme=self.scheme)
        )
        return emulator

    def _guarded(self, what: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (FarsignError, Warning):  # warnings are raised where the caller made errors of them
            raise
        except ModuleNotFoundError as error:
            raise self._missing(error) or self._broken(f"{what}: {error}") from error
        except (Exception, SystemExit) as error:
            raise self._broken(f"{what}: {type(error).__name__}: {error}") from error

    def _broken(self, what: str) -> BackendBroken:
        return BackendBroken(f'the backend for scheme "{self.scheme}", from distribution {self.distribution}, {what}')

    def _missing(self, error: ModuleNotFoundError) -> BackendNotInstalled | None:
        """A module that somebody else brings; None if it is the plugin's own, or farsign's."""
        module = error.name or ""
        extra = KNOWN_EXTRAS.get(self.scheme)
        if not module or module.partition(".")[0] in ("farsign", self._package):
            return None
        needs = extra.sdk if extra and not _present(extra.module) else module
        message = f'scheme "{self.scheme}" needs {needs}, which is not installed. Usable here: {", ".join(_usable()) or "none"}'
        step = f"pip install 'farsign[{extra.name}]'" if extra else f"install {needs}, which {self.distribution} needs"
        return BackendNotInstalled(message, next_step=step)


def parse_uri(uri: str | KeyURI) -> KeyURI:
    """The canonical form of a key URI in any dialect, checked by the backend that owns its scheme. No I/O, no SDK.

    Raises InvalidKeyURI, which is a ValueError, for every text that is no good; UnknownScheme, one of its kind, lists what is
    installed. SchemeRefused, SchemeConflict and BackendBroken say that the installation is the reason.
    """
    split = uri if isinstance(uri, KeyURI) else KeyURI.split(uri)
    return split if split.checked else backend(split.scheme).uri(split)


def backend(scheme: str) -> Backend:
    """The backend that owns the scheme, loaded on first use.

    Raises UnknownScheme, SchemeRefused, SchemeConflict or BackendBroken.
    """
    scheme = DIALECTS.get(scheme, scheme)
    _refuse_by_name(scheme)
    owner = _owner(scheme)
    with _loaded.lock:
        if scheme not in _loaded.backends:
            _loaded.backends[scheme] = Backend(scheme, owner)
        return _loaded.backends[scheme]


def installed() -> list[Installed]:
    """What is installed, by scheme, from metadata alone. Two rows for one scheme are a conflict."""
    rows = []
    for claim in _claims():
        extra = KNOWN_EXTRAS.get(claim.entry_point.name)
        present = not extra or _present(extra.module)
        rows.append(Installed(claim.entry_point.name, claim.distribution, present, extra.sdk if extra else ""))
    return sorted(rows)


class _Loaded:
    """The backends in use. A forked child keeps them, and gets a lock that no lost thread holds."""

    def __init__(self) -> None:
        self.backends: dict[str, Backend] = {}
        self.after_fork()
        fork.register(self)

    def after_fork(self) -> None:
        self.lock = threading.RLock()  # reentrant: a backend may parse another's URI while it is loaded


_loaded = _Loaded()


def _register(scheme: str, entry_point: EntryPoint) -> Any:
    from pluggy import PluginManager

    from .hooks import PROJECT, Hooks

    manager = PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    manager.register(entry_point.load(), name=scheme)
    manager.check_pending()  # a hook whose name is mistyped
    return manager.hook


def _owner(scheme: str) -> Claim:
    claims = [claim for claim in _claims() if claim.entry_point.name == scheme]
    enabled = [claim for claim in claims if claim.distribution not in _names(DISABLE)]
    owners = sorted({claim.distribution for claim in enabled})
    if len(owners) > 1:
        step = f"uninstall one of them, or name it in {DISABLE}"
        raise SchemeConflict(f'scheme "{scheme}" is claimed by {" and ".join(owners)}', next_step=step)
    if len({claim.entry_point.value for claim in enabled}) > 1:
        raise SchemeConflict(
            f'scheme "{scheme}" is claimed twice by {owners[0]}', next_step="report it to the distribution's authors"
        )
    if claims and not enabled:
        raise SchemeRefused(f'scheme "{scheme}" belongs to {claims[0].distribution}, which {DISABLE} names')
    if not claims:
        raise _unknown(scheme)
    return enabled[0]


@cache
def _claims() -> tuple[Claim, ...]:
    """Every claim of every distribution. Read one by one: unreadable metadata of one is not the others' business."""
    from importlib.metadata import distribution, distributions

    found: dict[str, tuple[EntryPoint, ...]] = {}
    for candidate in distributions():
        try:
            if candidate.entry_points.select(group=GROUP):
                name = candidate.metadata["Name"]
                first = distribution(name)  # of two copies on the path, the one that would be imported
                found[_normalised(name)] = tuple(first.entry_points.select(group=GROUP))
        except Exception as error:
            logger.warning("a distribution in %s has entry points that cannot be read: %r", candidate.locate_file(""), error)
    return tuple(Claim(name, point) for name, points in found.items() for point in points)


def _normalised(distribution: str) -> str:
    return "-".join(filter(None, distribution.lower().replace("_", "-").replace(".", "-").split("-")))


def _refuse_by_name(scheme: str) -> None:
    allowed = _names(ALLOW)
    if allowed and scheme not in allowed:
        raise SchemeRefused(f'scheme "{scheme}" is not among those that {ALLOW} lists: {", ".join(sorted(allowed))}')
    if scheme in _names(DISABLE):
        raise SchemeRefused(f'scheme "{scheme}" is disabled by {DISABLE}')


def _names(variable: str) -> set[str]:
    listed = os.environ.get(variable, "").replace(",", " ").split()
    return {DIALECTS.get(name.lower(), name.lower()) for name in listed} | {_normalised(name) for name in listed}


def _present(module: str) -> bool:
    if module in sys.modules:
        return True
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # a parent package is missing, or is no package
        return False


def _usable() -> list[str]:
    allowed, disabled = _names(ALLOW), _names(DISABLE)
    rows = [row for row in installed() if row.present and not {row.scheme, row.distribution} & disabled]
    return sorted({row.scheme for row in rows if not allowed or row.scheme in allowed})


def _unknown(scheme: str) -> UnknownScheme:
    from difflib import get_close_matches

    known = sorted({claim.entry_point.name for claim in _claims()})
    step = _HINTS.get(scheme, "install the distribution that brings it; `farsign backends` lists what is there")
    if extra := KNOWN_EXTRAS.get(scheme):
        step = f"pip install 'farsign[{extra.name}]'"
    elif close := get_close_matches(scheme, known, 1):
        step = f"did you mean {close[0]}?"
    return UnknownScheme(
        f'no installed backend owns the scheme "{scheme}". Installed: {", ".join(known) or "none"}', next_step=step
    )
