"""Other people's libraries, signing with keys behind farsign: in AWS's emulator where its SDK is installed, else in this process.

A module names its library: LIBRARY (the distribution), HOW ("unmodified", or the adapter's name). With FARSIGN_ECOSYSTEM_ROWS=DIRECTORY
a run leaves a file there, from which table.py makes the table in docs/ecosystem.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

import farsign
from farsign import errors

TROUBLES = {
    "throttled": (lambda aws: aws.faults.throttle("sign"), errors.Throttled),
    "denied": (lambda aws: aws.faults.error("sign", "denied"), errors.PermissionDenied),
    "offline": (lambda aws: aws.close(), errors.ProviderUnavailable),
}
BRIEF = farsign.Policy(timeout=5.0, attempts=2)  # the attempts end it; the time is for slow machines

AnyKey = Callable[..., farsign.SigningKey]
Refused = Callable[[str], tuple[farsign.SigningKey, type[Exception]]]


@pytest.fixture(scope="session")
def aws() -> Iterator[Any]:
    """AWS's emulator, or None where boto3 is not installed."""
    if not find_spec("boto3"):
        yield None
        return
    import farsign_aws

    with farsign_aws.farsign_emulator() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def any_key(aws: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyKey]:
    """``any_key("ES256")``: a SigningKey, one per algorithm and run; another one for every other ``name``."""
    signers: dict[tuple[str, str], farsign.Signer] = {}

    def uri(algorithm: str) -> str:
        if aws:
            try:
                return aws.create_key(algorithm).uri
            except UnsupportedAlgorithm:  # ML-DSA, before 48
                pytest.skip(f"this cryptography has no {algorithm}")
        import farsign_local

        path = tmp_path_factory.mktemp("key") / "key.pem"
        farsign_local.new_key_file(str(path), algorithm)
        return f"file://{path}?alg={algorithm}"

    def key(algorithm: str, name: str = "") -> farsign.SigningKey:
        if (algorithm, name) not in signers:
            signers[algorithm, name] = farsign.open_signer(uri(algorithm))
        return signers[algorithm, name].key()

    yield key
    for signer in signers.values():
        signer.close()


@pytest.fixture(params=TROUBLES)
def refused(request: pytest.FixtureRequest, emulator: Any) -> Iterator[Refused]:
    """``refused("ES256")``: a key whose provider refuses to sign, and the error that says so."""
    pytest.importorskip("boto3", reason="what a provider refuses is shown with AWS's emulator: pip install 'farsign[aws]'")
    cause, expected = TROUBLES[request.param]
    aws = emulator("awskms")
    signers = []

    def key(algorithm: str) -> tuple[farsign.SigningKey, type[Exception]]:
        signers.append(farsign.open_signer(aws.create_key(algorithm).uri, policy=BRIEF))
        ready = signers[0].key()
        cause(aws)
        return ready, expected

    yield key
    for signer in signers:
        signer.close()


@pytest.fixture
def trouble(refused: Refused) -> Callable[[str], AbstractContextManager[farsign.SigningKey]]:
    """``with trouble("ES256") as key``: such a key; the block has to raise the provider's error, and no other."""

    @contextmanager
    def key(algorithm: str) -> Iterator[farsign.SigningKey]:
        ready, expected = refused(algorithm)
        with pytest.raises(expected) as caught:
            yield ready
        assert caught.value.next_step  # type: ignore[attr-defined]  # FarsignError has it
        assert not isinstance(caught.value, (ValueError, TypeError, AttributeError))

    return key


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        library = getattr(getattr(item, "module", None), "LIBRARY", None)
        if library:
            algorithm = getattr(item, "callspec", None) and item.callspec.params.get("algorithm", "")
            item.user_properties.append(("ecosystem", [library, item.module.HOW, algorithm or ""]))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    directory = os.environ.get("FARSIGN_ECOSYSTEM_ROWS")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not directory or reporter is None:
        return
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in ("passed", "failed"):
        for report in reporter.getreports(outcome):
            for library, how, algorithm in (value for name, value in report.user_properties if name == "ecosystem"):
                new = {"library": library, "how": how, "version": version(library), "algorithms": [], "passed": 0, "failed": 0}
                row = rows.setdefault((library, how), new)
                row[outcome] += 1
                if algorithm and algorithm not in row["algorithms"]:
                    row["algorithms"].append(algorithm)
    Path(directory).mkdir(parents=True, exist_ok=True)
    Path(directory, f"{os.getpid()}.json").write_text(json.dumps(list(rows.values())))
