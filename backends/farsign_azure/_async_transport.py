"""The same over aiohttp, for one event loop."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any
from weakref import WeakSet

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport
from requests.utils import get_environ_proxies

from farsign._plugin.kept import aonce_more, current

from ._transport import POOL, broke, sent_to


class Connector(aiohttp.TCPConnector):
    """A pool, and beside it connections for one request each, so that asking for a new one (RULES 23) costs the pool none.

    At the end it cuts what cancelled calls left: aiohttp closes TLS politely, and a server that hangs never says its part.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._unkept = aiohttp.TCPConnector(**options, force_close=True)
        self._made: WeakSet[asyncio.Transport] = WeakSet()

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        use = current()
        connect = self._unkept.connect if use.fresh else super().connect
        connection = await connect(*arguments, **options)
        use.kept = connection.transport in self._made
        if isinstance(connection.transport, asyncio.Transport):
            self._made.add(connection.transport)
        return connection

    async def close(self, **options: Any) -> None:
        await super().close(**options)
        await self._unkept.close(**options)
        for transport in self._made:
            transport.abort()
        await asyncio.sleep(0)  # when the loop closes their sockets


class AsyncTransport(AioHttpTransport):  # type: ignore[misc]  # azure-core loads its transports lazily, so they are Any
    def __init__(self, endpoint: str, ca_cert: str) -> None:
        # A TLS context of our own: azure-core would make one per request from a path, and no connection would be used twice.
        trusted = ssl.create_default_context(cafile=ca_cert) if ca_cert else True
        session = aiohttp.ClientSession(
            connector=Connector(ssl=trusted, limit=POOL),
            trust_env=False,  # aiohttp would look into a .netrc, and refuse the token because of what it finds
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        super().__init__(session=session)
        self._endpoint = endpoint

    async def send(self, request: Any, **options: Any) -> Any:
        if not self._endpoint:
            options.setdefault("proxies", get_environ_proxies(request.url))
        with sent_to(self._endpoint, request):
            return await aonce_more(lambda: super(AsyncTransport, self).send(request, **options), broke)
