"""The conformance suite itself: what it prints, and that a backend with a fault does not pass it."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

BACKEND = """
import hashlib
from dataclasses import replace
from farsign import driver
from farsign.testing._signatures import generate, kind_of, parameters, sign
from farsign.testing.conformance import SignerConformance
from farsign._base.encodings import der_to_raw
from farsign._base.algorithms import lookup
from farsign._base.primitives import algorithms_of, spki

SABOTAGE = "{sabotage}"

class Driver(driver.RemoteSigner):
    total_timeout = True

    def __init__(self, key):
        self.key, self.endpoint = key, f"acme {{id(key)}}"

    def describe(self, version=None, *, timeout):
        public = self.key.public_key()
        names = [n for n in algorithms_of(public) if lookup(n).jose and not (SABOTAGE == "refuses" and n == "PS256")]
        form = "digest" if lookup(names[0]).digests else "message"
        der = spki(public)
        version = "moving" if SABOTAGE == "same version" else hashlib.sha256(der).hexdigest()
        return driver.KeyDescription(version, der, {{n: {{form: None}} for n in names}}, pinned=True, ecdsa="raw")

    def sign(self, request, *, timeout):
        row, how = lookup(request.algorithm), parameters(request.algorithm, request.form)
        data = hashlib.sha256(request.data).digest() if SABOTAGE == "hashes again" else request.data
        if SABOTAGE == "maximum salt" and how["salt"]:
            how["salt"] = "max"
        signature = sign(self.key, data, **how)
        if row.kind == "ECDSA":
            signature = der_to_raw(signature, row.curve)
            if SABOTAGE == "drops zeros":
                half = len(signature) // 2
                signature = signature[:half].lstrip(b"\\0") + signature[half:].lstrip(b"\\0")
        return driver.SignReply(signature, request.version)

    def classify(self, error):
        return None

    def close(self):
        pass

class TestAcme(SignerConformance):
    algorithms = {{"ES256", "RS256", "PS256", "EdDSA"}}

    def make_key(self, algorithm):
        key = generate(kind_of(algorithm))
        return lambda: Driver(key)
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    def run(sabotage: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(BACKEND.format(sabotage=sabotage))
        return pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", *arguments)

    return run


def test_a_backend_in_one_class_passes_and_the_summary_says_what_was_not_exercised(run) -> None:
    result = run("")
    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed", "skipped"}
    result.stdout.fnmatch_lines(
        [
            f"TestAcme: {outcomes['passed']} passed; not exercised: *throttling*(no faults)*rotation (no rotate())*disabled keys (no disable())*"
        ]
    )


@pytest.mark.parametrize(
    ("sabotage", "test", "why"),
    [
        ("refuses", "test_signs_what_anybody_can_verify[PS256]", "AlgorithmNotSupported"),
        ("hashes again", "test_signs_what_anybody_can_verify[ES256]", "IntegrityFailure"),
        ("maximum salt", "test_signs_what_anybody_can_verify[PS256]", "IntegrityFailure"),
        ("drops zeros", "test_leading_zeros_are_kept[ES256-r]", "are they dropped"),
        ("same version", "test_two_keys_are_two", "AssertionError"),
    ],
)
def test_a_backend_with_a_fault_does_not_pass(run, sabotage: str, test: str, why: str) -> None:
    result = run(sabotage, "-k", test.partition("[")[0])
    failed = [line for line in result.outlines if line.startswith("FAILED") and test in line]
    assert failed, "\n".join(result.outlines)
    assert why in result.stdout.str()


def test_a_backend_says_which_key_or_nothing_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from farsign.testing.conformance import SignerConformance
        class TestEmpty(SignerConformance):
            algorithms = {"ES256"}
        """
    )
    result = pytester.runpytest_subprocess("-q", "-k", "test_two_keys_are_two")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(["*NotImplementedError: return a URI, or a function that makes a driver*"])
