"""Check a value that came from anywhere against any schema that ``extract`` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .inputs import load_schema

if TYPE_CHECKING:
    from .references import Retrieve


def validate(value: Any, schema: Any, *, retrieve: Retrieve | None = None) -> Any:
    """Return ``value`` as the type that ``schema`` asks for, or raise everything that is wrong with it.

    A Python type gives an instance: JSON-like values (dicts, lists, strings, numbers) are read as JSON is, and an
    instance is checked by what it holds, even when it was made without validation. A JSON Schema gives ``value``
    itself; formats are asserted where ``jsonschema`` can without further packages: date, email, idn-email, ipv4, ipv6,
    regex and uuid.

    Each fault has the JSON Pointer of the offending part and the keyword; where Pydantic has no keyword for it, such as
    an error raised by a validator, Pydantic's name (``value_error``). A property that is missing is reported where it
    should be by Python types, and on its object by JSON Schema.

    Raises:
        ValidationError: ``faults`` lists every fault, in document order.
        SchemaError: the schema itself is at fault; see :func:`~qwen_struct.schema.inputs.load_schema`.
    """
    return load_schema(schema, retrieve=retrieve).from_python(value)


def validate_json(text: str, schema: Any, *, retrieve: Retrieve | None = None) -> Any:
    """The same for a JSON text; numbers reach Decimal fields as they are written."""
    return load_schema(schema, retrieve=retrieve).to_python(text)
