"""``import farsign`` costs next to nothing: names are imported when they are used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# What may be loaded by which first use. Names are prefixes of modules.
HEAVY = (
    "cryptography",
    "jwt",
    "pluggy",
    "asyncio",
    "importlib.metadata",
    "logging",
    "concurrent",
    "ssl",
    "http",
    "urllib",
    "json",
    "typing",
)
SDKS = (
    "boto3",
    "botocore",
    "google.cloud",
    "google.api_core",
    "grpc",
    "azure",
    "hvac",
    "requests",
    "httpx",
    "aiohttp",
    "msgspec",
    "pybase64",
)
STARTUP = "import sys; before = set(sys.modules); {code}; names = sorted(set(sys.modules) - before); import json; print(json.dumps(names))"


def loaded_by(code: str) -> list[str]:
    """Modules that a fresh interpreter loads for the code."""
    done = subprocess.run([sys.executable, "-c", STARTUP.format(code=code)], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


def of(names: list[str], prefixes: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)]


def test_importing_farsign_loads_farsign_alone() -> None:
    assert loaded_by("import farsign") == ["farsign"]


@pytest.mark.parametrize("code", ["import farsign.errors", "from farsign import driver", "from farsign import errors, driver"])
def test_a_plugin_module_stays_cheap(code: str) -> None:
    assert of(loaded_by(code), ("cryptography", "jwt", "pluggy", "asyncio", "importlib.metadata", "ssl", *SDKS)) == []


@pytest.mark.parametrize(
    "package", ["farsign_aws", "farsign_gcp", "farsign_azure", "farsign_vault", "farsign_local", "farsign_contrib"]
)
def test_a_backend_loads_no_sdk(package: str) -> None:
    pytest.importorskip(package)
    assert of(loaded_by(f"import {package}"), SDKS) == []


def test_a_uri_loads_its_own_sdk_and_no_other() -> None:
    code = "import farsign; farsign.open_signer('awskms:///alias/x?region=eu-west-1&auth=emulator&endpoint=http://127.0.0.1:1')"
    pytest.importorskip("boto3")
    assert of(loaded_by(code), ("google.cloud", "grpc", "azure", "hvac", "httpx", "asyncio.tasks")) == []


def test_the_command_line_answers_without_the_rest() -> None:
    assert of(loaded_by("from farsign.cli import main"), ("cryptography", "jwt", "pluggy", *SDKS)) == []


def test_the_contract_covers_what_is_heavy() -> None:
    """The lists above name real modules: each heavy one is loaded by the whole job."""
    names = loaded_by("import farsign, asyncio; from farsign import jwt; farsign.parse_uri('file:///etc/app/key.pem')")
    assert all(
        of(names, (prefix,)) for prefix in HEAVY if prefix not in ("typing", "http", "urllib", "concurrent", "ssl", "logging")
    )
