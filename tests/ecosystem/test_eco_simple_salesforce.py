"""simple-salesforce: the JWT bearer flow."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("simple_salesforce", reason="needs the package simple-salesforce")
import jwt as pyjwt
from ecoserver import TOKEN, endpoint, session_to
from simple_salesforce import Salesforce

LIBRARY, HOW = "simple-salesforce", "unmodified: privatekey="


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_a_login(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    with endpoint({**TOKEN, "instance_url": "https://mine.my.salesforce.com"}) as there:
        options = {"username": "user@example.com", "consumer_key": "client", "privatekey": key.as_private_key()}
        connection = Salesforce(**options, session=session_to(there))
        assertion = there.form()["assertion"]
    assert (connection.session_id, connection.sf_instance) == ("opaque", "mine.my.salesforce.com")
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience="https://login.salesforce.com")
    assert (claims["iss"], claims["sub"]) == ("client", "user@example.com")
