"""What happens to a service over a day: its alias moves, its clock is wrong, its key is somebody else's."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import boto3
import botocore.auth
import pytest
from boto import client

import farsign
import farsign_aws
from farsign import errors, jwt
from farsign.testing.conformance._harness import Harness, ShiftedClock, in_threads, until
from farsign.testing.conformance._verify import is_valid
from farsign_aws._emulator import AwsEmulator

PATIENT = farsign.Policy(timeout=10.0, attempt_timeout=5.0)
HERE, THERE = "111122223333", "444455556666"
PRIMARY, REPLICA = "us-east-1", "eu-west-1"
signs = Harness.signs  # and verifies
LEAD, RECHECK = PATIENT.publish_lead, PATIENT.recheck


@pytest.fixture
def aws(emulator: Callable[..., AwsEmulator]) -> AwsEmulator:
    return emulator("awskms")


def clocked(uri: str, clock: ShiftedClock) -> farsign.Signer:
    """As open_signer, with time that a test can move."""
    parsed = farsign.parse_uri(uri)
    return farsign.Signer(lambda: farsign_aws.farsign_open(parsed, ()), policy=PATIENT, alg=parsed.alg, name=uri, clock=clock)


def signed_with(aws: AwsEmulator) -> set[str]:
    """What Sign was asked for since the log was cleared."""
    return {record.key for record in aws.log if record.portable == "sign"}


# -- an alias moves (RULES 1, 2) ------------------------------------------------------------------------------------------------


def test_rules_1_and_2_an_alias_that_moves_in_full_flight(aws: AwsEmulator) -> None:
    """16 threads issue tokens all along. A header never disagrees with its signature; the new key is published before it signs."""
    old, clock = aws.create_key("ES256", alias="auth"), ShiftedClock()
    new = aws.create_key("ES256")
    tokens: list[str] = []
    with clocked(old.uri, clock) as signer:
        issuer, stop = farsign.Issuer([signer]), threading.Event()
        before = signer.key()

        def turn() -> None:
            aws.move_alias("auth", new)
            clock.advance(RECHECK * 1.1)
            pending = until(lambda: [key for key in signer.published() if key.kid != before.kid])
            assert {key["kid"] for key in issuer.jwks()["keys"]} == {before.kid, pending[0].kid}
            clock.advance(LEAD - 60)
            mark = len(tokens)
            until(lambda: len(tokens) > mark + 50)
            assert signed_with(aws) == {old.version}, "verifiers cannot know the new key yet"
            clock.advance(61)
            until(lambda: signer.key().kid == pending[0].kid)
            mark = len(tokens)
            until(lambda: len(tokens) > mark + 50)

        def work(n: int) -> None:
            if n == 0:
                try:
                    turn()
                finally:
                    stop.set()
            while not stop.is_set():
                tokens.append(jwt.encode({"sub": str(n)}, issuer))

        in_threads(17, work)
        for token in tokens:
            jwt.decode(token, issuer.keys())
    kids = [farsign.jws.unverified_header(token)["kid"] for token in (tokens[0], tokens[-1])]
    assert kids[0] == before.kid != kids[1]
    assert signed_with(aws) == {old.version, new.version}, "by ARN, never by alias"


def test_rules_2_an_old_key_disabled_while_the_new_one_is_pending(aws: AwsEmulator) -> None:
    old, clock = aws.create_key("ES256", alias="auth"), ShiftedClock()
    with clocked(old.uri, clock) as signer:
        signs(signer.key())
        new = aws.rotate(old)
        aws.disable(old)
        with pytest.raises(errors.KeyNotPublished) as caught:
            signer.key().sign(b"x")
        assert 0 < (caught.value.retry_after or 0) <= LEAD
        assert signed_with(aws) == {old.version}
        clock.advance(LEAD + 1)
        signs(signer.key())
        assert signer.key().version == new.version


def test_rules_2_an_alias_that_moves_to_a_key_that_cannot_serve_changes_nothing(aws: AwsEmulator) -> None:
    """UpdateAlias may go from RSA to EC; the URI's alg says what verifiers expect."""
    old, clock = aws.create_key("RS256", alias="auth"), ShiftedClock()
    with clocked(old.uri, clock) as signer:
        before = signer.key()
        aws.move_alias("auth", aws.create_key("ES256"))
        for _ in range(3):
            clock.advance(RECHECK * 1.1)
            signs(signer.key())
            until(lambda: signer._resolver._flight is None or signer._resolver._flight.done())
        assert signer.key() is before
        assert [key.kid for key in signer.published()] == [before.kid]


