"""Schemas are walked recursively, several frames for each level of nesting."""

from __future__ import annotations

import sys

_RECURSION_LIMIT = 10_000  # frames; a stack of 8 MB holds four times as many


def allow_deep_schemas() -> None:
    """Raises Python's recursion limit for the process to what a deeply nested schema needs; never lowers it."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION_LIMIT))
