"""Issuer: the first signs, all are published and accepted (RULES 2, 3, 28, 36)."""

from __future__ import annotations

import asyncio
import multiprocessing
import warnings
from pathlib import Path

import jwt as pyjwt
import pytest
from elsewhere import sign_here
from fakekms import FakeClock, FakeDriver, FakeKMS

import farsign
import farsign_local
from farsign import errors, jwk, jwt
from farsign._base.policy import Policy
from farsign._jose.issuer import Issuer
from farsign._signer.signer import Signer

CLAIMS = {"sub": "42", "aud": "api"}


def issuer_of(*providers: FakeKMS, clock: FakeClock | None = None, **options: object) -> Issuer:
    clock = clock or FakeClock()
    return Issuer(
        [Signer(lambda kms=kms: FakeDriver(kms), clock=clock, name=f"k{n}", **options) for n, kms in enumerate(providers)]
    )


def by_pyjwt(token: str, document: dict[str, object]) -> object:
    key = pyjwt.PyJWKSet.from_dict(document)[pyjwt.get_unverified_header(token)["kid"]]
    return pyjwt.decode(token, key, algorithms=[key.algorithm_name], audience="api")["sub"]


def test_the_first_signs_and_all_are_published_and_accepted() -> None:
    old, new = FakeKMS("RS256", inputs={"RS256": {"digest": None}}), FakeKMS("ES256")
    before, after = issuer_of(old, new), issuer_of(new, old)
    token = jwt.encode(CLAIMS, before, expires_in=300)
    assert jwt.decode(token, after.keys(), audience="api")["sub"] == "42"
    assert by_pyjwt(token, after.jwks()) == "42"
    assert [key["alg"] for key in before.jwks()["keys"]] == ["RS256", "ES256"]
    assert (old.count("sign"), new.count("sign")) == (1, 0)


def test_rules_2_pending_is_published_at_once_and_retired_until_its_tokens_have_expired() -> None:
    kms, clock = FakeKMS(), FakeClock()
    issuer = issuer_of(kms, clock=clock)
    first = jwt.encode(CLAIMS, issuer)
    kms.rotate()
    issuer.signer.invalidate()
    assert len(issuer.jwks()["keys"]) == 2
    clock.advance(361)
    second = jwt.encode(CLAIMS, issuer)
    assert pyjwt.get_unverified_header(first)["kid"] != pyjwt.get_unverified_header(second)["kid"]
    for token in (first, second):
        assert jwt.decode(token, issuer.keys(), audience="api")["sub"] == "42"
        assert by_pyjwt(token, issuer.jwks()) == "42"
    clock.advance(86_400)
    issuer.signer.invalidate()
    assert len(issuer.jwks()["keys"]) == 1
    with pytest.raises(errors.InvalidToken):
        jwt.decode(first, issuer.keys(), audience="api")


def test_rules_3_one_kid_for_two_algorithms_is_refused_naming_both() -> None:
    kms = FakeKMS("RS256", inputs={name: {"digest": None} for name in ("RS256", "PS256")})
    issuer = Issuer([Signer(lambda: FakeDriver(kms), alg=alg, name=f"uri-{alg}") for alg in ("RS256", "PS256")])
    with pytest.raises(errors.KeyIDConflict, match=r"uri-RS256 .* uri-PS256"):
        issuer.jwks()


def test_the_same_key_twice_is_published_once() -> None:
    kms = FakeKMS()
    assert len(issuer_of(kms, kms).jwks()["keys"]) == 1


def test_rules_28_ml_dsa_is_left_out_unless_asked_and_never_when_it_signs() -> None:
    classic, post_quantum = FakeKMS("ES256"), FakeKMS("ML-DSA-65")
    assert [key["kty"] for key in issuer_of(classic, post_quantum).jwks()["keys"]] == ["EC"]
    assert [key["kty"] for key in issuer_of(classic, post_quantum).jwks(include="all")["keys"]] == ["EC", "AKP"]
    with pytest.raises(errors.ConfigurationError, match="include='all'"):
        issuer_of(post_quantum, classic).jwks()


def test_rules_36_a_member_that_never_resolved_raises_and_one_that_did_keeps_its_last_key() -> None:
    good, bad, clock = FakeKMS(), FakeKMS(), FakeClock()
    issuer = issuer_of(good, bad, clock=clock, policy=Policy(attempts=1, recheck=0.0, stale=1.0))
    bad.errors["describe"].append("denied")
    with pytest.raises(errors.PermissionDenied):
        issuer.jwks()
    clock.advance(2)
    assert len(issuer.jwks()["keys"]) == 2
    bad.errors["describe"].extend(["unavailable"] * 50)
    clock.advance(3600)
    assert len(issuer.jwks()["keys"]) == 2


def test_it_works_the_same_under_asyncio() -> None:
    issuer = issuer_of(FakeKMS(), FakeKMS())

    async def work() -> None:
        async with issuer:
            await issuer.acheck()
            token = await jwt.aencode(CLAIMS, issuer, expires_in=60)
            assert (await jwt.adecode(token, await issuer.akeys(), audience="api"))["sub"] == "42"
            assert await issuer.ajwks() == issuer.jwks()
            assert (await issuer.akey()).kid == issuer.key().kid

    asyncio.run(work())
    with pytest.raises(errors.SignerClosed):
        issuer.key()


def test_no_uri_is_an_error_and_several_may_stand_in_one_setting(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="at least one"):
        farsign.open_issuer("  ")
    uris = []
    for name in ("a", "b"):
        farsign_local.new_key_file(str(tmp_path / name), "ES256")
        uris.append(f"file://{tmp_path / name}")
    for given in (" ".join(uris), "\n".join(uris), uris, [farsign.parse_uri(uri) for uri in uris]):
        assert len(farsign.open_issuer(given).jwks()["keys"]) == 2


def test_the_published_document_is_what_verifiers_parse() -> None:
    issuer = issuer_of(FakeKMS(), FakeKMS("EdDSA"))
    keys = jwk.KeySet.parse(issuer.jwks())
    for source in issuer.signers:
        assert jwt.decode(jwt.encode(CLAIMS, source), keys, audience="api")["sub"] == "42"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_rules_8_signers_and_keys_travel_to_other_processes_by_uri(method: str, tmp_path: Path) -> None:
    farsign_local.new_key_file(str(tmp_path / "k"), "ES256")
    signer = farsign.open_signer(f"file://{tmp_path / 'k'}", policy=Policy(timeout=9.0))
    key = signer.key()
    with multiprocessing.get_context(method).Pool(1) as pool:
        kid, again, signature = pool.apply_async(sign_here, (signer, key)).get(60)
    assert kid == again == key.kid
    key.checker("ES256", "message")(signature, b"x")


def test_rules_8_a_memory_key_stays_where_it_is() -> None:
    import pickle

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", farsign_local.ProcessKeyWarning)
        signer = farsign.open_signer("memory:test-issuer-pickle")
    with signer, pytest.raises(errors.NotPicklable):
        pickle.dumps(signer)
