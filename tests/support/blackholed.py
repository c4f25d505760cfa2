"""A child of test_wire_dns.py: ``blackholed.py ETC SCHEME`` in a network and mount namespace of its own, where the only name server says
nothing. Prints how many seconds each of four calls took, and how many names were asked for.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import farsign
from farsign import errors

TIMEOUT: Final = 0.4
_SIOCSIFFLAGS, _UP_LOOPBACK_RUNNING = 0x8914, 0x49
_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "VAULT_ADDR": "https://vault.example.com:8200",
    "VAULT_TOKEN": "x",
}


def silent_name_server(etc: Path) -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(server, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP_LOOPBACK_RUNNING))
    server.bind(("127.0.0.1", 53))
    for mine in etc.iterdir():
        subprocess.run(["mount", "--bind", mine, f"/etc/{mine.name}"], check=True)
    return server


def asked(server: socket.socket) -> int:
    count = 0
    while True:
        try:
            server.recv(512, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return count
        count += 1


class _Given:
    def get_token(self, *_: str, **__: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("x", 1 << 40)


def azure() -> farsign.Signer:
    import farsign_azure

    return farsign_azure.open_signer("azurekms://contoso.vault.azure.net/auth", credential=_Given())


def gcp() -> farsign.Signer:
    from google.oauth2.credentials import Credentials

    import farsign_gcp

    uri = "gcpkms://projects/p/locations/europe-west1/keyRings/r/cryptoKeys/auth?alg=ES256"
    return farsign_gcp.open_signer(uri, credentials=Credentials("x"))


OPENED: Final[dict[str, Callable[[], farsign.Signer]]] = {
    "awskms": lambda: farsign.open_signer("awskms:///alias/auth?region=eu-west-1"),
    "azurekms": azure,
    "gcpkms": gcp,
    "hashivault": lambda: farsign.open_signer("hashivault://auth"),
}


def main(etc: str, scheme: str) -> None:
    os.environ.update(_ENVIRONMENT)
    server = silent_name_server(Path(etc))
    with OPENED[scheme]() as signer:
        for call in (signer.key, lambda timeout: asyncio.run(signer.akey(timeout=timeout))) * 2:
            started = time.monotonic()
            try:
                call(timeout=TIMEOUT)
            except (errors.DeadlineExceeded, errors.ProviderUnavailable):
                print(time.monotonic() - started)
        print(asked(server), flush=True)
        signer.close(timeout=0.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
