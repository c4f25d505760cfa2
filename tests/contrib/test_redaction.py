"""The filter on lines as SDKs print them."""

from __future__ import annotations

import io
import logging

import pytest

from farsign_contrib.redaction import REDACTED, RedactingFilter, redact

SECRET = "c4n4ryc4n4ryc4n4ryc4n4ry"
LINES = {
    "vault token": f"headers={{'X-Vault-Token': 'hvs.{SECRET}'}}",
    "openbao token": f"token s.{SECRET} given",
    "azure bearer": f"Authorization: Bearer eyJ{SECRET}.eyJ{SECRET}.{SECRET}",
    "jwt": f"got eyJhbGciOiJ{SECRET}.eyJ{SECRET}.{SECRET}",
    "boto session token": f"'X-Amz-Security-Token': b'{SECRET}'",
    "boto signature": f"Authorization: AWS4-HMAC-SHA256 Credential=AKIA{SECRET}, Signature={SECRET}",
    "boto message": f"{{'KeyId': 'alias/x', 'Message': b'{SECRET}', 'MessageType': 'RAW'}}",
    "azure digest": f'{{"alg": "ES256", "value": "{SECRET}"}}',
    "client secret": f"client_secret={SECRET}&grant_type=x",
    "secret access key": f"aws_secret_access_key = {SECRET}",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_no_secret_is_left(line: str) -> None:
    assert SECRET not in redact(line)
    assert REDACTED in redact(line)


def test_ordinary_lines_stay_as_they_are() -> None:
    for line in ("GET /v1/transit/keys/auth 200 in 4 ms", "arn:aws:kms:eu-west-1:111122223333:key/1234", "b.py:10 s.x"):
        assert redact(line) == line


def test_on_a_handler_it_covers_every_logger_and_tracebacks() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("some.sdk.deep")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        raise RuntimeError(f"sent {{'Message': b'{SECRET}'}}")
    except RuntimeError:
        logger.exception("token %s", f"hvs.{SECRET}")
    finally:
        logger.removeHandler(handler)
    assert SECRET not in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()
