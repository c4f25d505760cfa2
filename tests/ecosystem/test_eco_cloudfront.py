"""botocore's CloudFrontSigner: signed URLs, checked as CloudFront documents them."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

pytest.importorskip("botocore", reason="needs the package botocore (boto3)")
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from farsign import errors
from farsign_contrib.cloudfront import CloudFrontSigner

LIBRARY, HOW = "botocore", "farsign_contrib.cloudfront"
URL = "https://d111111abcdef8.cloudfront.net/a.mp4"
EXPIRES = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
SCHEME = {"RS256": (padding.PKCS1v15(), hashes.SHA256()), "ES256": (ec.ECDSA(hashes.SHA256()),)}


def decoded(text: str) -> bytes:
    return base64.b64decode(text.translate(str.maketrans("-_~", "+=/")))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_url(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    signer = CloudFrontSigner("K1", key)
    policy = signer.build_policy(URL, EXPIRES, ip_address="192.0.2.1")
    canned = {"Statement": [{"Resource": URL, "Condition": {"DateLessThan": {"AWS:EpochTime": int(EXPIRES.timestamp())}}}]}
    for url in (signer.generate_presigned_url(URL, EXPIRES), signer.generate_presigned_url(f"{URL}?x=1", policy=policy)):
        query = parse_qs(urlparse(url).query)
        signed = decoded(query["Policy"][0]) if "Policy" in query else json.dumps(canned, separators=(",", ":")).encode()
        key.public_key().verify(decoded(query["Signature"][0]), signed, *SCHEME[algorithm])
        assert (query["Hash-Algorithm"], query["Key-Pair-Id"]) == (["SHA256"], ["K1"])


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="CloudFront has no keys"):
        CloudFrontSigner("K1", any_key("EdDSA"))


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        CloudFrontSigner("K1", key).generate_presigned_url(URL, EXPIRES)
