"""The wheel and the sdist hold exactly the tree: nothing missing, nothing extra."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PARTS = ("core", "backends", "contrib")
TOP = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "tox.ini")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def sources() -> dict[str, Path]:
    """Import path -> file. A path minus its first segment is the import name."""
    found = {}
    for part in PARTS:
        for path in (ROOT / part).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found[path.relative_to(ROOT / part).as_posix()] = path
    return found


def test_the_wheel_is_the_tree(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert set(packed) == set(sources())
    for name, path in sources().items():
        assert packed[name] == path.read_bytes(), name
    assert "farsign/py.typed" in packed


def test_the_sdist_is_the_tree(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    for part in (*PARTS, "tests", "benchmarks", "docs"):
        expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / part).rglob("*") if path.is_file() and _kept(path)}
        assert {name for name in packed if name.startswith(f"{part}/")} == expected
    assert set(TOP) <= packed


def _kept(path: Path) -> bool:
    return not any(part == "__pycache__" or part.startswith((".hypothesis", ".pytest_cache")) for part in path.parts)


def test_the_metadata_says_what_it_is(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(archive.read(name).decode() for name in names if name.endswith("METADATA"))
    assert any(name.endswith("licenses/LICENSE") for name in names)
    for line in ("License-Expression: Apache-2.0", "Requires-Python: >=3.11", "Requires-Dist: cryptography>=47"):
        assert line in metadata
    for extra in ("aws", "gcp", "azure", "vault", "http", "fast", "testing", "all"):
        assert f"Provides-Extra: {extra}" in metadata


def test_entry_points_resolve() -> None:
    points = [point for point in entry_points(group="farsign.backends") if point.dist and point.dist.name == "farsign"]
    assert {"file", "memory", "awskms"} <= {point.name for point in points}
    for point in points:
        assert point.load().__name__ == point.value
