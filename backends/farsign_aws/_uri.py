"""What awskms URIs mean: every form of a key id, other tools' dialects, and the one canonical spelling."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from farsign.driver import KeyURI, split_endpoint

from ._hosts import REGION, partition_of, region_of

_ID: Final = r"(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|mrk-[0-9a-f]{32})"
_ALIAS: Final = r"alias/[A-Za-z0-9/_-]{1,250}"
_KEY: Final = re.compile(rf"{_ID}|{_ALIAS}")
_ARN: Final = re.compile(
    rf"arn:(?P<partition>aws[a-z-]*):kms:(?P<region>{REGION}):(?P<account>[0-9]{{12}}):(?:key/{_ID}|{_ALIAS})"
)
_ROLE: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_EXPECTED: Final = (
    "expected a key id, an mrk- id, a key ARN, alias/NAME or an alias ARN, as in awskms:///alias/auth?region=eu-west-1"
)


class Place(NamedTuple):
    """Where a URI points. endpoint: URL or ""; region: one, or "" for what the process's settings say."""

    key: str
    region: str
    endpoint: str

    @property
    def pinned(self) -> bool:
        """Key ids and key ARNs mean one key for ever; aliases move."""
        return "alias/" not in self.key


def canonical(uri: KeyURI) -> KeyURI:
    """Checks everything that can be checked offline. Raises InvalidKeyURI."""
    uri = _rewritten(uri).check(
        region=str, profile=str, role=str, external_id=str, fips=bool, dualstack=bool, endpoint=str, auth=("emulator",)
    )
    _check_regions(uri)
    _check_endpoint(uri)
    _check_credentials(uri)
    if uri.kid and not place(uri).pinned:
        raise uri.refuse("has kid= for an alias, which can mean another key tomorrow", "pin a key id or ARN, or leave kid= out")
    return uri


def explain(uri: KeyURI) -> list[tuple[str, str]]:
    """Of a canonical URI."""
    where, arn = place(uri), _ARN.fullmatch(uri.path)
    account = arn["account"] if arn else "the credentials' own"
    key = where.key.rpartition(":")[2].removeprefix("key/")
    moves = "" if where.pinned else ", which can be moved; a new target signs once verifiers can know it"
    region = where.region or "what AWS_REGION or the profile says"
    return [("key", f"{key}{moves}"), ("account", account), ("region", ", then ".join(regions_of(uri)) or region)]


def place(uri: KeyURI) -> Place:
    """Of a canonical URI; of several regions the first."""
    endpoint = endpoint_of(uri)
    arn = _ARN.fullmatch(uri.path)
    regions = regions_of(uri) or [arn["region"] if arn else region_of(_host(uri))]
    return Place(uri.path, regions[0], endpoint)


def endpoint_of(uri: KeyURI) -> str:
    """The endpoint's URL, or ""."""
    return f"https://{uri.authority}" if uri.authority else uri.get("endpoint", "") or ""


def regions_of(uri: KeyURI) -> list[str]:
    given = uri.get("region")
    return given.split(",") if given else []


def replicas(uri: KeyURI) -> list[KeyURI]:
    """One URI for each region that a multi-Region key's URI names, preferred first."""
    regions = regions_of(uri)
    if len(regions) < 2:
        return [uri]
    arn = _ARN.fullmatch(uri.path)
    return [_in_region(uri, region, arn["region"] if arn else "") for region in regions]


def _in_region(uri: KeyURI, region: str, old: str) -> KeyURI:
    path = uri.path.replace(f":kms:{old}:", f":kms:{region}:") if old else uri.path
    return uri.replace(path=path, parameters={**uri.parameters, "region": region})


# -- other tools' dialects --------------------------------------------------------------------------------------------------


def _rewritten(uri: KeyURI) -> KeyURI:
    authority = uri.authority
    if authority is None:
        uri = _opaque(uri)
    elif authority == "alias":  # gocloud: awskms://alias/auth
        uri = uri.replace(authority="", path=f"alias/{uri.path}")
    elif authority.startswith("arn:"):  # Tink: aws-kms://arn:aws:kms:...
        uri = uri.replace(authority="", path=f"{authority}/{uri.path}")
    elif not uri.path and _KEY.fullmatch(authority):
        uri = uri.replace(authority="", path=authority)
    if not (_KEY.fullmatch(uri.path) or _ARN.fullmatch(uri.path)):
        alias = f"alias/{uri.path}"
        hint = f"did you mean {alias}? " if re.fullmatch(_ALIAS, alias) and "/" not in uri.path else ""
        raise uri.refuse("does not name a KMS key", f"{hint}{_EXPECTED}")
    return uri


