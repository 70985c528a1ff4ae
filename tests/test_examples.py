"""Each example runs on its own, as a user would run it, and prints what its docstring says."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def promised(path: Path) -> tuple[list[str], str]:
    """The last command in the docstring, and the output below it."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    _, _, last = docstring.rpartition("$ python ")
    command, _, output = last.partition("\n")
    return command.split(), output.rstrip()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_output_is_as_shown(path):
    arguments, output = promised(path)
    assert arguments[0] == f"examples/{path.name}"
    assert output
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert [line.rstrip() for line in run.stdout.rstrip().splitlines()] == output.splitlines()


def test_examples_are_short():
    for path in EXAMPLES:
        body = path.read_text(encoding="utf-8").split('"""', 2)[2]
        assert len(body.strip().splitlines()) <= 40, path
