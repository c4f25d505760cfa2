"""memory: keys."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

import farsign_local
from farsign.driver import KeyURI, RemoteSigner, SignRequest, VersionLister
from farsign.errors import InvalidKeyURI, KeyDeleted, KeyDisabled, KeyNotFound

T = 5.0
OpenMemory = Callable[..., RemoteSigner]


def version(driver: RemoteSigner) -> str:
    return driver.describe(timeout=T).version


def listed(driver: RemoteSigner) -> list[str]:
    assert isinstance(driver, VersionLister)
    return [name for name, _ in driver.versions(timeout=T)]


@pytest.mark.parametrize("alg", ["ES256", "PS256", "EdDSA", "ML-DSA-44", "ECDSA-P384-SHA256"])
def test_signs(alg: str, open_memory: OpenMemory, sign_everything: Callable[[RemoteSigner], set[str]]) -> None:
    assert sign_everything(open_memory(f"signs-{alg}", alg=alg))


def test_one_key_per_name_and_algorithm(open_memory: OpenMemory) -> None:
    first = open_memory("one").describe(timeout=T)
    assert open_memory("one").describe(timeout=T) == first
    assert open_memory("one", alg="ES256").describe(timeout=T) == first  # the default, spelled out
    others = [open_memory("one", alg="ES384"), open_memory("two")]
    assert len({first.public_key, *(other.describe(timeout=T).public_key for other in others)}) == 3
    assert (first.pinned, first.protection) == (False, "process")


def test_threads_that_open_it_first_get_one_key(open_memory: OpenMemory) -> None:
    found, start = [], threading.Barrier(20)

    def run() -> None:
        start.wait()
        found.append(open_memory("raced").describe(timeout=T))

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({description.public_key for description in found}) == 1


def test_a_forked_child_has_the_same_key(open_memory: OpenMemory) -> None:
    driver = open_memory("forked")
    described = driver.describe(timeout=T)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:  # the child must not return into pytest
        try:
            reply = driver.sign(SignRequest(described.version, "ES256", "message", b"x"), timeout=T)
            os.write(writer, pickle.dumps((open_memory("forked").describe(timeout=T), reply.version)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pickle.loads(pipe.read()) == (described, described.version)
    os.waitpid(child, 0)


def test_rotation(open_memory: OpenMemory) -> None:
    driver, pinned = open_memory("turns"), open_memory("turns", version="1")
    old = version(driver)
    new = farsign_local.memory.rotate("memory:turns")
    assert version(driver) == new != old
    assert listed(driver) == [new, old]
    assert version(pinned) == old
    assert listed(pinned) == [old]
    assert pinned.describe(timeout=T).pinned
    assert driver.describe(old, timeout=T).public_key != driver.describe(new, timeout=T).public_key
    for name in (old, new):
        assert driver.sign(SignRequest(name, "ES256", "message", b"x"), timeout=T).version == name


def test_disabling_and_deleting_one_version(open_memory: OpenMemory) -> None:
    driver = open_memory("partly")
    old, new = version(driver), farsign_local.memory.rotate("memory:partly")
    farsign_local.memory.disable("memory:partly", new)
    assert version(driver) == old
    assert listed(driver) == [old]
    with pytest.raises(KeyDisabled, match="version=2 is disabled"):
        driver.sign(SignRequest(new, "ES256", "message", b"x"), timeout=T)
    farsign_local.memory.delete("memory:partly", new)
    with pytest.raises(KeyDeleted):
        driver.describe(new, timeout=T)
    farsign_local.memory.enable("memory:partly", new)
    assert version(driver) == new


def test_disabling_and_deleting_all(open_memory: OpenMemory) -> None:
    driver = open_memory("wholly")
    described = driver.describe(timeout=T)
    farsign_local.memory.disable("memory:wholly")
    for call in (
        lambda: driver.describe(timeout=T),
        lambda: listed(driver),
        lambda: driver.describe(described.version, timeout=T),
    ):
        with pytest.raises(KeyDisabled):
            call()
    farsign_local.memory.delete("memory:wholly")
    with pytest.raises(KeyDeleted):
        version(driver)
    with pytest.raises(KeyDeleted):  # opening it again does not bring another key into being
        version(open_memory("wholly"))


def test_a_version_that_never_was(open_memory: OpenMemory) -> None:
    with pytest.raises(KeyNotFound, match="version=7"):
        version(open_memory("short", version="7"))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("memory:x", "memory:x?alg=ES256"),
        ("memory:x?alg=RS256", "memory:x?alg=RS256"),
        ("memory:a/b?version=1&kid=k", "memory:a/b?alg=ES256&version=1&kid=k"),
    ],
)
def test_uris(text: str, canonical: str) -> None:
    uri = farsign_local.farsign_uri(KeyURI.split(text))
    assert str(uri) == canonical
    assert farsign_local.farsign_uri(KeyURI.split(canonical)) == uri


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("memory:x?kid=k", "kid="),  # RULES 3: the URI does not pin a version
        ("memory://x", "slashes"),
        ("memory:///x", "slashes"),
        ("memory:x?slot=1", "slot="),
        ("memory:x?version=new", "version="),
        ("memory:x?alg=HS256", "alg="),
    ],
)
def test_uris_that_are_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidKeyURI, match=says) as caught:
        farsign_local.farsign_uri(KeyURI.split(text))
    assert caught.value.next_step


_OPEN_TWICE = """
import sys, warnings
{before}
import farsign_local
from farsign.driver import KeyURI
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name in ("a", "b"):
        farsign_local.farsign_open(farsign_local.farsign_uri(KeyURI.split("memory:" + name)))
print([(warning.category.__name__, str(warning.message)) for warning in caught])
"""


def run(before: str) -> str:
    script = _OPEN_TWICE.format(before=before)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_a_production_process_is_warned_once() -> None:
    """RULES 33: N workers have N keys."""
    printed = run("")
    assert printed.count("ProcessKeyWarning") == 1
    assert "N workers have N keys" in printed
    assert "farsign new" in printed


def test_tests_are_not_warned() -> None:
    """RULES 33: farsign.testing is there."""
    assert run("import farsign.testing") == "[]\n"
