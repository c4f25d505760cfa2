"""python-jose: the private-key object unmodified, and a key class of ours."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("jose", reason="needs the package python-jose")
from jose import jwk, jwt
from jose.exceptions import JWSError

from farsign import errors
from farsign_contrib.python_jose import Key

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own
LIBRARY, HOW = "python-jose", "unmodified; to_dict: farsign_contrib.python_jose"


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "ES256", "ES384", "ES512"])
def test_a_jwt(any_key: Any, algorithm: str) -> None:
    signing = any_key(algorithm)
    for key in (signing.as_private_key(), Key(signing)):
        token = jwt.encode({"sub": "42"}, key, algorithm=algorithm)
        assert jwt.decode(token, signing.jwk(), algorithms=[algorithm]) == {"sub": "42"}


def test_it_exports_the_public_part(any_key: Any) -> None:
    key = Key(any_key("ES256"))
    message = key.sign(b"data")
    for public in (jwk.construct(key.to_dict()), jwk.construct(key.to_pem(), "ES256"), key):
        assert public.verify(b"data", message)
        assert not public.verify(b"other", message)


def test_the_provider_refuses(refused: Any) -> None:
    """python-jose raises its own error; the provider's is the context."""
    signing, expected = refused("ES256")
    for key in (signing.as_private_key(), Key(signing)):
        with pytest.raises(JWSError) as caught:
            jwt.encode({"sub": "42"}, key, algorithm="ES256")
        assert isinstance(caught.value.__cause__ or caught.value.__context__, expected)


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    for kind in ("EdDSA", "ES256K"):
        with pytest.raises(errors.AlgorithmNotSupported, match="python-jose has no keys"):
            Key(any_key(kind))
