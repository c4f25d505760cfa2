"""memory: and file: keys under a Signer: what a user of them sees."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from fakekms import FakeClock

import farsign
import farsign_local
from farsign import errors
from farsign_local._files import FileSigner
from farsign_local._keys import generate

LEAD, RECHECK = 360.0, 300.0

pytestmark = pytest.mark.filterwarnings("ignore::farsign_local.ProcessKeyWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    farsign_local.new_key_file(str(tmp_path / "key.pem"), "ES256")
    return tmp_path / "key.pem"


@pytest.mark.parametrize(
    "alg", ["RS256", "PS384", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]
)
@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_every_algorithm_by_uri(scheme: str, alg: str, tmp_path: Path) -> None:
    if scheme == "file":
        farsign_local.new_key_file(str(tmp_path / "key.pem"), alg)
    uri = f"file://{tmp_path}/key.pem?alg={alg}" if scheme == "file" else f"memory:by-uri?alg={alg}"
    with farsign.open_signer(uri) as signer:
        signer.check()  # resolves, signs, and verifies with the public key
        key = signer.key()
        assert (key.algorithm, key.protection) == (alg, "process")
        assert key.jwk()["alg"] == alg


def test_an_rsa_file_asks_for_its_algorithm(tmp_path: Path) -> None:
    farsign_local.new_key_file(str(tmp_path / "key.pem"), "RS256")
    with farsign.open_signer(f"file://{tmp_path}/key.pem") as signer, pytest.raises(errors.AlgorithmRequired) as caught:
        signer.key().sign(b"x")
    assert "'?alg=RS256'" in caught.value.next_step  # to append to a URI without parameters


def test_an_algorithm_that_the_file_does_not_sign(path: Path) -> None:
    with (
        farsign.open_signer(f"file://{path}?alg=RS256") as signer,
        pytest.raises(errors.AlgorithmNotSupported, match="cannot sign RS256"),
    ):
        signer.key()


class Scene:
    """A signer of a file under a clock of the test's; ``later`` moves time and lets the look-up in the background land."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        uri = farsign.KeyURI("file", "", str(path)[1:])
        self.signer = farsign.Signer(lambda: FileSigner(uri), clock=self.clock, name="the file")

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        with contextlib.suppress(farsign.ProviderError):  # the scene's next line asks again and looks at the answer
            self.signer.key()
        flight = self.signer._resolver._flight
        assert flight is not None
        flight.exception(5.0)

    def sign(self) -> str:
        key = self.signer.key()
        key.sign(b"x")
        return key.version


@pytest.fixture
def scene(path: Path) -> Iterator[Scene]:
    made = Scene(path)
    yield made
    made.signer.close()


def rewrite(path: Path) -> None:
    new = path.with_suffix(".new")
    farsign_local.new_key_file(str(new), "ES256")
    new.replace(path)


def test_rules_2_a_rewritten_file_waits_before_it_signs(scene: Scene, path: Path) -> None:
    old = scene.sign()
    rewrite(path)
    scene.later(RECHECK * 1.2)
    published = [key.version for key in scene.signer.published()]
    assert published[0] == old
    assert len(published) == 2
    assert scene.sign() == old  # its private key is no longer in the file
    scene.later(LEAD)
    assert scene.sign() == published[1]


def test_a_half_written_file_never_loses_the_old_key(scene: Scene, path: Path) -> None:
    old, content = scene.sign(), path.read_bytes()
    for half in (b"", content[:50], content[:-20]):
        path.write_bytes(half)
        scene.later(RECHECK * 1.2)
        assert scene.sign() == old
    rewrite(path)
    scene.later(RECHECK * 1.2)
    scene.later(LEAD)
    assert scene.sign() != old


def test_a_file_that_is_gone_stops_signing_and_one_that_is_back_resumes(scene: Scene, path: Path) -> None:
    """RULES 6: an answer, confirmed twice."""
    old = scene.sign()
    path.rename(path.with_suffix(".away"))
    scene.later(RECHECK * 1.2)
    with pytest.raises(errors.KeyNotFound, match=r"key\.pem") as caught:
        scene.sign()
    assert "farsign new" in caught.value.next_step
    path.with_suffix(".away").rename(path)
    scene.later(RECHECK * 1.2)
    assert scene.sign() == old


