"""Discovery with real distributions, installed by pip into a folder of the test's: who owns a scheme, and what a bad plugin can do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = """
from farsign import driver, errors

class Key(driver.RemoteSigner):
    endpoint, total_timeout = "{scheme}", True
    def describe(self, version=None, *, timeout): raise errors.KeyNotFound("{marker}")
    def sign(self, request, *, timeout): raise errors.KeyNotFound("x")
    def classify(self, error): return None
    def close(self): pass

@driver.hookimpl
def farsign_uri(uri): return uri.check(slot=int)

@driver.hookimpl
def farsign_open(uri): return Key()
"""
PYPROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "1"
[project.entry-points."farsign.backends"]
{entries}
[tool.hatch.build.targets.wheel]
include = ["*.py"]
"""
PROGRAM = """
import json, sys, farsign
from farsign import errors
def attempt(work):
    try:
        return repr(work())
    except farsign.FarsignError as error:
        return [type(error).__name__, str(error), error.next_step]
results = [attempt(lambda: eval(code)) for code in json.loads(sys.argv[1])]
print(json.dumps(results))
"""


class Site:
    """A folder with distributions in it, and programs that run with it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.target = folder, folder / "site"

    def install(self, name: str, entries: dict[str, str], **modules: str) -> None:
        source = self.folder / name
        source.mkdir()
        lines = "\n".join(f'{scheme} = "{value}"' for scheme, value in entries.items())
        (source / "pyproject.toml").write_text(PYPROJECT.format(name=name, entries=lines))
        for module, code in modules.items():
            (source / f"{module}.py").write_text(code)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
                   "--disable-pip-version-check", "--target", str(self.target), "--upgrade", str(source)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *codes: str, **environment: str) -> list[object]:
        env = {**os.environ, "PYTHONPATH": str(self.target), **environment}
        command = [sys.executable, "-c", PROGRAM, json.dumps(codes)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        results: list[object] = json.loads(done.stdout.splitlines()[-1])
        return results


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def plugin(scheme: str, marker: str = "mine") -> str:
    return DRIVER.format(scheme=scheme, marker=marker)


def test_an_installed_plugin_owns_its_scheme(site: Site) -> None:
    site.install("acme-kms", {"acme": "acme"}, acme=plugin("acme"))
    opened, wrong, key = site.run(
        "farsign.open_signer('acme:///k?slot=1').endpoint",
        "farsign.parse_uri('acme:///k?color=1')",
        "farsign.open_signer('acme:///k').key()",
    )
    assert opened == "'acme'"
    assert wrong[0] == "InvalidKeyURI"  # type: ignore[index]  # a list here
    assert key[0] == "KeyNotFound"  # type: ignore[index]  # a list here


def test_two_owners_of_a_scheme_are_refused_by_name(site: Site) -> None:
    site.install("acme-kms", {"acme": "acme"}, acme=plugin("acme"))
    site.install("Other_KMS", {"acme": "other"}, other=plugin("acme"))
    (refused,) = site.run("farsign.open_signer('acme:///k')")
    assert refused[0] == "SchemeConflict"  # type: ignore[index]  # a list here
    assert "acme-kms and other-kms" in refused[1]  # type: ignore[index]  # a list here
    (opened,) = site.run("farsign.open_signer('acme:///k').endpoint", FARSIGN_DISABLE_BACKENDS="other-kms")
    assert opened == "'acme'"


def test_nobody_takes_over_a_scheme_that_comes_with_farsign(site: Site) -> None:
    site.install("evil", {"file": "evil"}, evil=plugin("file"))
    (refused,) = site.run("farsign.open_signer('file:///etc/app/key.pem')")
    assert refused[0] == "SchemeConflict"  # type: ignore[index]  # a list here


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('boom')", "cannot be loaded: RuntimeError: boom"),
        ("import no_such_module", "no_such_module"),
        ("raise SystemExit(3)", "cannot be loaded"),
        ("def f(:", "SyntaxError"),
        ("x = 1", "does not implement farsign_uri"),
        (plugin("broken").replace("def farsign_open", "def farsign_opne"), "farsign_opne"),
        (plugin("broken").replace("return Key()", "return 7"), "no RemoteSigner (int)"),
        (plugin("broken").replace("return uri.check(slot=int)", "return 'x'"), "no KeyURI of its scheme (str)"),
        (plugin("broken").replace("return uri.check(slot=int)", "return uri.replace(scheme='file')"), "no KeyURI of its scheme"),
    ],
)
def test_a_broken_plugin_is_named_and_harms_no_other(site: Site, code: str, said: str) -> None:
    site.install("broken-dist", {"broken": "broken"}, broken=code)
    site.install("acme-kms", {"acme": "acme"}, acme=plugin("acme"))
    broken, good, again = site.run(
        "farsign.open_signer('broken:///k')", "farsign.open_signer('acme:///k').endpoint", "farsign.open_signer('broken:///k')"
    )
    assert broken[0] in ("BackendBroken", "BackendNotInstalled")  # type: ignore[index]  # a list here
    assert said in broken[1]  # type: ignore[index]  # a list here
    assert "broken-dist" in broken[1] + broken[2]  # type: ignore[index]  # a list here
    assert good == "'acme'"
    assert again == broken


def test_an_imposter_cannot_answer_for_anothers_scheme(site: Site) -> None:
    """It implements the hooks for every URI, and is even loaded; it is asked for its own scheme only."""
    imposter = plugin("imposter", "stolen").replace("return uri.check(slot=int)", "return uri")
    site.install("imposter-dist", {"imposter": "imposter"}, imposter=imposter)
    site.install("acme-kms", {"acme": "acme"}, acme=plugin("acme", "mine"))
    _, key = site.run("farsign.open_signer('imposter:///k').endpoint", "farsign.open_signer('acme:///k').key()")
    assert key[1].startswith("mine")  # type: ignore[index]  # a list here


def test_nothing_is_imported_that_the_uri_did_not_ask_for(site: Site) -> None:
    site.install("acme-kms", {"acme": "acme"}, acme=plugin("acme"))
    site.install("loud", {"loud": "loud"}, loud="import sys; sys.modules['loud_was_here'] = sys; " + plugin("loud"))
    _, absent, rows, still = site.run(
        "farsign.open_signer('acme:///k')",
        "'loud_was_here' in __import__('sys').modules",
        "[row.scheme for row in farsign._plugin.discovery.installed()]",
        "'loud_was_here' in __import__('sys').modules",
    )
    assert (absent, still) == ("False", "False")
    assert "loud" in str(rows)


@pytest.mark.parametrize(
    ("environment", "acme", "file"),
    [
        ({"FARSIGN_ALLOW_SCHEMES": "acme"}, True, False),
        ({"FARSIGN_ALLOW_SCHEMES": "file, memory"}, False, True),
        ({"FARSIGN_DISABLE_BACKENDS": "acme"}, False, True),
        ({"FARSIGN_DISABLE_BACKENDS": "Acme_KMS"}, False, True),
        ({"FARSIGN_ALLOW_SCHEMES": "acme", "FARSIGN_DISABLE_BACKENDS": "acme"}, False, False),
    ],
)
def test_the_environment_restricts_by_name(site: Site, environment: dict[str, str], acme: bool, file: bool) -> None:
    site.install("acme-kms", {"acme": "acme"}, acme=plugin("acme"))
    results = site.run("farsign.parse_uri('acme:///k')", "farsign.parse_uri('file:///k')", **environment)
    for result, expected in zip(results, (acme, file), strict=True):
        assert isinstance(result, str) == expected
        if not expected:
            assert result[0] == "SchemeRefused"  # type: ignore[index]  # a list here
