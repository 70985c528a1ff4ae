"""Start-up stays light: measured in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ["torch", "transformers", "tokenizers", "numba", "numpy", "pydantic", "jsonschema", "huggingface_hub"]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, encoding="utf-8", check=True
    )


def loaded_by(statement: str) -> list[str]:
    """Which of the heavy packages a statement brings in."""
    report = f"import sys, json; print(json.dumps([m for m in {HEAVY} if m in sys.modules]), file=sys.stderr)"
    return json.loads(python("-c", f"{statement}\n{report}").stderr)


@pytest.mark.parametrize(
    "statement",
    [
        "import qwen_struct",
        "from qwen_struct import extract, Extractor, Extraction, QwenStructError",
        "import qwen_struct.cli\ntry: qwen_struct.cli.main(['--help'])\nexcept SystemExit: pass",
        "import qwen_struct.cli\ntry: qwen_struct.cli.main(['extract', '--help'])\nexcept SystemExit: pass",
        "import qwen_struct.cli\ntry: qwen_struct.cli.main(['--version'])\nexcept SystemExit: pass",
    ],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    assert loaded_by(statement) == []


def test_the_command_line_checks_a_value_without_a_model() -> None:
    command = "['validate', 'schemas/invoice.json', '--schema', 'schemas/invoice.py:Invoice']"
    statement = f"import os, qwen_struct.cli; os.chdir({str(ROOT)!r}); qwen_struct.cli.main({command})"
    assert not {"torch", "transformers", "numba"} & set(loaded_by(statement))


@pytest.mark.parametrize("statement", ["import qwen_struct", "import qwen_struct.cli as c; c._parser().format_help()"])
def test_the_import_takes_less_than_three_tenths_of_a_second(statement: str) -> None:
    timed = f"import time; start = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)"
    fastest = min(float(python("-c", timed).stdout) for _ in range(3))  # the others measure the machine's other work
    assert fastest < 0.3


def test_the_function_extract_is_not_hidden_by_its_module() -> None:
    for first in ("import qwen_struct.extract", "from qwen_struct.extract import Extractor", "import qwen_struct.cli"):
        check = "import qwen_struct; from qwen_struct import extract; print(callable(extract))"
        assert python("-c", f"{first}\n{check}").stdout == "True\n"
