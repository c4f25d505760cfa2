"""What awskms URIs mean: every form of a key id, other tools' dialects, and the one canonical spelling."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from farsign.driver import KeyURI, split_endpoint

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")
_ALIAS: Final = re.compile(r"alias/[A-Za-z0-9/_-]{1,250}")
_ARN: Final = re.compile(r"arn:(aws[a-z-]*):kms:([a-z0-9-]+):([0-9]{12}):(key/(.+)|alias/.+)")
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_REGION_IN_HOST: Final = re.compile(r"kms(?:-fips)?\.([a-z0-9-]+)\.")
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
    uri = _rewritten(uri)
    uri = uri.check(
        region=str, profile=str, role=str, external_id=str, fips=bool, dualstack=bool, endpoint=str, auth=("emulator",)
    )
    regions = regions_of(uri)
    if not all(_REGION.fullmatch(region) for region in regions):
        raise uri.refuse("has a wrong region=", "a region looks like eu-west-1; several are separated by commas")
    if len(regions) > 1 and not (uri.path.startswith("mrk-") or ":key/mrk-" in uri.path):
        raise uri.refuse("names several regions", "only a multi-Region key (mrk-...) is the same key in several")
    if uri.authority and uri.get("endpoint"):
        raise uri.refuse("names two endpoints", "give the host or endpoint=, not both")
    if uri.kid and not place(uri).pinned:
        raise uri.refuse("has kid= for an alias, which can mean another key tomorrow", "pin a key id or ARN, or leave kid= out")
    _check_regions(uri, regions)
    return uri


def place(uri: KeyURI) -> Place:
    """Of a canonical URI; of several regions the first."""
    arn = _ARN.fullmatch(uri.path)
    regions = regions_of(uri) or ([arn[2]] if arn else [])
    endpoint = f"https://{uri.authority}" if uri.authority else uri.get("endpoint", "") or ""
    return Place(uri.path, regions[0] if regions else "", endpoint)


def regions_of(uri: KeyURI) -> list[str]:
    given = uri.get("region")
    return given.split(",") if given else []


def replicas(uri: KeyURI) -> list[KeyURI]:
    """One URI for each region that a multi-Region key's URI names, preferred first."""
    regions = regions_of(uri)
    if len(regions) < 2:
        return [uri]
    arn = _ARN.fullmatch(uri.path)
    return [_in_region(uri, region, arn[2] if arn else "") for region in regions]


def _in_region(uri: KeyURI, region: str, old: str) -> KeyURI:
    path = uri.path.replace(f":kms:{old}:", f":kms:{region}:") if old else uri.path
    return uri.replace(path=path, parameters={**uri.parameters, "region": region})


def _rewritten(uri: KeyURI) -> KeyURI:
    authority = uri.authority
    if authority is None:
        uri = _opaque(uri)
    elif authority == "alias":  # gocloud: awskms://alias/auth
        uri = uri.replace(authority="", path=f"alias/{uri.path}")
    elif authority.startswith("arn:"):  # Tink: aws-kms://arn:aws:kms:...
        uri = uri.replace(authority="", path=f"{authority}/{uri.path}")
    elif not uri.path and _UUID.fullmatch(authority):
        uri = uri.replace(authority="", path=authority)
    if not (_UUID.fullmatch(uri.path) or _ALIAS.fullmatch(uri.path) or _is_arn(uri.path)):
        raise uri.refuse("does not name a KMS key", _EXPECTED)
    return uri


def _is_arn(text: str) -> bool:
    match = _ARN.fullmatch(text)
    return bool(match and (_UUID.fullmatch(match[5]) if match[5] else _ALIAS.fullmatch(match[4])))


def _opaque(uri: KeyURI) -> KeyURI:
    """smallstep: awskms:key-id=...;region=...; securesystemslib: awskms:alias/x."""
    if "=" not in uri.path:
        return uri.replace(authority="")
    pairs = [pair.partition("=") for pair in uri.path.split(";")]
    given = {name: value for name, _, value in pairs}
    if len(given) != len(pairs) or not {"key-id"} <= set(given) <= {"key-id", "region", "profile"}:
        raise uri.refuse("is no awskms URI", f"known in this form: key-id, region, profile; or {_EXPECTED}")
    parameters = {name: value for name, value in given.items() if name != "key-id"}
    return uri.replace(authority="", path=given["key-id"], parameters={**parameters, **uri.parameters})


def _check_regions(uri: KeyURI, regions: list[str]) -> None:
    """Regions that contradict each other mean a request signed for the wrong place: refused before any I/O (RULES 12)."""
    arn = _ARN.fullmatch(uri.path)
    if arn and regions and arn[2] not in regions:
        raise uri.refuse(f"is a key in {arn[2]}, and region= says {regions[0]}", "leave region= out: the ARN has it")
    host = uri.authority or (split_endpoint(endpoint)[1] if (endpoint := uri.get("endpoint")) else "")
    stated = _REGION_IN_HOST.match(host.lower()) if host else None
    known = [arn[2]] if arn else regions
    if stated and known and stated[1] not in known:
        raise uri.refuse(f"has an endpoint in {stated[1]} for a key in {known[0]}", "make them agree")
    if host and arn and _partition(host) not in ("", arn[1]):
        raise uri.refuse(f"has a key of partition {arn[1]} and an endpoint of {_partition(host)}", "make them agree")


def _partition(host: str) -> str:
    if host.endswith((".amazonaws.com.cn", ".amazonwebservices.com.cn")):
        return "aws-cn"
    match = _REGION_IN_HOST.match(host.lower())
    region = match[1] if match else ""
    return (
        "aws-us-gov"
        if region.startswith("us-gov-")
        else "aws"
        if region and host.endswith((".amazonaws.com", ".api.aws"))
        else ""
    )
