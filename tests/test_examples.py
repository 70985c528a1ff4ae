"""Each example runs on its own, as a user would run it, and prints what its docstring says."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDS = {"outlines_backend": "outlines", "remote_model": "openai"}  # packages of an extra
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def promised(path: Path) -> tuple[list[str], str]:
    """The last command in the docstring, and the output below it."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    _, _, last = docstring.rpartition("$ python ")
    command, _, output = last.partition("\n")
    return command.split(), output.rstrip()


def assert_as_shown(printed: str, output: str) -> None:
    assert [line.rstrip() for line in printed.rstrip().splitlines()] == output.splitlines()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_output_is_as_shown(path, monkeypatch, capsys):
    if find_spec(needed := NEEDS.get(path.stem, "qwen_struct")) is None:
        pytest.skip(f"needs {needed}: pip install 'qwen-struct[{needed}]'")
    arguments, output = promised(path)
    assert arguments[0] == f"examples/{path.name}"
    assert output
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(arguments[0], run_name="__main__")  # here and not as a process each: loading torch takes seconds
    assert_as_shown(capsys.readouterr().out, output)


def test_an_example_runs_as_a_program():
    arguments, output = promised(ROOT / "examples" / "invoice.py")
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert_as_shown(run.stdout, output)


def test_examples_are_short():
    for path in EXAMPLES:
        body = path.read_text(encoding="utf-8").split('"""', 2)[2]
        assert len(body.strip().splitlines()) <= 40, path
