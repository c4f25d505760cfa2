"""fastapi-users: its JWT strategy writes a token and reads it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi_users", reason="needs the package fastapi-users")
import jwt as pyjwt
from fastapi_users import BaseUserManager, IntegerIDMixin
from fastapi_users.authentication import JWTStrategy

LIBRARY, HOW = "fastapi-users", "unmodified: JWTStrategy(secret=...)"
USER = SimpleNamespace(id=42)


class Database:
    async def get(self, identity: int) -> Any:
        return USER if identity == USER.id else None


class Manager(IntegerIDMixin, BaseUserManager):  # type: ignore[misc,type-arg]  # the module may be missing
    pass


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    strategy = JWTStrategy(key.as_private_key(), 300, algorithm=algorithm, public_key=key.public_key())
    token = asyncio.run(strategy.write_token(USER))
    assert pyjwt.decode(token, key.public_key(), algorithms=[algorithm], audience="fastapi-users:auth")["sub"] == "42"
    assert asyncio.run(strategy.read_token(token, Manager(Database()))) is USER
    assert asyncio.run(strategy.read_token(f"{token[:-8]}AAAAAAAA", Manager(Database()))) is None
