"""The benchmark of the decoder runs: two documents, no rivals, figures that make sense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "benchmarks" / "decode.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="the benchmarks are not part of the source distribution")
def test_two_documents_without_rivals():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--documents", "2", "--max-tokens", "40", "--repeats", "1", "--rivals"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert set(figures["different answers"].values()) == {0}
    tables = figures["variants"]
    assert all(table["valid"] == 2 for table in tables.values())
    texts = [name for name in tables if "generate" not in name]
    assert len(texts) == 4 and all(tables[name]["same text"] == 2 for name in texts)
    plain, drafts = tables["qwen_struct, plain"], tables["qwen_struct"]
    assert plain["passes/token"] > 1 >= drafts["passes/token"] > 0
    assert plain["tokens"] == drafts["tokens"] > 0
    assert 0 < figures["floors"]["time to first token, second / first document"] < 1
    assert figures["floors"]["forward passes per output token"] == drafts["passes/token"]
