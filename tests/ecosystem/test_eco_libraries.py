"""Each library of libraries.toml has a module that tries it, and an environment that installs it; the most used are in every run."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LISTED = tomllib.loads((HERE / "libraries.toml").read_text())
OURS = (HERE.parent.parent / "pyproject.toml", HERE.parent / "requirements.txt")


def modules() -> dict[str, list[ast.Module]]:
    """By the library that they say they are about."""
    found: dict[str, list[ast.Module]] = {}
    for path in HERE.glob("test_eco_*.py"):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "(LIBRARY, HOW)":
                found.setdefault(ast.literal_eval(node.value)[0], []).append(tree)
    return found


def required(*files: Path) -> set[str]:
    text = "\n".join(path.read_text() for path in files)
    return {name.lower() for name in re.findall(r"([A-Za-z][\w.-]*)(?:\[[\w,-]+\])?[<>]=?\d", text)}


def test_every_library_is_tried() -> None:
    assert set(modules()) == {*LISTED["unmodified"], *LISTED["adapted"]}


def test_every_library_is_installed_by_an_environment() -> None:
    listed = required(*OURS, *HERE.glob("requirements-*.txt"))
    brought = {"botocore": "boto3"}
    assert {name for name in modules() if brought.get(name, name).lower() not in listed} == set()


@pytest.mark.parametrize("library", LISTED["most_used"])
def test_the_most_used_are_in_every_run_and_show_what_the_provider_said(library: str) -> None:
    assert library.lower() in required(*OURS)
    names = {node.name for tree in modules()[library] for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert "test_the_provider_refuses" in names
