"""requests' transport, which does not trust a connection that was idle for long (RULES 23)."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

from farsign._plugin.kept import Distrustful, once_more

POOL: Final = 64  # connections kept; requests' own 10 would make and drop one per call under load


class Transport(Distrustful, HTTPAdapter):
    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=POOL, max_retries=0)

    def send(self, request: Any, *arguments: Any, **options: Any) -> requests.Response:
        return once_more(lambda: super(Transport, self).send(request, *arguments, **options), _broke)


def _broke(error: Exception) -> bool:
    return isinstance(error, requests.ConnectionError) and not isinstance(error, requests.Timeout)


class _Session(requests.Session):
    """For many threads: nothing in it changes from call to call. A redirect is an answer, whatever it says."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class _NoCookies(DefaultCookiePolicy):
    def set_ok(self, cookie: Any, request: Any) -> bool:
        return False


def new_session(verify: str | bool, cert: tuple[str, str] | None, proxies: dict[str, str]) -> requests.Session:
    """verify, cert, proxies: as requests takes them."""
    session = _Session()
    session.trust_env = False  # a .netrc would add credentials, and plain http to loopback goes through no proxy
    session.proxies.update(proxies)
    session.verify = verify
    session.cert = cert
    session.cookies.set_policy(_NoCookies())
    session.mount("https://", Transport())
    session.mount("http://", session.adapters["https://"])
    return session
