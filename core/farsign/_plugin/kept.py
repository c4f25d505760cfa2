"""Kept connections are not trusted blindly (RULES 23): not after a rest, and a reset on one is retried at once on a new one.

Middleboxes drop idle connections without a word, and a thawed process holds sockets whose other ends are gone. Neither is an answer of
the provider, so it costs no retry of the Signer's. Signing is safe to repeat.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")
IDLE: Final = 20.0  # seconds
_inherited: Final[list[object]] = []  # what a forked child has of its parent's: never closed, not by the garbage collector either


@dataclass(slots=True)
class Use:
    """Of a connection, by one request."""

    kept: bool = False  # it had carried another request before
    fresh: bool = False  # a new one is wanted


_use: ContextVar[Use | None] = ContextVar("farsign_connection_use", default=None)


def current() -> Use:
    """The request's that this thread or task is in."""
    return _use.get() or Use()


@contextmanager
def using(*, fresh: bool) -> Iterator[Use]:
    use = Use(fresh=fresh)
    token = _use.set(use)
    try:
        yield use
    finally:
        _use.reset(token)


def once_more(send: Callable[[], T], dead: Callable[[Exception], bool]) -> T:
    """``send()``, and again on a new connection if a kept one broke under it. dead: whether an error means that, and no timeout."""
    with using(fresh=False) as use:
        try:
            return send()
        except Exception as error:
            if not (use.kept and dead(error)):
                raise
    with using(fresh=True):
        return send()


async def aonce_more(send: Callable[[], Awaitable[T]], dead: Callable[[Exception], bool]) -> T:
    """As ``once_more``."""
    with using(fresh=False) as use:
        try:
            return await send()
        except Exception as error:
            if not (use.kept and dead(error)):
                raise
    with using(fresh=True):
        return await send()


class Distrustful:
    """Mixed into requests' HTTPAdapter: its connections, through proxies too, connect again where they are not to be trusted."""

    def init_poolmanager(self: Any, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)  # type: ignore[misc]  # the adapter's, which follows
        _distrust(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        return _distrust(super().proxy_manager_for(*arguments, **options))  # type: ignore[misc]  # as above


class DistrustfulPool:
    """Mixed into urllib3's pools. A connection that is closed here is opened as a new one is, a proxy's tunnel included."""

    def _get_conn(self, *arguments: Any, **options: Any) -> Any:
        connection, use = super()._get_conn(*arguments, **options), current()  # type: ignore[misc]  # the pool's, which follows
        if use.fresh or time.monotonic() > getattr(connection, "last_used", -math.inf) + IDLE:
            connection.close()
        use.kept = connection.sock is not None
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.last_used = time.monotonic()
        super()._put_conn(conn)  # type: ignore[misc]  # as above


def _distrust(manager: Any) -> Any:
    """Of urllib3's PoolManagers one whose pools are ours."""
    kinds = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {
        scheme: kind if issubclass(kind, DistrustfulPool) else type(kind.__name__, (DistrustfulPool, kind), {})
        for scheme, kind in kinds.items()
    }
    return manager


def renew(session: Any) -> None:
    """In a forked child, the connections of a requests.Session that somebody else made."""
    pooling = {id(each): each for each in session.adapters.values() if hasattr(each, "init_poolmanager")}
    for adapter in pooling.values():
        _inherited.append((adapter.poolmanager, adapter.proxy_manager))
        adapter.proxy_manager = {}
        adapter.init_poolmanager(adapter._pool_connections, adapter._pool_maxsize, block=adapter._pool_block)
