"""pyHanko: signed PDFs, validated by pyHanko; CMS, verified by openssl."""

from __future__ import annotations

import asyncio
import io
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyhanko", reason="needs the package pyHanko")
from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives import serialization
from ecox509 import certificate, pem
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from farsign import errors
from farsign_contrib.pyhanko import Signer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own
HASH = {"ES384": "sha384", "EdDSA": "sha512"}
LIBRARY, HOW = "pyHanko", "farsign_contrib.pyhanko"


def a_pdf() -> bytes:
    writer = PdfFileWriter()
    contents = writer.add_object(generic.StreamObject(stream_data=b"q Q"))
    writer.insert_page(PageObject(contents=contents, media_box=generic.ArrayObject(map(generic.NumberObject, (0, 0, 100, 100)))))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
@pytest.mark.parametrize("subfilter", [SigSeedSubFilter.ADOBE_PKCS7_DETACHED, SigSeedSubFilter.PADES])
def test_a_pdf(any_key: Any, algorithm: str, subfilter: SigSeedSubFilter) -> None:
    ca, key = any_key("ES384", "ca"), any_key(algorithm)
    root = certificate(ca)
    leaf = certificate(key, ca=False, issuer=(ca, root))
    meta = signers.PdfSignatureMetadata(field_name="Signature", md_algorithm=HASH.get(algorithm, "sha256"), subfilter=subfilter)
    signer = Signer(key, leaf, [root], prefer_pss=algorithm == "PS256")
    out = signers.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(a_pdf())), meta, signer=signer)
    trusted = asn1.Certificate.load(root.public_bytes(serialization.Encoding.DER))
    (signature,) = PdfFileReader(out).embedded_signatures
    status = validate_pdf_signature(signature, ValidationContext(trust_roots=[trusted]))
    assert status.bottom_line, status.pretty_print_details()


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_cms(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key = any_key(algorithm)
    own = certificate(key)
    signer = Signer(key, own, prefer_pss=algorithm == "PS256")
    signed = asyncio.run(signer.async_sign_general_data(b"data", "sha256", detached=False))
    (tmp_path / "c.pem").write_bytes(pem(own))
    (tmp_path / "s.der").write_bytes(signed.dump())
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", "s.der", "-CAfile", "c.pem", "-purpose", "any", "-binary"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"data"


def test_the_provider_refuses(trouble: Any, any_key: Any) -> None:
    with trouble("ES256") as key:
        ca = any_key("ES384", "ca")
        signer = Signer(key, certificate(key, ca=False, issuer=(ca, certificate(ca))))
        asyncio.run(signer.async_sign_general_data(b"data", "sha256", detached=False))


def test_a_certificate_of_another_key_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.KeyMismatch):
        Signer(any_key("RS256"), certificate(any_key("ES256")))
