"""What a ``gcpkms:`` URI may say, in farsign's grammar and in others'. No I/O, no SDK.

The canonical form is ``gcpkms://`` and the resource's name, ``projects/.../cryptoKeys/K[/cryptoKeyVersions/V]``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from farsign._base.algorithms import primitive
from farsign.driver import KeyURI, split_endpoint

from ._algorithms import SIGNED

_NAME: Final = "[A-Za-z0-9_-]{1,63}"
# Projects by id, number or, in a domain of their own, example.com:id
_PROJECT: Final = r"(?:[a-z0-9][a-z0-9.-]{0,62}:)?[a-z0-9][a-z0-9-]{0,62}"
_LOCATION: Final = "[a-z0-9-]{1,63}"
KEY: Final = re.compile(rf"projects/{_PROJECT}/locations/({_LOCATION})/keyRings/{_NAME}/cryptoKeys/{_NAME}")
VERSION: Final = re.compile(rf"(?P<key>{KEY.pattern})/cryptoKeyVersions/(?P<number>[1-9][0-9]{{0,17}})")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9-]{1,63}@[A-Za-z0-9.-]{1,190}")
_EXAMPLE: Final = (
    "write gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K, and /cryptoKeyVersions/V behind it to pin a version; "
    "`gcloud kms keys list` shows names"
)


class Place(NamedTuple):
    """Resource names. version: "" where the URI leaves it open."""

    key: str
    version: str
    location: str


def check(uri: KeyURI) -> KeyURI:
    """The canonical form. Raises InvalidKeyURI."""
    path = f"{uri.authority}/{uri.path}" if uri.authority else uri.path
    path = re.sub(r"(/cryptoKeys/[^/]+)/versions/", r"\1/cryptoKeyVersions/", path)  # sigstore's and cosign's short form
    version = VERSION.fullmatch(path)
    if not version and not KEY.fullmatch(path):
        raise uri.refuse(f"names no Cloud KMS key{_wrong_part(path)}", _EXAMPLE)
    rest = path.removeprefix("projects/")
    uri = uri.replace(authority="projects", path=rest).check(endpoint=str, quota_project=str, impersonate=str, auth=("emulator",))
    if uri.kid and not version:
        raise uri.refuse("has kid=, which names one key version", "pin one, .../cryptoKeyVersions/V, or leave kid= out")
    if uri.alg and primitive(uri.alg) not in SIGNED:
        step = f"use one of {' '.join(SIGNED)}; the version's algorithm decides, so alg= may be left out"
        raise uri.refuse(f"has alg={uri.alg}, which Cloud KMS has no keys for", step)
    _check_parameters(uri)
    return uri


def explain(uri: KeyURI) -> list[tuple[str, str]]:
    """Of a canonical URI."""
    project, _, location, _, ring, _, key, *version = uri.segments
    number = version[-1] if version else "the newest enabled, once verifiers can know it"
    return [("project", project), ("location", location), ("key ring", ring), ("key", key), ("version", number)]


def place(uri: KeyURI) -> Place:
    """Of a canonical URI."""
    path = f"projects/{uri.path}"
    pinned = VERSION.fullmatch(path)
    return Place(pinned["key"] if pinned else path, path if pinned else "", uri.segments[2])


_PARTS: Final = {  # in the order of a name
    "projects": (_PROJECT, "lower-case letters, digits and -"),
    "locations": (_LOCATION, "lower-case letters, digits and -"),
    "keyRings": (_NAME, "letters, digits, _ and -"),
    "cryptoKeys": (_NAME, "letters, digits, _ and -"),
    "cryptoKeyVersions": ("[1-9][0-9]{0,17}", "a number from 1"),
}


def _wrong_part(path: str) -> str:
    """For a path that has the form of a name: which part is wrong, and how it should be. Else empty."""
    words, values = path.split("/")[::2], path.split("/")[1::2]
    if len(words) == len(values) and words in (list(_PARTS)[:4], list(_PARTS)):
        for word, value in zip(words, values, strict=True):
            if not re.fullmatch(_PARTS[word][0], value):
                return f": {word}/ is followed by {_PARTS[word][1]}"
    return ""


def _check_parameters(uri: KeyURI) -> None:
    if (project := uri.get("quota_project")) and not re.fullmatch(_PROJECT, project):
        raise uri.refuse("has a quota_project= that is no project", "give a project's id or number")
    if (account := uri.get("impersonate")) and not _ACCOUNT.fullmatch(account):
        raise uri.refuse("has an impersonate= that is no service account", "it looks like signer@PROJECT.iam.gserviceaccount.com")
    if endpoint := uri.get("endpoint"):
        split_endpoint(endpoint)
    elif uri.get("auth"):
        raise uri.refuse("has auth=emulator and no endpoint=", "append the emulator's address, endpoint=http://127.0.0.1:PORT")
    if uri.get("auth") and uri.get("impersonate"):
        raise uri.refuse("has auth=emulator and impersonate=", "an emulator has credentials of its own: leave impersonate= out")
