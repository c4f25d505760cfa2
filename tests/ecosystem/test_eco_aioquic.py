"""aioquic: a QUIC server whose certificate's key is remote. The only TLS of Python that takes such a key."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aioquic", reason="needs the package aioquic")
from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

LIBRARY, HOW = "aioquic", "unmodified: QuicConfiguration(private_key=...), server side"
DAY = datetime.timedelta(days=1)


def certificate(key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - DAY).not_valid_after(now + DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    return builder.sign(key.as_private_key(), None if key.algorithm == "EdDSA" else hashes.SHA256())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    writer.write_eof()


async def talk(key: Any, own: Any, ca: Path) -> bytes:
    here = QuicConfiguration(is_client=False, certificate=own, private_key=key.as_private_key(), alpn_protocols=["echo"])

    tasks = []

    def handler(*streams: Any) -> None:
        tasks.append(asyncio.get_running_loop().create_task(echo(*streams)))

    server = await serve("127.0.0.1", 0, configuration=here, stream_handler=handler)
    port = server._transport.get_extra_info("sockname")[1]
    there = QuicConfiguration(is_client=True, alpn_protocols=["echo"], cafile=str(ca), server_name="localhost")
    try:
        async with connect("127.0.0.1", port, configuration=there, create_protocol=QuicConnectionProtocol) as connection:
            reader, writer = await connection.create_stream()
            writer.write(b"hello")
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 5)
    finally:
        server.close()


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA"])
def test_a_handshake(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key = any_key(algorithm)
    own = certificate(key)
    (tmp_path / "ca.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    assert asyncio.run(talk(key, own, tmp_path / "ca.pem")) == b"hello"
