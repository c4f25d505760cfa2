"""docs/verifying.md: each tick names what shows it, and that exists."""

from __future__ import annotations

import re
from pathlib import Path

from attacks import CASES

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "verifying.md").read_text()
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", re.M)
DEFINED = {
    name
    for folder in ("core/jose", "vectors", "fuzz")
    for file in (ROOT / "tests" / folder).glob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.M)
}


def test_every_row_of_the_checklist_is_there_and_names_what_shows_it() -> None:
    rows = ROW.findall(PAGE)
    assert {int(number) for number, *_ in rows} == set(range(1, 29))
    for number, checked, because, shown in rows:
        names = re.findall(r"`([^`]+)`", shown)
        assert names, checked
        assert because, checked
        for name in names:
            if name.startswith("attacks "):
                assert name == f"attacks {number}"
                assert any(case.startswith(f"{number} ") for case in CASES), name
            else:
                assert name in DEFINED, name


def test_every_attack_is_of_a_row_that_says_so() -> None:
    told = {number for number, *_, shown in ROW.findall(PAGE) if f"`attacks {number}`" in shown}
    assert {case.split()[0] for case in CASES} - {"0"} == told


def test_the_limits_are_those_of_the_code() -> None:
    from farsign._base import jwk_parse, strict_json
    from farsign._jose import compact, header, json_forms, key_set, sign

    kib = 1024
    assert f"| token, payload segment | {compact.MAX_TOKEN // kib} KiB |" in PAGE
    assert f"| header | {header.MAX_HEADER // kib} KiB, {header.MAX_MEMBERS} members |" in PAGE
    assert f"{json_forms.MAX_DOCUMENT // kib} KiB, at most {sign.MAX_SIGNATURES} signatures" in PAGE
    assert f"{strict_json.MAX_DEPTH}, {strict_json._MAX_DIGITS:,} |" in PAGE
    assert (
        f"| key set | {key_set.MAX_SET_TEXT // kib} KiB, {key_set.MAX_KEYS} keys; a JWK {jwk_parse.MAX_MEMBERS} members |" in PAGE
    )
