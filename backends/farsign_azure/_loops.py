"""The async client: one per event loop and settings, for all keys there. It ends with its last user, or with its loop."""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import AsyncGenerator, MutableMapping
from weakref import WeakKeyDictionary

from azure.keyvault.keys.aio import KeyClient

from ._async_transport import AsyncTransport
from ._client import AsyncTokens, Settings, connect

_clients: MutableMapping[AbstractEventLoop, dict[Settings, AsyncVault]] = WeakKeyDictionary()


class AsyncVault:
    def __init__(self, settings: Settings) -> None:
        self.loop = get_running_loop()
        self.users = 0
        self._settings = settings
        self._shared = connect(settings)  # for its tokens
        self.client = KeyClient(
            settings.vault,
            AsyncTokens(self._shared.client.tokens),  # type: ignore[arg-type]  # it is asked for tokens, never closed
            transport=AsyncTransport(settings.endpoint, settings.ca_cert),
            **settings.client_options,
        )
        self._life = self._until_the_end()
        self._started = False

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        """A loop that shuts down ends its async generators (PEP 525): so no session outlives it."""
        try:
            yield
        finally:
            _clients.get(self.loop, {}).pop(self._settings, None)
            self._shared.release()
            await self.client.close()

    async def start(self) -> None:
        """Let the loop know of the generator; the first user does."""
        if not self._started:
            self._started = True
            await anext(self._life)

    async def release(self) -> None:
        self.users -= 1
        if not self.users:
            await self._life.aclose()

    def release_later(self) -> None:
        """From outside the loop; one that rests does it when it runs again."""
        try:
            self.loop.call_soon_threadsafe(self._release_here)
        except RuntimeError:
            _forget_closed_loops()

    def _release_here(self) -> None:
        self._ending = self.loop.create_task(self.release())

    def forget(self) -> None:
        """Its loop was closed without a shutdown: only the collector can close the sockets."""
        self._shared.release()


def connect_here(settings: Settings) -> AsyncVault:
    """The running loop's client, counted. The loop keeps it; ``start`` it."""
    _forget_closed_loops()
    clients = _clients.setdefault(get_running_loop(), {})
    vault = clients.get(settings)
    if vault is None:
        vault = clients[settings] = AsyncVault(settings)
    vault.users += 1
    return vault


def _forget_closed_loops() -> None:
    """A client refers to its loop, so that neither would go by itself."""
    for loop in [loop for loop in list(_clients) if loop.is_closed()]:
        for vault in _clients.pop(loop, {}).values():
            vault.forget()
