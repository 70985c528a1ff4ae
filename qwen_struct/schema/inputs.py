"""Whatever a user hands in as a schema, as one thing: :class:`SchemaInput`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidSchemaError, SourceError
from .depth import allow_deep_schemas
from .outlines_terms import is_outlines, json_schema_of

if TYPE_CHECKING:
    from .references import Retrieve


@dataclass(frozen=True, eq=False)
class SchemaInput:
    """A schema and the way back to the type it came from.

    ``to_python`` takes the JSON *text*, not the parsed value, so that numbers reach the type as they were written
    (``12.50`` becomes ``Decimal("12.50")``); it raises :class:`~qwen_struct.errors.ValidationError` with every fault.
    """

    json_schema: dict[str, Any] | bool  # for readers: what a prompt shows
    constraint_schema: dict[str, Any] | bool  # for the decoder: what fits it, to_python takes
    to_python: Callable[[str], Any] = field(repr=False)
    from_python: Callable[[Any], Any] = field(repr=False)  # the same check for a Python value; see validate
    name: str
    description: str | None = None
    core_schema: Any = field(default=None, repr=False)  # pydantic-core's, of a Python type


def load_schema(schema: Any, *, retrieve: Retrieve | None = None) -> SchemaInput:
    """Take a schema in any of its forms.

    * a type: a Pydantic model, dataclass, TypedDict, NamedTuple, Enum, ``list[Model]``, ``dict[str, int]``, a union,
      any annotation that Pydantic's TypeAdapter reads, or a TypeAdapter. The value that comes back is of this type.
    * a JSON Schema as dict, bool or JSON text, or the path of a ``.json`` file. The parsed JSON comes back.
    * an output type of Outlines, see :mod:`~qwen_struct.schema.outlines_terms`.
    * ``"path/to/file.py:Name"`` or ``"package.module:Name"``, naming either of the above. The file is run.

    ``retrieve(uri) -> schema`` provides remote documents that a JSON Schema refers to; nothing is fetched.

    Raises:
        SourceError: a file that does not exist or cannot be read.
        InvalidSchemaError: not a schema; UnresolvableReferenceError: a reference leads nowhere.
        UnsupportedSchemaError: a type or keyword that cannot be enforced.
    """
    if isinstance(schema, SchemaInput):
        return schema
    allow_deep_schemas()
    if isinstance(schema, str):
        return _from_string(schema, retrieve)
    if isinstance(schema, Path):
        return _from_path(schema, retrieve)
    if isinstance(schema, bool | Mapping):
        return _from_json_schema(schema, retrieve)
    if is_outlines(schema):
        return _from_json_schema(json_schema_of(schema), retrieve)
    from .adapter import from_type

    return from_type(schema)


def _from_string(schema: str, retrieve: Retrieve | None) -> SchemaInput:
    if schema.lstrip().startswith("{"):
        return _from_json_text(schema, "the text", retrieve)
    if schema.endswith((".json", ".py")):
        return _from_path(Path(schema), retrieve)
    if ":" in schema.lstrip(":"):
        from .named import load_named

        found = load_named(schema)
        if isinstance(found, str | Path):
            raise InvalidSchemaError(f"{schema} is {found!r}, no schema; name a type or a JSON Schema")
        return load_schema(found, retrieve=retrieve)
    raise InvalidSchemaError(
        f"{schema!r} names no schema; give a type, a dict, the path of a .json file, or path/to/file.py:Name"
    )


def _from_path(path: Path, retrieve: Retrieve | None) -> SchemaInput:
    if path.suffix == ".py":
        from .named import without_name

        raise without_name(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SourceError(f"no such file: {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as a JSON Schema: {error}") from error
    return _from_json_text(text, str(path), retrieve, name=path.stem)


def _from_json_text(text: str, where: str, retrieve: Retrieve | None, name: str | None = None) -> SchemaInput:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidSchemaError(f"{where} is not JSON: {error}") from error
    return _from_json_schema(schema, retrieve, name)


def _from_json_schema(schema: Any, retrieve: Retrieve | None, name: str | None = None) -> SchemaInput:
    from .checking import checker, parse, require
    from .metaschema import plain

    document = plain(schema)
    faults = checker(document, retrieve)
    title = document.get("title") if isinstance(document, dict) else None
    name = title if isinstance(title, str) else name or "JSON Schema"
    description = document.get("description") if isinstance(document, dict) else None

    def from_python(value: Any) -> Any:
        return require(value, faults(value), name)

    return SchemaInput(
        json_schema=document,
        constraint_schema=document,
        to_python=lambda text: from_python(parse(text)),
        from_python=from_python,
        name=name,
        description=description if isinstance(description, str) else None,
    )
