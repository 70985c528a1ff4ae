"""Every error that qwen_struct raises on purpose, in one tree.

    QwenStructError
    +-- SchemaError (also ValueError)     pointer: JSON Pointer into the schema; keyword
    |   +-- InvalidSchemaError            the schema is not a schema
    |   +-- UnsupportedSchemaError        a keyword, or a use of it, that cannot be enforced exactly
    |   +-- UnsatisfiableSchemaError      no value can satisfy the schema
    |   +-- UnresolvableReferenceError    a $ref that leads nowhere, or to a document that was not passed
    |   +-- SchemaBudgetError             deciding the schema took more work than its limit (the fuel) allows
    +-- ValidationError (also ValueError) faults: what is wrong with a value, each with its JSON Pointer
    +-- DecodingError                     the decode could not go on
    |   +-- TokenRejectedError            a token that the constraint does not allow
    |   +-- BudgetError                   the token limit is below what the schema needs; says the minimum
    +-- SourceError                       the text, file or document to read from
    |   +-- EmptySourceError
    |   +-- ContextLengthError            the prompt does not fit into the model's context
    +-- ModelError                        a model that cannot be found, loaded or used
    |   +-- RemoteModelError              a server that cannot be reached, or answers with an error; status
    |       +-- RefusedError              the remote model declined to answer; refusal
    +-- CacheError                        a file of saved masks that is damaged, or made with something else

Every message says what is wrong, where, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class QwenStructError(Exception):
    """Base of all errors that qwen_struct raises on purpose. They can be pickled, so they cross processes whole."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[QwenStructError], args: tuple[Any, ...], members: dict[str, Any]) -> QwenStructError:
    error = kind.__new__(kind, *args)  # not through __init__, which takes other arguments and words the message
    error.__dict__.update(members)
    return error


class SchemaError(QwenStructError, ValueError):
    """Something about the schema. ``pointer`` locates it (RFC 6901), ``keyword`` names the keyword at fault."""

    def __init__(self, message: str, *, pointer: str = "", keyword: str | None = None) -> None:
        self.message, self.pointer, self.keyword = message, pointer, keyword
        where = f"at {pointer or '#'}" + (f", keyword {keyword!r}" if keyword else "")
        super().__init__(f"{message} ({where})")


class InvalidSchemaError(SchemaError):
    """The document is not a JSON Schema."""


class UnsupportedSchemaError(SchemaError):
    """A keyword, or a use of one, that cannot be enforced exactly; refused rather than loosened."""


class UnsatisfiableSchemaError(SchemaError):
    """No value can satisfy the schema, so there is nothing to decode."""


class UnresolvableReferenceError(SchemaError):
    """A reference leads nowhere, in circles, or to a document that ``retrieve`` did not provide."""


class SchemaBudgetError(SchemaError):
    """Deciding what the schema allows took more steps than its fuel; simplify it or raise the limit."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a value: where (``pointer`` into the value), what, and the keyword that says so."""

    pointer: str
    message: str
    keyword: str | None = None

    def __str__(self) -> str:
        return f"{self.pointer or '#'}: {self.message}"


class ValidationError(QwenStructError, ValueError):
    """A value does not satisfy its schema: ``faults`` in document order, ``text`` the JSON if a model wrote it."""

    text: str | None = None

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        self.faults = faults
        super().__init__("\n  ".join([message, *map(str, faults)]))


class DecodingError(QwenStructError):
    """The decode could not go on."""


class TokenRejectedError(DecodingError):
    """A token that the constraint does not allow at this point."""


class BudgetError(DecodingError):
    """The token limit is too small. ``minimum`` is the least that works, if known; ``text`` what was written so far."""

    def __init__(self, message: str, *, minimum: int | None = None, text: str = "") -> None:
        self.minimum, self.text = minimum, text
        super().__init__(message)


class SourceError(QwenStructError):
    """The text, file or document to read from cannot be used."""


class EmptySourceError(SourceError):
    """There is no text to extract from."""


class ContextLengthError(SourceError):
    """The prompt and the answer do not fit into the model's context."""

    def __init__(self, message: str, *, num_tokens: int, limit: int) -> None:
        self.num_tokens, self.limit = num_tokens, limit
        super().__init__(message)


class ModelError(QwenStructError):
    """A model that cannot be found, loaded or used."""


class RemoteModelError(ModelError):
    """A model's server cannot be reached, or what it answers is no answer. ``status`` is the HTTP status, if any."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class RefusedError(RemoteModelError):
    """The remote model declined to answer, or its server's filter held the answer back; ``refusal`` is what it said."""

    def __init__(self, message: str, *, refusal: str = "") -> None:
        self.refusal = refusal
        super().__init__(message, status=200)


class CacheError(QwenStructError):
    """A file of saved masks is damaged, or was made with another tokenizer or another version."""
