"""The real boto3 against an emulator, or any other endpoint."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError


def client(
    endpoint: str,
    service: str = "kms",
    *,
    region: str = "us-east-1",
    key: str = "emulator",
    secret: str = "emulator",
    token: str | None = None,
    **config: Any,
) -> Any:
    config = {"retries": {"total_max_attempts": 1}, "read_timeout": 10, **config}
    return _session().client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(**config),
    )


@lru_cache(maxsize=1)
def _session() -> boto3.session.Session:
    """One for all: it reads the service models, which takes longer than most tests."""
    return boto3.session.Session()


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[str, str, int]:
    """Code, message and HTTP status of the error that the call has to raise."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    assert response["ResponseMetadata"]["RequestId"]
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]
