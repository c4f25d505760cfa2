"""gidgethub: a GitHub App's token, and an installation's with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("gidgethub", reason="needs the package gidgethub")
httpx = pytest.importorskip("httpx", reason="needs the package httpx")
import jwt as pyjwt
from ecoserver import endpoint
from gidgethub.apps import get_installation_access_token, get_jwt
from gidgethub.httpx import GitHubAPI

LIBRARY, HOW = "gidgethub", "unmodified: private_key="


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_an_app(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    token = get_jwt(app_id="42", private_key=key.as_private_key())
    assert pyjwt.decode(token, key.public_key(), algorithms=[algorithm])["iss"] == "42"

    async def installation(url: str) -> dict[str, Any]:
        async with httpx.AsyncClient() as client:
            github = GitHubAPI(client, "farsign", base_url=url)
            options = {"installation_id": "7", "app_id": "42", "private_key": key.as_private_key()}
            return dict(await get_installation_access_token(github, **options))

    with endpoint({"token": "ghs_opaque"}, status=201) as there:
        assert asyncio.run(installation(there.authority)) == {"token": "ghs_opaque"}
        assert pyjwt.decode(there.bearer(), key.public_key(), algorithms=[algorithm])["iss"] == "42"
