"""pytest fixtures that swap the cloud: ``emulator`` and ``any_signer``, and the marker ``farsign``. They come with the package.

    @pytest.mark.farsign(backends="awskms gcpkms azurekms hashivault", alg="ES256")
    def test_login(any_signer): ...           # once per backend; one that is missing is skipped, or an error with --farsign-strict

    def test_throttled(emulator):             # one cloud, with its knobs
        aws = emulator("awskms")
        key = aws.create_key("ES256", alias="auth")
        aws.faults.throttle("sign", times=3)

Nothing but pytest is imported here: whoever has farsign installed pays for this module at every start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    import farsign

    from .emulator import Emulator

NOT_EXERCISED = "not exercised: "  # how the conformance suite's skips begin
_EMBEDDED = ("file", "memory")

pytest.register_assert_rewrite("farsign.testing.conformance")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("farsign")
    group.addoption("--farsign-strict", action="store_true", help="a farsign backend that is missing is an error, not a skip")


def pytest_configure(config: pytest.Config) -> None:
    text = (
        "farsign(backends='awskms gcpkms', alg='ES256'): the backends that any_signer goes through, and the algorithm of its key"
    )
    config.addinivalue_line("markers", text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "any_signer" in metafunc.fixturenames:
        schemes, _ = _asked(metafunc.definition)
        metafunc.parametrize("any_signer", schemes.split() or _installed(), indirect=True)


def _asked(item: Any) -> tuple[str, str]:
    """What the marker says: backends, or "" for all, and the algorithm. A misspelt word fails: skipped or ignored, it would test nothing."""
    from farsign._base import algorithms
    from farsign.errors import AlgorithmNotSupported

    marker = item.get_closest_marker("farsign")
    if marker is None:
        return "", "ES256"
    if marker.args or not marker.kwargs.keys() <= {"backends", "alg"}:
        pytest.fail("the marker farsign takes backends='awskms gcpkms' and alg='ES256', and nothing else", pytrace=False)
    algorithm = marker.kwargs.get("alg") or "ES256"
    try:
        algorithms.lookup(algorithm)
    except AlgorithmNotSupported as error:
        pytest.fail(f"the marker farsign: {error.diagnostics()}", pytrace=False)
    return marker.kwargs.get("backends") or "", algorithm


def _installed() -> list[str]:
    """The schemes with an SDK that is there, of those that are not embedded: what a test without a marker goes through."""
    from farsign._plugin.discovery import installed

    return sorted({row.scheme for row in installed() if row.present} - set(_EMBEDDED))


@pytest.fixture
def emulator(request: pytest.FixtureRequest) -> Iterator[Callable[..., Emulator]]:
    """``emulator("awskms")``: that provider's emulator, started; closed when the test ends. One per scheme and test.

    Keyword arguments are the emulator's: host, port, seed, clock. See farsign.testing.emulator.
    """
    from farsign._signer.endpoints import forget

    running: dict[str, Emulator] = {}

    def start(scheme: str, **options: Any) -> Emulator:
        if scheme not in running:
            running[scheme] = _emulator(request, scheme, options).start()
            forget(running[scheme].authority)  # an earlier test may have had the port, and left a breaker open
        return running[scheme]

    yield start
    for started in running.values():
        started.close()


@pytest.fixture
def any_signer(request: pytest.FixtureRequest, emulator: Callable[..., Emulator]) -> Iterator[farsign.Signer]:
    """A Signer with a key of its own at each backend in turn, on the wire where there is one."""
    import farsign
    from farsign.errors import AlgorithmNotSupported, BackendNotInstalled

    scheme, (_, algorithm) = request.param, _asked(request.node)
    try:
        uri = _embedded(request, scheme, algorithm) if scheme in _EMBEDDED else emulator(scheme).create_key(algorithm).uri
        signer = farsign.open_signer(uri)
    except (AlgorithmNotSupported, BackendNotInstalled) as error:
        _missing(request, f"{error}\n{error.next_step}")
    with signer:
        yield signer


def _embedded(request: pytest.FixtureRequest, scheme: str, algorithm: str) -> str:
    if scheme == "memory":
        return f"memory:test-{id(request.node)}?alg={algorithm}"
    from ._signatures import pem_of_new_key

    path = request.getfixturevalue("tmp_path") / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(pem_of_new_key(algorithm))
    return f"file://{path}?alg={algorithm}"


def _emulator(request: pytest.FixtureRequest, scheme: str, options: dict[str, Any]) -> Emulator:
    from farsign._plugin.discovery import backend
    from farsign.errors import BackendNotInstalled, UnknownScheme

    try:
        made = backend(scheme).emulator()
    except (BackendNotInstalled, UnknownScheme) as error:
        if error.next_step.startswith("did you mean"):
            pytest.fail(error.diagnostics(), pytrace=False)
        _missing(request, f"{error}\n{error.next_step}")
    if made is None:
        _missing(request, f'the backend of "{scheme}" has no emulator')
    return type(made)(**options) if options else made


def _missing(request: pytest.FixtureRequest, why: str) -> NoReturn:
    if request.config.getoption("--farsign-strict"):
        pytest.fail(f"--farsign-strict: {why}", pytrace=False)
    pytest.skip(why)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """For each class of the conformance suite: how many tests passed, and what its harness did not allow to be tried."""
    suites: dict[str, dict[str, list[str]]] = {}  # class -> "no rotate()" -> what that would have exercised
    for report in terminalreporter.getreports("skipped"):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        if reason.startswith(NOT_EXERCISED):
            what, _, lacking = reason.removeprefix(NOT_EXERCISED).rpartition(" (")
            subjects = suites.setdefault(_class_of(report.nodeid), {}).setdefault(lacking, [])
            if what not in subjects:
                subjects.append(what)
    for suite, missing in suites.items():
        passed = sum(_class_of(report.nodeid) == suite for report in terminalreporter.getreports("passed"))
        told = ", ".join(f"{', '.join(subjects)} ({lacking}" for lacking, subjects in missing.items())
        terminalreporter.write_line(f"{suite.rpartition('::')[2]}: {passed} passed; {NOT_EXERCISED}{told}")


def _class_of(nodeid: str) -> str:
    return nodeid.rpartition("::")[0]
