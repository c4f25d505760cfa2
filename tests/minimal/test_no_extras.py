"""farsign with nothing but its own requirements: everything imports, and what is missing says what to install."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec

import pytest

import farsign
from farsign import errors
from farsign._plugin.discovery import KNOWN_EXTRAS

SDKS = ("boto3", "botocore", "google.cloud", "grpc", "azure", "hvac", "httpx", "msgspec", "pybase64")
MODULES = [module.name for module in pkgutil.walk_packages(farsign.__path__, "farsign.") if not module.name.endswith("__main__")]
URIS = {
    "awskms": "awskms:///alias/auth?region=eu-west-1",
    "gcpkms": "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
    "azurekms": "azurekms://vault/key",
    "hashivault": "hashivault://key",
    "openbao": "openbao://key",
}
INSTALLED = {point.name for point in entry_points(group="farsign.backends")}


@pytest.mark.skipif(
    any(find_spec(name.partition(".")[0]) for name in SDKS), reason="this environment has extras; tox -e minimal has none"
)
class TestWithoutExtras:
    @pytest.mark.parametrize("name", MODULES)
    def test_every_module_of_core_imports(self, name: str) -> None:
        importlib.import_module(name)

    @pytest.mark.parametrize("scheme", sorted(INSTALLED & set(URIS)))
    def test_a_missing_sdk_names_the_extra(self, scheme: str) -> None:
        assert str(farsign.parse_uri(URIS[scheme])).startswith(scheme), "parsing needs no SDK"
        with pytest.raises(errors.BackendNotInstalled, match="not installed") as caught:
            farsign.open_signer(URIS[scheme])
        assert caught.value.next_step == f"pip install 'farsign[{KNOWN_EXTRAS[scheme].name}]'"

    def test_the_main_job_runs(self) -> None:
        done = subprocess.run([sys.executable, "-m", "farsign", "demo"], capture_output=True, text=True, check=True)
        assert "verified" in done.stdout

    def test_the_list_of_backends_says_what_is_missing(self) -> None:
        done = subprocess.run([sys.executable, "-m", "farsign", "backends"], capture_output=True, text=True, check=True)
        assert "file" in done.stdout
        assert INSTALLED & set(URIS) <= set(done.stdout.split())
