"""in-toto: links of a step, in both formats."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("in_toto", reason="needs the package in-toto")
from in_toto.models.metadata import Metadata
from in_toto.runlib import in_toto_run
from securesystemslib.signer import CryptoSigner, SSlibKey

LIBRARY, HOW = "in-toto", "unmodified: securesystemslib's CryptoSigner"


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("dsse", [False, True])
def test_a_link(any_key: Any, algorithm: str, dsse: bool, tmp_path: Path) -> None:
    key = any_key(algorithm)
    signer = CryptoSigner(key.as_private_key(), SSlibKey.from_crypto(key.public_key()))
    command = [sys.executable, "-c", "print('built')"]
    in_toto_run("build", [], [], command, signer=signer, use_dsse=dsse, metadata_directory=str(tmp_path), record_streams=True)
    (link,) = tmp_path.glob("build.*.link")
    read = Metadata.load(str(link))
    read.verify_signature({"keyid": signer.public_key.keyid, **signer.public_key.to_dict()})  # its own form of a public key
    assert read.get_payload().byproducts["stdout"] == "built\n"
