"""Typed values out of text with Qwen2.5 models; every answer is valid JSON for its schema, by construction.

``extract(text, Schema)`` is the whole of it for most uses: it returns a value of the type asked for. ``Extractor``
keeps a model and says more about each answer (``Extraction``); ``validate`` checks a value from elsewhere;
``Vocabulary``, ``compile_schema`` and ``allocate_token_bitmask`` are the constraint engine on its own, for other
decoders; ``SchemaLogitsProcessor`` is for transformers' own, ``OpenAIModel`` for models behind a server. All errors
derive from ``QwenStructError``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    BudgetError,
    CacheError,
    ContextLengthError,
    DecodingError,
    EmptySourceError,
    Fault,
    InvalidSchemaError,
    ModelError,
    QwenStructError,
    RefusedError,
    RemoteModelError,
    SchemaBudgetError,
    SchemaError,
    SourceError,
    TokenRejectedError,
    UnresolvableReferenceError,
    UnsatisfiableSchemaError,
    UnsupportedSchemaError,
    ValidationError,
)

# Imported here and not on demand: a submodule that loads later would put itself in the place of the function `extract`.
from .extract import Extraction, Extractor, extract

if TYPE_CHECKING:
    from .constraint import Vocabulary, allocate_token_bitmask, compile_schema
    from .decode.memory import plan_memory
    from .integrations.openai import OpenAIModel
    from .integrations.transformers import SchemaLogitsProcessor
    from .partial import Partial, TextDelta
    from .schema.validate import validate

__version__ = "0.1.0"

__all__ = [
    "BudgetError",
    "CacheError",
    "ContextLengthError",
    "DecodingError",
    "EmptySourceError",
    "Extraction",
    "Extractor",
    "Fault",
    "InvalidSchemaError",
    "ModelError",
    "OpenAIModel",
    "Partial",
    "QwenStructError",
    "RefusedError",
    "RemoteModelError",
    "SchemaBudgetError",
    "SchemaError",
    "SchemaLogitsProcessor",
    "SourceError",
    "TextDelta",
    "TokenRejectedError",
    "UnresolvableReferenceError",
    "UnsatisfiableSchemaError",
    "UnsupportedSchemaError",
    "ValidationError",
    "Vocabulary",
    "allocate_token_bitmask",
    "compile_schema",
    "extract",
    "plan_memory",
    "validate",
]

# These need NumPy, numba, torch or Pydantic, so each loads when it is first asked for.
_ON_DEMAND = {
    "OpenAIModel": ".integrations.openai",
    "Partial": ".partial",
    "TextDelta": ".partial",
    "SchemaLogitsProcessor": ".integrations.transformers",
    "Vocabulary": ".constraint",
    "allocate_token_bitmask": ".constraint",
    "compile_schema": ".constraint",
    "plan_memory": ".decode.memory",
    "validate": ".schema.validate",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_ON_DEMAND[name], __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