def _opaque(uri: KeyURI) -> KeyURI:
    """smallstep: awskms:key-id=...;region=...; securesystemslib: awskms:alias/x."""
    if "=" not in uri.path:
        return uri.replace(authority="")
    pairs = [pair.partition("=") for pair in uri.path.split(";")]
    given = {name: value for name, _, value in pairs}
    if len(given) != len(pairs) or not {"key-id"} <= set(given) <= {"key-id", "region", "profile"}:
        raise uri.refuse("is no awskms URI", f"known in this form: key-id, region, profile; or {_EXPECTED}")
    key = given.pop("key-id")
    if twice := set(given) & set(uri.parameters):
        raise uri.refuse(f"has {min(twice)}= twice", "give each parameter once")
    return uri.replace(authority="", path=key, parameters={**given, **uri.parameters})


# -- contradictions: a request signed for the wrong place is refused before any I/O (RULES 12) ----------------------------------


def _check_regions(uri: KeyURI) -> None:
    regions, arn = regions_of(uri), _ARN.fullmatch(uri.path)
    if not all(re.fullmatch(REGION, region) for region in regions):
        raise uri.refuse("has a wrong region=", "a region looks like eu-west-1; several are separated by commas")
    if len(set(regions)) < len(regions):
        raise uri.refuse("names a region twice", "give each region once")
    if len(regions) > 1 and "mrk-" not in uri.path:
        raise uri.refuse("names several regions", "only a multi-Region key (mrk-...) is the same key in several")
    if arn and regions and arn["region"] not in regions:
        raise uri.refuse(f"is a key in {arn['region']}, and region= says {regions[0]}", "leave region= out: the ARN has it")
    home = arn["partition"] if arn else partition_of(regions[0]) if regions else ""
    for region in (*regions, arn["region"]) if arn else regions:
        if partition_of(region) != home:
            raise uri.refuse(f"is a key of partition {home}, and {region} is in {partition_of(region)}", "make them agree")


def _check_endpoint(uri: KeyURI) -> None:
    if uri.authority and uri.get("endpoint"):
        raise uri.refuse("names two endpoints", "give the host or endpoint=, not both")
    stated, arn = region_of(_host(uri)), _ARN.fullmatch(uri.path)
    known = regions_of(uri) or ([arn["region"]] if arn else [])
    if stated and any(region != stated for region in known):
        raise uri.refuse(f"has an endpoint in {stated} for a key in {', '.join(known)}", "make them agree")
    if endpoint_of(uri) and "true" in (uri.get("fips"), uri.get("dualstack")):
        raise uri.refuse("has an endpoint, and fips= or dualstack= that would choose another", "give one or the other")


def _check_credentials(uri: KeyURI) -> None:
    role = uri.get("role")
    match = _ROLE.fullmatch(role) if role else None
    if role and not match:
        raise uri.refuse("has a role= that is no role's ARN", "it looks like arn:aws:iam::111122223333:role/signer")
    region = place(uri).region
    if match and region and match["partition"] != partition_of(region):
        raise uri.refuse(f"has a role of partition {match['partition']} for a key in {region}", "make them agree")
    external_id = uri.get("external_id")
    if external_id and not _EXTERNAL_ID.fullmatch(external_id):
        raise uri.refuse("has a wrong external_id=", "it has 2 to 1224 letters, digits and +=,.@:/_-")
    if external_id and not role:
        raise uri.refuse("has external_id= without role=", "an external id is for assuming a role: give role=, or leave it out")
    if uri.get("auth") and not endpoint_of(uri):
        raise uri.refuse("has auth=emulator and no endpoint", "give endpoint=http://127.0.0.1:PORT, where the emulator listens")
    if uri.get("auth") and uri.get("profile"):
        raise uri.refuse("has auth=emulator and profile=", "an emulator has credentials of its own: leave profile= out")


def _host(uri: KeyURI) -> str:
    if uri.authority:
        return uri.host
    endpoint = uri.get("endpoint")
    return split_endpoint(endpoint)[1] if endpoint else ""
