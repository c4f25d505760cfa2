"""RULES 2 and 6: which version signs while names move, keys vanish and providers fail. Time is a fake clock's."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from fakekms import FakeClock, FakeDriver, FakeKMS, ListingDriver

import farsign
from farsign import errors
from farsign._base import events
from farsign._base.policy import Policy
from farsign._signer.signer import Signer

LEAD, RECHECK, DAY = 360.0, 300.0, 86_400.0


class Scene:
    """A provider, a clock and a signer; ``later`` moves time and lets the look-up in the background land."""

    def __init__(self, driver: type[FakeDriver] = FakeDriver, kms: FakeKMS | None = None, **policy: object) -> None:
        self.kms, self.clock = kms or FakeKMS(), FakeClock()
        self.signer = Signer(lambda: driver(self.kms), policy=Policy(**policy), clock=self.clock)

    @property
    def version(self) -> str:
        return self.signer.key().version

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.settle()

    def settle(self) -> None:
        with suppress(errors.ProviderError):  # the scene's next line asks again and looks at the answer
            self.signer.key()
        flight = self.signer._resolver._flight
        assert flight is not None
        flight.exception(5.0)

    def sign(self) -> str:
        key = self.signer.key()
        key.sign(b"x")
        return key.version


def test_rules_2_a_moved_name_signs_only_after_the_lead_and_the_old_one_until_then() -> None:
    scene = Scene()
    assert scene.sign() == "v1"
    scene.kms.rotate()
    assert scene.sign() == "v1"
    scene.later(RECHECK * 1.1)
    assert [key.version for key in scene.signer.published()] == ["v1", "v2"]
    scene.later(LEAD - 1)
    assert scene.sign() == "v1"
    scene.later(1)
    assert scene.sign() == "v2"
    assert [key.version for key in scene.signer.published()] == ["v2", "v1"]
    scene.later(DAY + 1)
    assert [key.version for key in scene.signer.published()] == ["v2"]


def test_rules_2_the_lead_counts_from_first_sight_even_across_re_checks() -> None:
    scene = Scene(publish_lead=1000.0)
    assert scene.version == "v1"
    scene.kms.rotate()
    scene.later(RECHECK * 1.1)
    for _ in range(3):
        scene.later(300)
        assert scene.sign() == "v1"
    scene.later(101)
    assert scene.sign() == "v2"


def test_rules_2_a_move_back_is_a_new_pending_change() -> None:
    scene = Scene(retire_after=0.0)
    assert scene.version == "v1"
    old, new = scene.kms.latest, scene.kms.rotate()
    scene.later(RECHECK * 1.1)
    scene.kms.latest = old
    scene.later(RECHECK * 1.1)
    assert [key.version for key in scene.signer.published()] == ["v1"]
    scene.kms.latest = new
    scene.later(RECHECK * 1.1)
    scene.later(LEAD - 1)
    assert scene.sign() == "v1", "the first sight of a change that was taken back does not count"
    scene.later(2)
    assert scene.sign() == "v2"


def test_rules_2_a_key_inside_retire_after_needs_no_lead_but_switches_are_a_lead_apart() -> None:
    scene = Scene()
    assert scene.version == "v1"
    old = scene.kms.latest
    scene.kms.rotate()
    scene.later(RECHECK * 1.1)
    scene.later(LEAD)
    assert scene.version == "v2"
    scene.kms.latest = old
    scene.signer.invalidate()
    assert scene.version == "v2", "at most one switch per publish_lead"
    scene.later(LEAD)
    assert scene.sign() == "v1"


def test_rules_2_lead_zero_is_explicit_and_switches_at_sight() -> None:
    scene = Scene(publish_lead=0.0)
    assert scene.version == "v1"
    scene.kms.rotate()
    scene.later(RECHECK * 1.1)
    assert scene.sign() == "v2"


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_rules_2_and_6_if_the_old_version_is_gone_nothing_signs_until_verifiers_know_the_new(how: str) -> None:
    scene = Scene()
    key = scene.signer.key()
    scene.kms.rotate()
    if how == "disabled":
        scene.kms.all[0].enabled = False
    else:
        del scene.kms.all[0]
    with pytest.raises(errors.KeyNotPublished) as caught:
        key.sign(b"x")
    assert 0 < caught.value.retry_after <= LEAD + 1e-6
    with pytest.raises(errors.KeyNotPublished):
        scene.signer.key()
    assert [key.version for key in scene.signer.published()] == ["v1", "v2"]
    scene.later(LEAD + 1)
    assert scene.sign() == "v2"


def test_rules_2_follow_immediately_covers_only_that_case() -> None:
    scene = Scene(follow="immediately")
    key = scene.signer.key()
    scene.kms.rotate()
    scene.later(RECHECK * 1.1)
    assert scene.sign() == "v1"
    scene.kms.all[0].enabled = False
    with pytest.raises(errors.KeyChanged):
        key.sign(b"x")
    assert scene.sign() == "v2"


def test_rules_6_a_disabled_key_stops_at_once_and_heals_when_it_is_enabled() -> None:
    scene = Scene()
    key = scene.signer.key()
    scene.kms.all[0].enabled = False
    with pytest.raises(errors.KeyDisabled):
        key.sign(b"x")
    with pytest.raises(errors.KeyDisabled):
        scene.signer.key()
    scene.kms.all[0].enabled = True
    scene.later(6)
    scene.settle()
    assert scene.sign() == "v1"


def test_rules_6_not_found_counts_when_confirmed() -> None:
    scene = Scene()
    key = scene.signer.key()
    scene.kms.errors["sign"].append("not-found")
    key.sign(b"x")
    scene.kms.errors["sign"].extend(["not-found", "not-found"])
    with pytest.raises(errors.KeyNotFound):
        key.sign(b"x")


@pytest.mark.parametrize("failure", ["unavailable", "throttled", "expired", "denied"])
def test_rules_6_a_failing_look_up_serves_stale_for_a_day_with_an_event(failure: str) -> None:
    scene, seen = Scene(), []
    assert scene.version == "v1"
    stop = farsign.observe(seen.append)
    scene.kms.errors["describe"].extend([failure] * 5000)
    for _ in range(20):
        scene.later(3600)
        assert scene.sign() == "v1"
    assert any(isinstance(event, events.StaleKey) for event in seen)
    scene.clock.advance(5 * 3600)
    with pytest.raises(errors.ProviderError):
        scene.signer.key()
    stop()


def test_rules_6_only_a_describe_of_the_name_renews_the_mapping() -> None:
    scene = Scene()
    assert scene.version == "v1"
    scene.kms.errors["describe"].extend(["denied"] * 1000)
    for _ in range(25):
        scene.clock.advance(3590)
        try:
            scene.sign()
        except errors.ProviderError:
            break
    else:
        pytest.fail("signatures by the pinned version kept the mapping alive")
    assert scene.clock.now - 1000 >= DAY


def test_rules_6_a_pinned_version_is_asked_for_once() -> None:
    scene = Scene(kms=FakeKMS(pinned=True))
    for _ in range(5):
        scene.clock.advance(30 * DAY)
        scene.sign()
    assert scene.kms.count("describe") == 1


def listed(*ages: float, **policy: object) -> Scene:
    """Versions v1.. created so many seconds ago, oldest first."""
    kms, clock = FakeKMS(), FakeClock()
    kms.all.clear()
    for age in ages:
        kms.rotate(created=clock.wall - age)
    return Scene(ListingDriver, kms, **policy)


def test_rules_2_a_first_resolution_takes_the_newest_version_that_is_old_enough() -> None:
    scene = listed(90 * DAY, 3 * DAY, 600)
    assert scene.version == "v2"
    scene.settle()
    assert [key.version for key in scene.signer.published()] == ["v2", "v3"]
    scene.later(LEAD + 1)
    assert scene.sign() == "v3"


def test_rules_2_the_newest_if_none_is_old_enough() -> None:
    assert listed(500, 100).version == "v2"


def test_a_first_resolution_publishes_what_stopped_signing_lately() -> None:
    scene = listed(90 * DAY, 30 * DAY, 0.5 * DAY)
    scene.settle()
    assert scene.version == "v3"
    assert [key.version for key in scene.signer.published()] == ["v3", "v2"]


def test_rules_2_where_listing_is_denied_the_name_decides_with_an_event() -> None:
    scene, seen = listed(90 * DAY, 100), []
    stop = farsign.observe(seen.append)
    scene.kms.errors["list"].append("denied")
    assert scene.version == "v2"
    stop()
    assert any(isinstance(event, events.ListingDenied) for event in seen)


def test_invalidate_asks_again_but_never_flips() -> None:
    scene = Scene()
    assert scene.version == "v1"
    scene.kms.rotate()
    scene.signer.invalidate()
    assert scene.version == "v1"
    assert scene.kms.count("describe") == 2
    assert [key.version for key in scene.signer.published()] == ["v1", "v2"]


def test_policy_refuses_nonsense_by_name() -> None:
    for wrong in (
        {"timeout": -1},
        {"attempts": 0},
        {"attempts": 1.5},
        {"follow": "soon"},
        {"recheck": "5m"},
        {"publish_lead": True},
    ):
        (name,) = wrong
        with pytest.raises(errors.ConfigurationError, match=name):
            Policy(**wrong)


def test_reading_a_cached_key_takes_no_lock() -> None:
    scene = Scene()
    assert scene.version == "v1"
    with scene.signer._resolver._lock:
        assert scene.version == "v1"


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_re_check_runs_in_the_background_and_holds_nobody() -> None:
    scene = Scene()
    assert scene.version == "v1"
    scene.kms.delay = 1.0
    scene.clock.advance(RECHECK * 1.1)
    started = time.monotonic()
    assert scene.version == "v1"
    assert time.monotonic() - started < 0.5
    wait_until(lambda: scene.kms.count("describe") == 2)


def test_a_look_up_that_finds_an_unfit_key_keeps_the_old_one_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    pinned = Signer(lambda: FakeDriver(scene.kms), thumbprint=scene.signer.key().thumbprint, clock=scene.clock)
    assert pinned.key().version == "v1"
    scene.kms.rotate()
    scene.clock.advance(RECHECK * 1.1)
    assert pinned.key().version == "v1"
    assert pinned._resolver._flight is not None
    pinned._resolver._flight.exception(5.0)
    assert "key-mismatch" in caplog.text
    pinned.key().sign(b"x")
