"""The hooks that a backend implements, and the markers for them (pluggy).

One entry point per scheme, in the group ``farsign.backends``; its name is the scheme, its value a module that imports nothing
but farsign. ``farsign_uri`` and ``farsign_open`` are required, the others are not. An implementation may leave out arguments that it does
not use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import pluggy

from farsign._base.uri import KeyURI
from farsign.driver import RemoteSigner

if TYPE_CHECKING:
    from farsign.testing.emulator import Emulator

PROJECT: Final = "farsign"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    @hookspec(firstresult=True)
    def farsign_uri(self, uri: KeyURI) -> KeyURI | None:
        """Check the parameters, read the owner's dialects, return the canonical form. No I/O, no SDK. Raises InvalidKeyURI."""

    @hookspec(firstresult=True)
    def farsign_replicas(self, uri: KeyURI) -> Sequence[KeyURI] | None:
        """The canonical URIs that one URI stands for, preferred first, where it can name several places with one key. Optional."""

    @hookspec(firstresult=True)
    def farsign_explain(self, uri: KeyURI) -> Sequence[tuple[str, str]] | None:
        """What a canonical URI points at, in words, part by part (``("vault", "acme.vault.azure.net")``): for ``farsign uri``. Optional."""

    @hookspec(firstresult=True)
    def farsign_open(self, uri: KeyURI, allow_hosts: tuple[str, ...]) -> RemoteSigner | None:
        """A driver for the canonical URI. Imports the SDK; no network yet.

        allow_hosts: hosts that credentials may go to beside the provider's own; hand them to ``driver.check_host``.
        """

    @hookspec(firstresult=True)
    def farsign_emulator(self, scheme: str) -> Emulator | None:
        """An emulator of the provider's wire protocol, not started. scheme: which, for a backend that owns several."""