def test_rules_1_a_reply_that_names_another_key_is_asked_for_again(aws: AwsEmulator) -> None:
    made = aws.create_key("ES256", alias="auth")
    with farsign.open_signer(made.uri, policy=PATIENT) as signer:
        aws.faults.wrong_key_id(times=2)
        signs(signer.key())
        assert aws.calls("sign") == 3
        aws.faults.wrong_key_id()
        with pytest.raises(errors.IntegrityFailure, match="another one signed, 3 times in a row"):
            signer.key().sign(b"x")


def test_an_alias_made_a_moment_ago_that_not_all_of_aws_knows(aws: AwsEmulator) -> None:
    """Eventual consistency: the first read misses it; KeyNotFound counts when it is confirmed."""
    aws.lag.reads = 1
    made = aws.create_key("ES256", alias="new")
    with farsign.open_signer(made.uri, policy=PATIENT) as signer, pytest.raises(errors.KeyNotFound):
        signer.key()  # the alias, then the key behind it: two misses
    with farsign.open_signer(made.uri, policy=PATIENT) as signer:
        signs(signer.key())


# -- one key, two algorithms; kid= (RULES 3) ----------------------------------------------------------------------------------------


def test_rs256_and_ps256_on_one_key(aws: AwsEmulator) -> None:
    """RULES 3: each signs; they share a thumbprint, so publishing both is refused, naming both."""
    uri = aws.create_key("RS256", alias="auth").uri
    other = uri.replace("alg=RS256", "alg=PS256")
    with farsign.open_signer(uri, policy=PATIENT) as rs, farsign.open_signer(other, policy=PATIENT) as ps:
        for signer, algorithm in ((rs, "RS256"), (ps, "PS256")):
            key = signer.key()
            assert key.algorithm == key.jwk()["alg"] == algorithm
            signs(key)
            assert farsign.jws.unverified_header(jwt.encode({}, signer))["alg"] == algorithm
        assert rs.key().kid == ps.key().kid == rs.key().thumbprint
        assert not is_valid(rs.key().public_key(), "PS256", rs.key().sign(b"x"), b"x")
        with pytest.raises(errors.KeyIDConflict) as caught:
            farsign.Issuer([rs, ps]).jwks()
    assert str(farsign.parse_uri(uri)) in str(caught.value)
    assert str(farsign.parse_uri(other)) in str(caught.value)


def test_kid_on_an_alias_is_refused_however_it_is_opened(aws: AwsEmulator) -> None:
    """RULES 3."""
    made = aws.create_key("ES256", alias="auth")
    session = boto3.Session("emulator", "emulator")
    for uri in (f"{made.uri}&kid=2024", f"{made.uri}&kid=2024".replace("&auth=emulator", "")):
        for opened in (farsign.open_signer, lambda uri: farsign_aws.open_signer(uri, session=session)):
            with pytest.raises(errors.InvalidKeyURI, match="kid= for an alias") as caught:
                opened(uri)
            assert "pin a key id" in caught.value.next_step
    with farsign.open_signer(f"{made.pinned}&kid=2024") as signer:
        assert farsign.jws.unverified_header(jwt.encode({}, signer))["kid"] == "2024"


# -- whose key, where ---------------------------------------------------------------------------------------------------------------


def test_one_alias_in_two_accounts_and_two_regions_at_once(aws: AwsEmulator, no_settings: object) -> None:
    """RULES 5: four keys of one name; each session, in each region, signs with its own, whoever else signs meanwhile."""
    aws.credentials.add("theirs", "theirs", account=THERE)
    signers: dict[str, farsign.Signer] = {}
    for (access, account), region in itertools.product((("emulator", HERE), ("theirs", THERE)), (PRIMARY, REPLICA)):
        made = aws.create_key("ES256", alias="auth", account=account, region=region)
        session = boto3.Session(access, access)
        uri = made.uri.replace("&auth=emulator", "")
        signers[made.version] = farsign_aws.open_signer(uri, session=session, policy=PATIENT)
    expected = list(signers.items())

    def work(n: int) -> None:
        version, signer = expected[n % 4]
        for _ in range(5):
            assert signer.key().version == version
            signs(signer.key(), f"{n}".encode())

    in_threads(16, work)
    assert len({signer.key().kid for signer in signers.values()}) == 4
    for signer in signers.values():
        signer.close()


