"""The architecture, as far as imports show it: layers point down, and the light parts stay light."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import qwen_struct

PACKAGE = Path(qwen_struct.__file__).parent
LAYERS = """errors textio schema language constraint prompt decode partial extract integrations cli __main__""".split()
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "mini")
TOP = {"__init__"}  # the package itself sees everything


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(dotted name, whether it runs when the module is imported) of each import that is not for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    package = ["qwen_struct", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in inside
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                yield ".".join([*base, name]), id(node) not in inside


def layer_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_layer_imports_only_itself_and_those_below(path: Path) -> None:
    layer = layer_of(path)
    if layer in TOP:
        return
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    used = {name.split(".")[1] for name, _ in imports(path) if name.startswith("qwen_struct.")}
    assert used - {"__version__"} <= set(allowed)


HEAVY = {"torch", "transformers", "numba", "numpy", "pydantic", "jsonschema", "huggingface_hub"}
NEVER = {
    "schema": {"torch", "transformers", "numba", "numpy"},
    "language": {"torch", "transformers"},
    "constraint": {"torch"},
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_layer_keeps_away_from_what_it_must_not_know(path: Path) -> None:
    used = {name.split(".")[0] for name, _ in imports(path)}
    assert not used & NEVER.get(layer_of(path), set())
    at_import = {name.split(".")[0] for name, immediate in imports(path) if immediate}
    if layer_of(path) in {"__init__", "errors", "textio", "extract", "cli", "__main__", "prompt"}:
        assert not at_import & HEAVY
