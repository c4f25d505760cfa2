"""The error tree: as printed in its module, with stable codes, next steps, and nothing that libraries swallow."""

from __future__ import annotations

import copy
import pickle
import re
import traceback

import jwt as pyjwt
import pytest

from farsign import errors, jwt

CLASSES = {name: cls for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, errors.FarsignError)}
LINE = re.compile(r"^([│ ]*)[├└]── (\w+)\s+([a-z-]+)?", re.MULTILINE)


def test_the_docstring_prints_the_tree_as_it_is() -> None:
    printed: dict[str, tuple[str, str]] = {}
    stack = ["FarsignError"]
    for indent, name, code in LINE.findall(errors.__doc__ or ""):
        depth = len(indent) // 4 + 1
        stack[depth:] = [name]
        printed[name] = (stack[depth - 1], code)
    assert set(printed) == set(CLASSES) - {"FarsignError"}
    for name, (parent, code) in printed.items():
        assert CLASSES[name].__bases__[0].__name__ == parent, name
        if CLASSES[name].__bases__[0] is not errors.FarsignError:
            assert CLASSES[name].code == code, name


def test_codes_are_unique_and_every_class_says_what_to_do() -> None:
    codes = [cls.code for cls in CLASSES.values()]
    assert len(set(codes)) == len(codes)
    said_where_raised = {
        "FarsignError", "ConfigurationError", "UnknownScheme", "BackendNotInstalled", "KeyFileError", "AlgorithmRequired",
        "AlgorithmNotSupported", "MessageTooLong", "CredentialsNotFound", "PermissionDenied",
    }  # fmt: skip
    assert {name for name, cls in CLASSES.items() if not cls.default_step} <= said_where_raised


def test_the_three_branches_and_what_none_of_them_is() -> None:
    branches = (errors.ConfigurationError, errors.InvalidToken, errors.ProviderError)
    for name, cls in CLASSES.items():
        assert cls is errors.FarsignError or sum(issubclass(cls, branch) for branch in branches) == 1, name
        assert not issubclass(cls, (TypeError, AttributeError)), name
        assert issubclass(cls, ValueError) == issubclass(cls, errors.InvalidKeyURI), name


def test_diagnostics_and_tracebacks_show_the_next_step() -> None:
    error = errors.Throttled("AWS KMS throttled Sign; 6 attempts in 2.5 s", next_step="answer 503", retry_after=2.0)
    assert error.diagnostics() == "Throttled [throttled]: AWS KMS throttled Sign; 6 attempts in 2.5 s\n  next: answer 503"
    assert "  next: answer 503" in "".join(traceback.format_exception(error))
    assert str(error) == "AWS KMS throttled Sign; 6 attempts in 2.5 s"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_copies_keep_everything_and_say_it_once(again: object) -> None:
    error = errors.ProviderUnavailable("x", next_step="y", retry_after=1.5, request_id="r", reason="timeout", answered=False)
    other = again(error)  # type: ignore[operator]  # one of three functions
    assert (str(other), other.next_step, other.retry_after, other.request_id, other.answered) == ("x", "y", 1.5, "r", False)
    assert other.__notes__ == ["  next: y"]


def test_token_errors_are_pyjwts_too() -> None:
    for name in jwt.__all__:
        thing = getattr(jwt, name)
        if isinstance(thing, type) and issubclass(thing, errors.InvalidToken):
            assert issubclass(thing, pyjwt.InvalidTokenError), name
            if hasattr(pyjwt.exceptions, name):
                assert issubclass(thing, getattr(pyjwt.exceptions, name)), name
