"""AsyncSSH: as client key, as host key, with a certificate."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest

asyncssh = pytest.importorskip("asyncssh", reason="needs the package asyncssh")
from cryptography.hazmat.primitives import serialization

from farsign import errors
from farsign_contrib.asyncssh import SSHKeyPair

LIBRARY, HOW = "asyncssh", "farsign_contrib.asyncssh"
ALGORITHMS = ["RS256", "ES256", "ES384", "ES512", "EdDSA"]


def public(key: Any) -> Any:
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return asyncssh.import_public_key(line)


def trusted(*lines: str) -> Any:
    return asyncssh.import_authorized_keys("\n".join(lines))


def line_of(key: Any) -> str:
    return str(public(key).export_public_key().decode().strip())


class Server(asyncssh.SSHServer):  # type: ignore[misc,name-defined]  # the module may be missing
    def begin_auth(self, username: str) -> bool:
        return True


async def run(host_key: Any, user_key: Any, authorized: Any, known: Any, **options: Any) -> str:
    async def handle(process: Any) -> None:
        process.stdout.write(f"hello {process.get_extra_info('username')}")
        process.exit(0)

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Server,
        server_host_keys=[host_key],
        authorized_client_keys=authorized,
        process_factory=handle,
    )
    try:
        async with asyncssh.connect(
            "127.0.0.1",
            server.get_port(),
            username="user",
            client_keys=[user_key],
            known_hosts=([known], [], []),
            config=None,
            **options,
        ) as connection:
            return str((await connection.run("hello", check=True)).stdout)
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_signs_for_a_client_and_for_a_host(any_key: Any, algorithm: str) -> None:
    host, user = any_key(algorithm), any_key(algorithm, "user")
    told = asyncio.run(run(SSHKeyPair(host), SSHKeyPair(user, "laptop"), trusted(line_of(user)), public(host)))
    assert told == "hello user"


def test_it_takes_a_certificate(any_key: Any) -> None:
    host, user, ca = any_key("ES256"), any_key("EdDSA", "user"), any_key("ES384")
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    builder = (
        serialization.SSHCertificateBuilder().public_key(user.public_key()).serial(1).key_id(b"user").valid_principals([b"user"])
    )
    builder = builder.type(serialization.SSHCertificateType.USER).valid_after(now - 60).valid_before(now + 60)
    made = asyncssh.import_certificate(builder.sign(ca.as_private_key()).public_bytes())
    authorized = trusted(f"cert-authority {line_of(ca)}")
    told = asyncio.run(run(SSHKeyPair(host), SSHKeyPair(user), authorized, public(host), client_certs=[made]))
    assert told == "hello user"


def test_another_key_is_not_let_in(any_key: Any) -> None:
    host, user = any_key("ES256"), any_key("ES256", "user")
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(run(SSHKeyPair(host), SSHKeyPair(user), trusted(line_of(host)), public(host)))


def test_a_kind_that_ssh_has_not_is_refused(any_key: Any) -> None:
    for algorithm in ("ES256K", "ML-DSA-44"):
        with pytest.raises(errors.AlgorithmNotSupported, match="SSH has no keys"):
            SSHKeyPair(any_key(algorithm))


def test_the_provider_refuses(trouble: Any, any_key: Any) -> None:
    """Not "permission denied", which would send people to look for it at the server."""
    with trouble("ES256") as user:
        asyncio.run(run(SSHKeyPair(any_key("EdDSA")), SSHKeyPair(user), trusted(line_of(user)), public(any_key("EdDSA"))))
