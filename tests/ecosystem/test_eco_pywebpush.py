"""pywebpush: a push message, as the push service receives it."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest

pytest.importorskip("pywebpush", reason="needs the package pywebpush")
import http_ece
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from ecoserver import endpoint
from py_vapid import Vapid
from pywebpush import webpush

LIBRARY, HOW = "pywebpush", "unmodified: vapid_private_key=Vapid(...)"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["ES256"])
def test_a_message(any_key: Any, algorithm: str) -> None:
    browser, secret = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    point = browser.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    key = Vapid(any_key(algorithm).as_private_key())
    with endpoint(status=201) as there:
        subscription = {"endpoint": f"{there.authority}/push/1", "keys": {"p256dh": encoded(point), "auth": encoded(secret)}}
        webpush(subscription, "hello", vapid_private_key=key, vapid_claims={"sub": "mailto:ops@example.com"})
        sent = there.requests[-1]
    assert Vapid.verify(sent.headers["authorization"])
    assert http_ece.decrypt(sent.body, private_key=browser, auth_secret=secret, version="aes128gcm") == b"hello"
