"""The tree of errors: what each one is, what it says and what it carries."""

from __future__ import annotations

import inspect
import pickle

import pytest

from qwen_struct import errors
from qwen_struct.errors import (
    BudgetError,
    ContextLengthError,
    EmptySourceError,
    Fault,
    InvalidSchemaError,
    ModelError,
    QwenStructError,
    SchemaError,
    TokenRejectedError,
    UnsupportedSchemaError,
    ValidationError,
)

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)]


def validation_error() -> ValidationError:
    error = ValidationError("two faults", (Fault("/total", "is not a number", "type"), Fault("", "too few members")))
    error.text = '{"total": "x"}'
    return error


EXAMPLES: list[tuple[QwenStructError, str]] = [
    (
        UnsupportedSchemaError("cannot be enforced", pointer="/properties/a", keyword="not"),
        "cannot be enforced (at /properties/a, keyword 'not')",
    ),
    (InvalidSchemaError("is no schema"), "is no schema (at #)"),
    (validation_error(), "two faults\n  /total: is not a number\n  #: too few members"),
    (BudgetError("too small", minimum=7, text="{"), "too small"),
    (ContextLengthError("too long", num_tokens=9, limit=8), "too long"),
    (TokenRejectedError("refused"), "refused"),
    (EmptySourceError("no text"), "no text"),
    (ModelError("not found"), "not found"),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_messages(error: QwenStructError, message: str) -> None:
    assert str(error) == message


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=lambda error: type(error).__name__)
def test_errors_cross_processes_whole(error: QwenStructError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_every_error_has_the_one_base_and_a_place_in_the_documented_tree() -> None:
    assert all(issubclass(c, QwenStructError) for c in CLASSES)
    documented = inspect.getdoc(errors) or ""
    assert [c.__name__ for c in CLASSES if c.__name__ not in documented] == []


@pytest.mark.parametrize("kind", [SchemaError, ValidationError])
def test_what_is_wrong_with_a_value_is_a_value_error_too(kind: type[Exception]) -> None:
    assert issubclass(kind, ValueError)
