"""What users import: complete, sorted, lazy, typed."""

from __future__ import annotations

import importlib
import pickle
from importlib.metadata import version

import pytest

import farsign

EXAMPLES = [
    "ConfigurationError",
    "FarsignError",
    "InvalidKeyURI",
    "InvalidToken",
    "Issuer",
    "KeyURI",
    "Policy",
    "ProviderError",
    "Signer",
    "SigningKey",
    "deadline",
    "driver",
    "errors",
    "jwk",
    "jws",
    "jwt",
    "observe",
    "open_issuer",
    "open_signer",
    "parse_uri",
]


def test_all_is_complete_and_sorted() -> None:
    assert farsign.__all__ == sorted(farsign.__all__) == EXAMPLES
    for name in farsign.__all__:
        assert getattr(farsign, name) is not None
    assert set(farsign.__all__) <= set(dir(farsign))


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'open_singer'"):
        farsign.open_singer  # noqa: B018 - the mistake under test


def test_the_version_is_the_distributions() -> None:
    assert farsign.__version__ == version("farsign")


@pytest.mark.parametrize("name", ["jws", "jwt", "jwk"])
def test_a_module_exports_what_it_lists(name: str) -> None:
    module = importlib.import_module(f"farsign.{name}")
    assert module.__all__ == sorted(module.__all__)
    for each in module.__all__:
        assert hasattr(module, each)


def test_classes_that_users_hold_travel() -> None:
    for thing in (farsign.Policy(timeout=1.0), farsign.KeyURI.split("file:///a/b?alg=ES256")):
        assert pickle.loads(pickle.dumps(thing)) == thing
