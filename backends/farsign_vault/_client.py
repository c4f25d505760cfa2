"""One connection for all keys with equal settings: hvac's adapter over a session of its own, and the token."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from hvac.adapters import RawAdapter
from requests.utils import get_environ_proxies

from farsign._base import fork
from farsign._plugin.kept import renew
from farsign.driver import Shared, is_loopback, shared_client, split_endpoint
from farsign.errors import ConfigurationError, FarsignError

from . import _wire
from ._login import tokens
from ._settings import Settings
from ._transport import new_session

PATIENCE: Final = 0.9  # of an attempt's time, for a token: else the attempt is given up with this connection, and the login on it


class Connection:
    def __init__(self, settings: Settings) -> None:
        self._adapter = _given(settings) if settings.client is not None else _made(settings)
        self._own = settings.client is None
        self.tokens = tokens(settings, self._ask)
        fork.register(self)

    def after_fork(self) -> None:
        """What is ours stays with the parent; a client that was given goes on in the child, with connections of its own."""
        if not self._own:
            renew(self._adapter.session)

    def ask(self, method: str, path: str, *, timeout: float, body: Any = None) -> dict[str, Any]:
        """With the token; whatever getting one takes is part of ``timeout``."""
        end = time.monotonic() + timeout
        try:
            token = self.tokens.get(PATIENCE * timeout)
            return self._ask(method, path, timeout=end - time.monotonic(), token=token, body=body)
        except FarsignError as error:
            raise error.with_traceback(None) from None  # whose frames hold the token (RULES 16)

    def _ask(self, method: str, path: str, *, timeout: float, token: str = "", body: Any = None) -> dict[str, Any]:
        return _wire.ask(self._adapter, method, path, timeout=timeout, token=token, body=body)

    def close(self) -> None:
        if self._own:
            self._adapter.close()


def connect(settings: Settings) -> Shared[Connection]:
    """The connection that all keys with these settings share in this process."""
    return shared_client(("vault", settings), lambda: Connection(settings), Connection.close)


def _made(settings: Settings) -> RawAdapter:
    verify: str | bool = settings.ca_cert or os.environ.get("REQUESTS_CA_BUNDLE") or True
    cert = (settings.variable("CLIENT_CERT"), settings.variable("CLIENT_KEY")) if settings.family else ("", "")
    if settings.auth == "cert" and not all(cert):
        family = settings.family
        raise ConfigurationError(
            f"auth=cert needs {family}_CLIENT_CERT and {family}_CLIENT_KEY", next_step="set both to PEM files"
        )
    for file in (verify, *cert):
        if isinstance(file, str) and file and not os.path.exists(file):
            raise ConfigurationError(
                f"there is no file {file}", next_step="check ca_cert=, and the variables that name certificates"
            )
    proxies = {} if is_loopback(split_endpoint(settings.addr)[1]) else get_environ_proxies(settings.addr)
    session = new_session(verify, cert if all(cert) else None, proxies)
    # token and redirects: what hvac would take from the environment or send to another host
    return RawAdapter(settings.addr, session=session, namespace=settings.namespace or None, allow_redirects=False)


def _given(settings: Settings) -> RawAdapter:
    """Over the client's session; without its token, which is read for each call, and without redirects."""
    adapter = RawAdapter.from_adapter(settings.client.adapter)
    adapter.token, adapter.allow_redirects, adapter.ignore_exceptions = None, False, False
    return adapter
