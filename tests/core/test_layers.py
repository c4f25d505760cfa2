"""Imports go down only. The table is the house: a folder or module of it has a floor, and so has all inside."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent
CORE = ROOT / "core" / "farsign"

LAYER = {
    0: "_base errors events",
    1: "_plugin driver testing testing.emulator testing._calls testing._faults testing._http testing._keystore"
    " testing._signatures testing._tls",
    2: "_signer",
    3: "_jose jwk jws jwt _private_keys",
    5: "cli __main__ testing.plugin testing.conformance",
}
FLOOR = {name: floor for floor, names in LAYER.items() for name in names.split()}
SDKS = ("boto3", "botocore", "urllib3", "google", "grpc", "azure", "hvac", "requests", "aiohttp")
BACKENDS = ("farsign_local", "farsign_aws", "farsign_gcp", "farsign_azure", "farsign_vault")

# (importing module, imported module), inside a function: the only ones that go up, each with its reason
UP = {
    ("_signer.signing_key", "_private_keys"): "as_private_key makes a layer 3 object of a layer 2 key",
}
CORE_TO_BACKEND = {
    ("cli._keys", "farsign_local"): "`farsign new` makes key files",
    ("cli._demo", "farsign_local"): "`farsign demo` makes one",
}


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Import(NamedTuple):
    source: str
    target: str
    where: str  # "top", "function" or "types" (under TYPE_CHECKING: no import at run time)


def imports_of(path: Path, package: str, module: str) -> list[Import]:
    found: list[Import] = []

    def visit(node: ast.AST, where: str) -> None:
        for child in ast.iter_child_nodes(node):
            deeper = (
                "types" if _type_checking(child) else "function" if isinstance(child, FUNCTIONS) and where == "top" else where
            )
            if isinstance(child, ast.Import):
                found.extend(Import(module, alias.name, where) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                found.extend(Import(module, target, where) for target in _targets(child, package, module, path))
            visit(child, deeper)

    visit(ast.parse(path.read_text()), "top")
    return found


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _targets(node: ast.ImportFrom, package: str, module: str, path: Path) -> list[str]:
    if node.level == 0:
        base = node.module or ""
    else:
        here = [package, *module.split(".")] if module else [package]
        if path.name != "__init__.py":
            here = here[:-1]
        here = here[: len(here) - (node.level - 1)]
        base = ".".join([*here, *([node.module] if node.module else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


def modules(root: Path) -> dict[str, Path]:
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def floor_of(name: str) -> int | None:
    while name and name not in FLOOR:
        name = name.rpartition(".")[0]
    return FLOOR.get(name)


def within_core(target: str) -> str | None:
    """The part of core that a target is."""
    return target.removeprefix("farsign.") if target.startswith("farsign.") else None


CORE_IMPORTS = [each for name, path in modules(CORE).items() for each in imports_of(path, "farsign", name)]


def test_every_module_has_a_floor() -> None:
    assert [name for name in modules(CORE) if name and floor_of(name) is None] == []
    assert [name for name in FLOOR if name not in modules(CORE)] == []


def test_core_imports_downwards_only() -> None:
    wrong = []
    for source, target, where in CORE_IMPORTS:
        name = within_core(target)
        above, below = floor_of(source), floor_of(name or "")
        if where == "types" or above is None or below is None or below <= above:
            continue
        if where != "function" or (source, str(name).rpartition(".")[0]) not in UP:
            wrong.append(f"{source} (floor {above}) -> {name} (floor {below})")
    assert wrong == []


def test_core_knows_no_vendor_sdk() -> None:
    assert [each for each in CORE_IMPORTS if each.target.split(".")[0] in SDKS] == []


def test_core_imports_no_backend_but_for_making_keys() -> None:
    found = {(each.source, each.target.split(".")[0]) for each in CORE_IMPORTS if each.target.split(".")[0] in BACKENDS}
    assert found <= set(CORE_TO_BACKEND)


@pytest.mark.parametrize("backend", [name for name in BACKENDS if (ROOT / "backends" / name).is_dir()])
def test_a_backend_uses_the_lower_floors_and_the_emulator_only(backend: str) -> None:
    root = ROOT / "backends" / backend
    wrong = []
    for name, path in modules(root).items():
        for _, target, where in imports_of(path, backend, name):
            core = within_core(target)
            if target == "farsign" and where == "top":
                wrong.append(f"{name}: import farsign at the top")
            if core is None or target.startswith(("farsign.Signer", "farsign.Policy", "farsign.parse_uri")):
                continue
            floor = floor_of(core)
            if floor is not None and floor > 1 and where == "top":
                wrong.append(f"{name} -> {core}")
            if target.split(".")[0] in BACKENDS and target.split(".")[0] != backend:
                wrong.append(f"{name} -> {target}")
    assert wrong == []


@pytest.mark.parametrize("name", list(modules(ROOT / "contrib")))
def test_contrib_uses_the_public_api_only(name: str) -> None:
    for each in imports_of(modules(ROOT / "contrib")[name], "", name):
        private = [part for part in each.target.split(".")[1:] if part.startswith("_")]
        assert not (each.target.startswith("farsign.") and private), each
