"""py-vapid: the authorization of a push message (RFC 8292)."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

pytest.importorskip("py_vapid", reason="needs the package py-vapid")
from cryptography.hazmat.primitives import serialization
from py_vapid import Vapid01, Vapid02

LIBRARY, HOW = "py-vapid", "unmodified: Vapid(private_key)"


def claims() -> dict[str, Any]:
    return {"sub": "mailto:ops@example.com", "aud": "https://push.example", "exp": int(time.time()) + 3600}


@pytest.mark.parametrize("algorithm", ["ES256"])
def test_the_rfc(any_key: Any, algorithm: str) -> None:
    header = Vapid02(any_key(algorithm).as_private_key()).sign(claims())["Authorization"]
    assert Vapid02.verify(header)
    assert not Vapid02.verify(header.replace("t=", "t=A", 1))


@pytest.mark.parametrize("algorithm", ["ES256"])
def test_its_draft(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    scheme, _, token = Vapid01(key.as_private_key()).sign(claims())["Authorization"].partition(" ")
    signed, _, signature = token.rpartition(".")
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    assert scheme == "WebPush"
    assert Vapid01.from_raw_public(base64.urlsafe_b64encode(point)).verify_token(signed.encode(), signature)