def test_another_accounts_key_by_its_arn(aws: AwsEmulator) -> None:
    theirs = aws.create_key("ES256", alias="auth", account=THERE)
    at = f"?endpoint={aws.url}&auth=emulator"
    for name in (theirs.version, theirs.version.rpartition(":")[0] + ":alias/auth"):
        with farsign.open_signer(f"awskms:///{name}{at}", policy=PATIENT) as signer:
            signs(signer.key())
            assert signer.key().version == theirs.version
    with farsign.open_signer(theirs.uri, policy=PATIENT) as signer, pytest.raises(errors.KeyNotFound):
        signer.key()  # an alias without account is one's own


def test_a_grant_that_aws_does_not_know_everywhere_yet(aws: AwsEmulator) -> None:
    """Developer guide, "Grant tokens": the permissions are there at once for who shows the token."""
    made, kms = aws.create_key("ES256", alias="auth"), client(aws.url)
    for action in ("kms:Sign", "kms:GetPublicKey"):
        aws.deny(action)
    aws.lag.seconds = 60.0
    grant = kms.create_grant(
        KeyId=made.version, GranteePrincipal=f"arn:aws:iam::{HERE}:user/emulator", Operations=["Sign", "GetPublicKey"]
    )
    with farsign.open_signer(made.uri) as signer, pytest.raises(errors.PermissionDenied):
        signer.key()
    with farsign_aws.open_signer(made.uri, grant_tokens=[grant["GrantToken"]], policy=PATIENT) as signer:
        signs(signer.key())
        aws.lag.seconds = 0.0
        other = kms.create_grant(
            KeyId=aws.create_key("ES256").version, GranteePrincipal=f"arn:aws:iam::{HERE}:user/emulator", Operations=["Sign"]
        )
    with farsign_aws.open_signer(made.uri, grant_tokens=[other["GrantToken"]]) as signer, pytest.raises(errors.PermissionDenied):
        signer.key()
    with farsign_aws.open_signer(made.uri, grant_tokens=["forged"]) as signer, pytest.raises(errors.KeyMisuse) as caught:
        signer.key()
    assert caught.value.reason == "InvalidGrantTokenException"
    assert "CreateGrant" in caught.value.next_step


# -- a clock that is wrong ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets this process's wall clock so many seconds ahead, but not the emulator's."""
    right, now = botocore.auth.get_current_datetime, time.time

    def ahead(seconds: float) -> None:
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: right() + timedelta(seconds=seconds))
        monkeypatch.setattr(time, "time", lambda: now() + seconds)

    return ahead


def test_a_wall_clock_off_by_ten_minutes_is_named_and_harmless_once_corrected(
    aws: AwsEmulator, wall: Callable[[float], None]
) -> None:
    """RULES 24. botocore corrects no skew for KMS (measured with 1.44: the date that it signs is this machine's), so a call says so,
    at once and once, and nothing is left of it when the clock is right again."""
    aws.clock.max_skew = 300.0
    made = aws.create_key("ES256", alias="auth")
    with farsign.open_signer(made.uri, policy=PATIENT) as signer:
        for seconds, told in ((600, "60[01] s ahead of"), (-600, "(599|600) s behind")):
            wall(seconds)
            before = aws.calls("*")
            with pytest.raises(errors.ClockSkew, match=f"this machine's clock is {told} AWS's") as caught:
                signer.key()
            assert aws.calls("*") == before + 1, "trying again would not help"
            assert caught.value.next_step == "correct this machine's clock"
            assert caught.value.request_id
        wall(240)
        signs(signer.key())
        wall(600)
        with pytest.raises(errors.ClockSkew):
            signer.key().sign(b"x")
        wall(0)
        signs(signer.key())
