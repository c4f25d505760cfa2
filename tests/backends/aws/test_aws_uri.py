"""awskms URIs: every form and dialect, every partition, and what contradicts itself is refused before any I/O (RULES 12)."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import botocore
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

import farsign
from farsign.errors import InvalidKeyURI
from farsign_aws import _hosts, _uri

UUID = "1234abcd-12ab-34cd-56ef-1234567890ab"
MRK = "mrk-1234abcd12ab34cd56ef1234567890ab"
ACCOUNT = "111122223333"
ARN = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{UUID}"
ALIAS_ARN = f"arn:aws:kms:eu-west-1:{ACCOUNT}:alias/auth/v1"
MRK_ARN = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{MRK}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/signer"

FORMS = [  # what may be written, and the canonical text
    ("key id", f"awskms:///{UUID}", f"awskms:///{UUID}"),
    ("upper case id", f"awskms:///{UUID.upper()}", f"awskms:///{UUID.upper()}"),
    ("mrk id", f"awskms:///{MRK}?region=eu-west-1,us-east-1", f"awskms:///{MRK}?region=eu-west-1,us-east-1"),
    ("key ARN", f"awskms:///{ARN}", f"awskms:///{ARN}"),
    ("alias", "awskms:///alias/Auth_1-a/b?region=eu-west-1", "awskms:///alias/Auth_1-a/b?region=eu-west-1"),
    ("alias ARN", f"awskms:///{ALIAS_ARN}", f"awskms:///{ALIAS_ARN}"),
    ("sigstore endpoint", f"awskms://localhost:4566/{UUID}", f"awskms://localhost:4566/{UUID}"),
    ("sigstore alias", "awskms://kms.eu-west-1.amazonaws.com/alias/x", "awskms://kms.eu-west-1.amazonaws.com/alias/x"),
    ("sigstore ARN", f"awskms://localhost:4566/{ARN}", f"awskms://localhost:4566/{ARN}"),
    ("gocloud alias", "awskms://alias/auth?region=eu-west-1", "awskms:///alias/auth?region=eu-west-1"),
    ("gocloud id", f"awskms://{UUID}?region=eu-west-1", f"awskms:///{UUID}?region=eu-west-1"),
    ("gocloud mrk", f"awskms://{MRK}?region=eu-west-1", f"awskms:///{MRK}?region=eu-west-1"),
    ("Tink", f"aws-kms://{ARN}", f"awskms:///{ARN}"),
    ("Tink alias", f"aws-kms://{ALIAS_ARN}", f"awskms:///{ALIAS_ARN}"),
    ("smallstep", f"awskms:key-id={UUID};region=eu-west-1", f"awskms:///{UUID}?region=eu-west-1"),
    ("smallstep alias", "awskms:key-id=alias/x;profile=ci?alg=RS256", "awskms:///alias/x?profile=ci&alg=RS256"),
    ("securesystemslib", "awskms:alias/x", "awskms:///alias/x"),
    ("securesystemslib id", f"awskms:{UUID}", f"awskms:///{UUID}"),
    ("securesystemslib ARN", f"awskms:{ARN}", f"awskms:///{ARN}"),
    ("escaped", f"awskms:///{ARN.replace(':', '%3A')}", f"awskms:///{ARN}"),
    ("scheme in capitals", "AWSKMS:///alias/x", "awskms:///alias/x"),
    ("all parameters", f"awskms:///{UUID}?region=eu-west-1&profile=p&role={ROLE}&external_id=x7&fips=true&dualstack=false&alg=PS256&kid=k",
     f"awskms:///{UUID}?region=eu-west-1&profile=p&role={ROLE}&external_id=x7&fips=true&dualstack=false&alg=PS256&kid=k"),
    ("an emulator", "awskms:///alias/x?region=us-east-1&endpoint=http://127.0.0.1:4566&auth=emulator",
     "awskms:///alias/x?region=us-east-1&endpoint=http://127.0.0.1:4566&auth=emulator"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "canonical"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_every_form_has_one_canonical_spelling(given: str, canonical: str) -> None:
    uri = farsign.parse_uri(given)
    assert str(uri) == canonical
    assert farsign.parse_uri(str(uri)) == uri


def test_case_is_kept() -> None:
    assert farsign.parse_uri("awskms://alias/Auth").path == "alias/Auth"


REFUSED = [  # and a word that the message has to have
    ("no key", "awskms:///", "names no key"),
    ("half a UUID", "awskms:///1234abcd", "does not name a KMS key"),
    ("a name", "awskms:///auth?region=eu-west-1", "does not name a KMS key"),
    ("an empty alias", "awskms://alias", "empty path segment"),
    ("a long alias", f"awskms:///alias/{'a' * 251}", "does not name a KMS key"),
    ("a strange alias", "awskms:///alias/a%20b", "does not name a KMS key"),
    ("another service's ARN", f"awskms:///arn:aws:s3:eu-west-1:{ACCOUNT}:key/{UUID}", "does not name a KMS key"),
    ("an ARN with no key", f"awskms:///arn:aws:kms:eu-west-1:{ACCOUNT}:key/x", "does not name a KMS key"),
    ("an ARN with a bad account", f"awskms:///arn:aws:kms:eu-west-1:1:key/{UUID}", "does not name a KMS key"),
    ("an ARN with a bad region", f"awskms:///arn:aws:kms:-:{ACCOUNT}:key/{UUID}", "does not name a KMS key"),
    ("a trailing newline", f"awskms:///{UUID}%0A", "control character"),
    ("a dot segment", "awskms:///alias/../x", "'.' or '..'"),
    ("an unknown parameter", f"awskms:///{UUID}?regoin=eu-west-1", "regoin"),
    ("a repeated parameter", f"awskms:///{UUID}?region=eu-west-1&region=eu-west-2", "twice"),
    ("smallstep and a parameter", f"awskms:key-id={UUID};region=eu-west-1?region=eu-west-2", "region= twice"),
    ("smallstep twice", f"awskms:key-id={UUID};key-id={UUID}", "no awskms URI"),
    ("smallstep's credentials", f"awskms:key-id={UUID};credentials-file=/x", "no awskms URI"),
    ("user-info", f"awskms://AKIA:secret@kms.eu-west-1.amazonaws.com/{UUID}", "user-info"),
    ("user-info in endpoint", f"awskms:///{UUID}?endpoint=https://a:b@kms.eu-west-1.amazonaws.com", "user-info"),
    ("user-info escaped", f"awskms:///{UUID}?endpoint=https%3A%2F%2Fa%40kms.eu-west-1.amazonaws.com", "user-info"),
    ("a host that is none", f"awskms://a_b..c/{UUID}", "no host"),
    ("an endpoint that is none", f"awskms:///{UUID}?endpoint=kms.example.com", "not the URL of a server"),
    ("an endpoint with a path", f"awskms:///{UUID}?endpoint=https://kms.example.com/x", "not the URL of a server"),
    ("two endpoints", f"awskms://localhost/{UUID}?endpoint=https://localhost", "two endpoints"),
    ("a region that is none", f"awskms:///{UUID}?region=europe", "wrong region="),
    ("an empty region", f"awskms:///{MRK}?region=eu-west-1,", "wrong region="),
    ("a region twice", f"awskms:///{MRK}?region=eu-west-1,eu-west-1", "region twice"),
    ("many regions for one key", f"awskms:///{UUID}?region=eu-west-1,us-east-1", "several regions"),
    ("ARN against region", f"awskms:///{ARN}?region=us-east-1", "is a key in eu-west-1"),
    ("ARN against regions", f"awskms:///{MRK_ARN}?region=us-east-1,us-west-2", "is a key in eu-west-1"),
    ("alias ARN against region", f"awskms:///{ALIAS_ARN}?region=us-east-1", "is a key in eu-west-1"),
    ("partition against region", f"awskms:///arn:aws-cn:kms:eu-west-1:{ACCOUNT}:key/{UUID}", "partition aws-cn"),
    ("regions of two partitions", f"awskms:///{MRK}?region=eu-west-1,cn-north-1", "partition aws"),
    ("host against region", f"awskms://kms.us-east-1.amazonaws.com/{UUID}?region=eu-west-1", "endpoint in us-east-1"),
    ("host against ARN", f"awskms://kms.us-east-1.amazonaws.com/{ARN}", "endpoint in us-east-1"),
    ("endpoint against ARN", f"awskms:///{ARN}?endpoint=https://KMS-FIPS.us-east-1.amazonaws.com", "endpoint in us-east-1"),
    ("VPC endpoint against ARN", f"awskms:///{ARN}?endpoint=https://vpce-0a-b.kms.us-east-1.vpce.amazonaws.com", "endpoint in us-east-1"),
    ("endpoint against partition", f"awskms:///{ARN}?endpoint=https://kms.cn-north-1.amazonaws.com.cn", "endpoint in cn-north-1"),
    ("one endpoint for two regions", f"awskms://kms.eu-west-1.amazonaws.com/{MRK}?region=eu-west-1,us-east-1", "endpoint in eu-west-1"),
    ("fips and an endpoint", f"awskms://kms.eu-west-1.amazonaws.com/{UUID}?fips=true", "has an endpoint, and fips="),
    ("fips that is neither", f"awskms:///{UUID}?fips=1", "wrong fips="),
    ("a role that is none", f"awskms:///{UUID}?role=signer", "no role's ARN"),
    ("a role of another partition", f"awskms:///{ARN}?role=arn:aws-cn:iam::{ACCOUNT}:role/x", "role of partition aws-cn"),
    ("an external id for nobody", f"awskms:///{UUID}?external_id=x7", "without role="),
    ("an external id that is none", f"awskms:///{UUID}?role={ROLE}&external_id=x", "wrong external_id="),
    ("an emulator nowhere", f"awskms:///{UUID}?auth=emulator", "no endpoint"),
    ("an emulator with a profile", f"awskms:///{UUID}?auth=emulator&profile=x&endpoint=http://localhost", "auth=emulator and profile="),
    ("another auth", f"awskms:///{UUID}?auth=token", "wrong auth="),
    ("kid of an alias", "awskms:///alias/x?kid=k", "kid= for an alias"),
    ("kid of an alias ARN", f"awskms:///{ALIAS_ARN}?kid=k", "kid= for an alias"),
    ("an algorithm that is none", f"awskms:///{UUID}?alg=HS256", "alg="),
]  # fmt: skip


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("text", "told"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_wrong_is_said_before_any_io(text: str, told: str) -> None:
    """RULES 12: also that a message shows no user-info."""
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.open_signer(text)
    assert told in str(caught.value)
    assert caught.value.next_step
    assert "secret" not in caught.value.diagnostics()


def test_kid_may_name_a_key_for_ever() -> None:
    assert farsign.parse_uri(f"awskms:///{ARN}?kid=2024").kid == "2024"


def partitions() -> list[dict[str, Any]]:
    file = Path(botocore.__file__).parent / "data" / "partitions.json"
    return json.loads(file.read_text())["partitions"]


@pytest.mark.parametrize("partition", partitions(), ids=lambda partition: partition["id"])
def test_every_partition_that_botocore_knows(partition: dict[str, Any]) -> None:
    name, outputs = partition["id"], partition["outputs"]
    regions = [region for region in partition["regions"] if not region.endswith("-global")]
    assert regions
    for region in regions:
        assert _hosts.partition_of(region) == name
        uri = farsign.parse_uri(f"awskms:///arn:{name}:kms:{region}:{ACCOUNT}:alias/x")
        assert _uri.place(uri).region == region
        for suffix in (outputs["dnsSuffix"], outputs["dualStackDnsSuffix"]):
            for host in (f"kms.{region}.{suffix}", f"kms-fips.{region}.{suffix}", f"vpce-0ab-c.kms.{region}.vpce.{suffix}"):
                assert _hosts.region_of(host.upper()) == region
                assert _uri.place(farsign.parse_uri(f"awskms://{host}/alias/x")).region == region
                _hosts.check(f"https://{host}", own_credentials=False, allow=())


def test_replicas_name_one_region_each() -> None:
    by_id = [str(one) for one in _uri.replicas(farsign.parse_uri(f"awskms:///{MRK}?region=eu-west-1,us-east-1&alg=ES256"))]
    assert by_id == [f"awskms:///{MRK}?region={region}&alg=ES256" for region in ("eu-west-1", "us-east-1")]
    by_arn = [str(one) for one in _uri.replicas(farsign.parse_uri(f"awskms:///{MRK_ARN}?region=us-east-1,eu-west-1"))]
    assert by_arn == [
        f"awskms:///{MRK_ARN.replace('eu-west-1', region)}?region={region}" for region in ("us-east-1", "eu-west-1")
    ]
    for one in (*by_id, *by_arn):
        assert str(farsign.parse_uri(one)) == one


pieces = st.sampled_from(
    ["awskms:", "aws-kms:", "//", "///", "/", UUID, MRK, ARN, ALIAS_ARN, "alias/", "alias", "x", "arn:aws:kms:", "key-id=", ";", "?", "&",
     "region=", "eu-west-1", ",", "us-east-1", "kms.eu-west-1.amazonaws.com", "localhost:4566", "endpoint=", "http://", "https://", "%2F",
     "%", "@", "role=", ROLE, "fips=true", "auth=emulator", "profile=", "kid=k", "alg=ES256", "[::1]", "..", "\N{SNOWMAN}", ":", "="]
)  # fmt: skip

keys = st.sampled_from([UUID, MRK, ARN, ALIAS_ARN, MRK_ARN, "alias/Auth", "x"])
before = st.sampled_from(
    [
        "awskms:///",
        "awskms://",
        "aws-kms://",
        "awskms:",
        "awskms:key-id=",
        "awskms://localhost:4566/",
        "awskms://kms.eu-west-1.amazonaws.com/",
    ]
)
values = {
    "region": st.sampled_from(["eu-west-1", "eu-west-1,us-east-1", "cn-north-1"]),
    "role": st.sampled_from([ROLE, "signer"]),
    "fips": st.sampled_from(["true", "false", "1"]),
    "endpoint": st.sampled_from(["http://127.0.0.1:1", "https://kms.eu-west-1.amazonaws.com", "x"]),
    "auth": st.just("emulator"),
    "alg": st.sampled_from(["ES256", "RS256", "HS256"]),
    "kid": st.text(min_size=1, max_size=5),
}
parameters = st.fixed_dictionaries({}, optional=values).map(
    lambda chosen: "?" + "&".join(f"{name}={value}" for name, value in chosen.items()) if chosen else ""
)
likely = st.tuples(before, keys, parameters).map("".join)
nonsense = st.lists(pieces, min_size=1, max_size=12).map("".join) | st.text(max_size=60).map("awskms:".__add__)


@settings(max_examples=1000, deadline=None)
@given(likely | nonsense)
@example(f"awskms:key-id={UUID};region=eu-west-1")
@example("awskms://[::1]:80/alias/x?region=us-east-1")
def test_canonical_is_stable_and_nothing_but_invalid_key_uri_comes_out(text: str) -> None:
    try:
        uri = farsign.KeyURI.split(text)
        if uri.scheme != "awskms":
            return
        once = _uri.canonical(uri)
    except InvalidKeyURI:
        return
    event("canonical")
    assert _uri.canonical(once) == once
    assert farsign.parse_uri(str(once)) == once
    assert once.dialect in ("awskms", "aws-kms")
    for one in _uri.replicas(once):
        assert _uri.canonical(one) == one
        assert len(_uri.regions_of(one)) < 2
    where = _uri.place(once)
    assert where.pinned == ("alias/" not in where.key)


def test_a_bare_name_may_have_been_an_alias() -> None:
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.parse_uri("awskms:///auth?region=eu-west-1")
    assert caught.value.next_step.startswith("did you mean alias/auth?")
