"""Paramiko: as client key and as host key."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

paramiko = pytest.importorskip("paramiko", reason="needs the package paramiko")

from farsign import errors
from farsign_contrib.paramiko import pkey

LIBRARY, HOW = "paramiko", "farsign_contrib.paramiko; EC keys: unmodified"
ALGORITHMS = ["RS256", "ES256", "ES384", "ES512", "EdDSA"]


class Server(paramiko.ServerInterface):  # type: ignore[misc,name-defined]  # the module may be missing
    def __init__(self, trusted: bytes) -> None:
        self.trusted = trusted

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: Any) -> int:
        return int(paramiko.AUTH_SUCCESSFUL if key.asbytes() == self.trusted else paramiko.AUTH_FAILED)


def login(host: Any, user: Any, trusted: bytes) -> bool:
    """Over a real socket pair, both ends Paramiko's."""
    here, there = socket.socketpair()
    server, client = paramiko.Transport(there), paramiko.Transport(here)
    started = threading.Event()
    try:
        server.add_server_key(host)
        server.start_server(event=started, server=Server(trusted))
        client.connect(hostkey=paramiko.PKey.from_type_string(host.get_name(), host.asbytes()), username="user", pkey=user)
        return bool(client.is_authenticated())
    finally:
        client.close()
        server.close()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_signs_for_a_client_and_for_a_host(any_key: Any, algorithm: str) -> None:
    host, user = pkey(any_key(algorithm)), pkey(any_key(algorithm, "user"))
    assert login(host, user, user.asbytes())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_is_a_key_like_any_other(any_key: Any, algorithm: str) -> None:
    key = pkey(any_key(algorithm))
    same = paramiko.PKey.from_type_string(key.get_name(), key.asbytes())
    assert key.can_sign()
    assert key.fingerprint == same.fingerprint
    assert key.get_bits() == same.get_bits()
    assert key == pkey(any_key(algorithm).as_private_key())
    assert len({key, pkey(any_key(algorithm))}) == 1
    message = key.sign_ssh_data(b"data")
    for verifier in (same, key):
        assert verifier.verify_ssh_sig(b"data", paramiko.Message(message.asbytes()))
        assert not verifier.verify_ssh_sig(b"other", paramiko.Message(message.asbytes()))


def test_another_key_is_not_let_in(any_key: Any) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        login(pkey(any_key("ES256")), pkey(any_key("ES256", "user")), b"another")


def test_a_kind_that_ssh_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="SSH has no keys"):
        pkey(any_key("ES256K"))


def test_the_provider_refuses(trouble: Any, any_key: Any) -> None:
    with trouble("ES256") as key:
        login(pkey(any_key("EdDSA")), pkey(key), pkey(key).asbytes())
