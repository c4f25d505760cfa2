"""githubkit: a GitHub App, as itself and as an installation."""

from __future__ import annotations

from typing import Any

import pytest

githubkit = pytest.importorskip("githubkit", reason="needs the package githubkit")
import jwt as pyjwt
from ecoserver import endpoint

LIBRARY, HOW = "githubkit", "unmodified: AppAuthStrategy"
INSTALLATION = {
    "token": "ghs_opaque",
    "expires_at": "2099-01-01T00:00:00Z",
    "permissions": {"metadata": "read"},
    "repository_selection": "all",
}


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_an_app(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    strategy = githubkit.AppAuthStrategy("42", key.as_private_key())
    with endpoint(INSTALLATION, status=201) as there:
        github = githubkit.GitHub(strategy, base_url=there.authority, http_cache=False, auto_retry=False)
        github.request("GET", "/app")
        claims = pyjwt.decode(there.bearer(), key.public_key(), algorithms=[algorithm])
        assert claims["iss"] == "42"
        github.with_auth(strategy.as_installation(7)).request("GET", "/repos/o/r")
        asked, used = there.requests[-2:]
        assert asked.path == "/app/installations/7/access_tokens"
        assert pyjwt.decode(asked.headers["authorization"].partition(" ")[2], key.public_key(), algorithms=[algorithm]) == claims
        assert used.headers["authorization"] == "token ghs_opaque"