def test_what_a_missing_file_prints(tmp_path: Path) -> None:
    with farsign.open_signer(f"file://{tmp_path}/none.pem") as signer, pytest.raises(errors.KeyNotFound) as caught:
        signer.key()
    said, next_step = caught.value.diagnostics().splitlines()
    assert said == f"KeyNotFound [not-found]: '{tmp_path}/none.pem': No such file or directory"
    assert next_step == f"  next: put a key there: farsign new 'file://{tmp_path}/none.pem' --alg ES256"


def test_a_second_signer_of_the_path_starts_with_the_key_that_verifiers_know(path: Path) -> None:
    """RULES 2: a first resolution takes the newest version that is old enough, where versions can be listed."""
    first = Scene(path)
    old = first.sign()
    time.sleep(0.05)  # file systems keep time in ticks
    rewrite(path)
    first.later(RECHECK * 1.2)
    second = Scene(path)
    second.clock.wall = path.stat().st_ctime + LEAD + RECHECK - 0.02
    assert second.sign() == old
    assert [key.version for key in second.signer.published()] == [key.version for key in first.signer.published()]


def test_rules_8_pickling() -> None:
    signer = farsign.open_signer("memory:pickled")
    with pytest.raises(errors.NotPicklable, match="lives in this process"):
        pickle.dumps(signer)


def test_rules_8_a_file_signer_is_pickled_by_its_uri(path: Path) -> None:
    signer = farsign.open_signer(f"file://{path}")
    assert pickle.loads(pickle.dumps(signer)).key().kid == signer.key().kid


def test_open_signer_with_a_passphrase(tmp_path: Path) -> None:
    pem = generate("ES256").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    path = tmp_path / "key.pem"
    path.touch(0o600)
    path.write_bytes(pem)
    signer = farsign_local.open_signer(
        f"file://{path}?alg=ES256", passphrase=lambda: "secret", policy=farsign.Policy(timeout=1.0)
    )
    assert signer.policy.timeout == 1.0
    signer.check()
    with pytest.raises(errors.NotPicklable):
        pickle.dumps(signer)
    wrong = farsign_local.open_signer(f"file://{path}", passphrase=lambda: "wrong")
    with pytest.raises(errors.KeyFileError, match="does not open it"):
        wrong.key()
    with pytest.raises(farsign.InvalidKeyURI, match="no passphrase"):
        farsign_local.open_signer("memory:x", passphrase=lambda: "secret")


def test_rules_3_a_pinned_memory_key_may_have_a_kid() -> None:
    signer = farsign.open_signer("memory:named?version=1&kid=mine")
    assert signer.key().kid == "mine"
    with pytest.raises(farsign.InvalidKeyURI, match="kid="):
        farsign.open_signer("memory:named?kid=mine")


def test_a_disabled_memory_key_stops_signing() -> None:
    signer = farsign.open_signer("memory:switched")
    key = signer.key()
    farsign_local.memory.disable("memory:switched")
    with pytest.raises(errors.KeyDisabled):
        key.sign(b"x")
    farsign_local.memory.enable("memory:switched")
    signer.invalidate()
    signer.key().sign(b"x")


def test_any_private_key_opens_as_a_signer() -> None:
    private = ec.generate_private_key(ec.SECP384R1())
    with farsign.Signer(farsign_local.opener(private)) as signer:
        assert signer.key().public_key() == private.public_key()
        assert signer.key().algorithm == "ES384"
        signer.check()


def _child(signer: farsign.Signer, results: Any) -> None:
    key = signer.key()
    key.sign(b"from the child")
    results.put(key.kid)


@pytest.mark.parametrize("uri", ["memory:forked-signer", "file"])
def test_forked_children_sign_with_the_same_key(uri: str, path: Path) -> None:
    signer = farsign.open_signer(uri if uri != "file" else f"file://{path}")
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    children = [context.Process(target=_child, args=(signer, results)) for _ in range(4)]  # before the parent has resolved it
    for child in children:
        child.start()
    kids = {results.get(timeout=10) for _ in children}
    for child in children:
        child.join(10)
    assert kids == {signer.key().kid}
