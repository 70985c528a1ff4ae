"""Python types as JSON Schema, twice: as a reader should see them, and as a decoder may write them.

The published schema of a Pydantic type and what Pydantic accepts differ. :class:`StrictSchema` stays inside both: what
fits it validates against the published schema, formats asserted, and Pydantic accepts it. The choices made:

* A datetime or a time may lack an offset, though Pydantic publishes `date-time` and `time`, which have one: documents
  mostly do not state it, and a decoder must not make it up. ``AwareDatetime`` has one always, ``NaiveDatetime`` never.
* Objects of models, dataclasses and TypedDicts are closed unless ``extra="allow"``: Pydantic would drop the rest.
* A Decimal is written as a number, never as a string.
* The members of a tagged union state their tag, even where it has a default.

Left to Pydantic's check of the finished value: what a Python function decides (validators), bounds on datetimes, times
and timedeltas, a Decimal's ``max_digits`` without ``decimal_places``, whether base64 holds UTF-8, units of a ByteSize.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ..errors import UnsatisfiableSchemaError, UnsupportedSchemaError
from . import limits
from .outlines_terms import is_outlines, whole_text
from .patterns import MalformedPattern, UntranslatablePattern, pydantic_to_ecma
from .walk import subschemas


class ReadableSchema(GenerateJsonSchema):
    """Pydantic's own schema, with a Decimal as a number; what a prompt shows."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        number, *_spelled_as_string = super().decimal_schema(schema)["anyOf"]
        places = schema.get("decimal_places")
        if places is not None and "multipleOf" not in number:
            number["multipleOf"] = float(f"1e-{places}") if places else 1
        if (digits := schema.get("max_digits")) is not None and digits > (places or 0):
            limit = 10 ** (digits - (places or 0))
            # Both Pydantic's own bound, when there is one, and the number of digits before the point count.
            if number.get("exclusiveMaximum", number.get("maximum", limit)) >= limit:
                number["exclusiveMaximum"] = limit
            if number.get("exclusiveMinimum", number.get("minimum", -limit)) <= -limit:
                number["exclusiveMinimum"] = -limit
        return number

    def _get_alias_name(self, field: Any, name: str) -> str:
        # Pydantic before 2.14 shows the alias even to who validates by name.
        return super()._get_alias_name(field, name) if self._config.validate_by_alias is not False else name

    def is_subclass_schema(self, schema: core_schema.IsSubclassSchema) -> JsonSchemaValue:
        return self.handle_invalid_for_json_schema(schema, f"a class, {schema['cls'].__name__} or below it")


class StrictSchema(ReadableSchema):
    """The schema for a decoder; see the module's docstring."""

    holds_decimals = False  # known once generated

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        self.holds_decimals = True
        return super().decimal_schema(schema)

    def generate(self, schema: Any, mode: Any = "validation") -> JsonSchemaValue:
        result = super().generate(schema, mode)
        for _, node in subschemas(result):
            if isinstance(node, dict):
                _narrow_format(node)
        for _, node in subschemas(result):
            if isinstance(node, dict) and "discriminator" in node:
                _state_tags(node, result)
        return result

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        result = super().generate_inner(schema)
        for function in (schema.get("metadata") or {}).get("pydantic_js_functions", ()):
            if is_outlines(term := getattr(function, "__self__", None)):
                result["pattern"] = whole_text(term)  # which Outlines publishes without anchors
        return result

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _closed(super().model_schema(schema))

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _closed(super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return _closed(super().typed_dict_schema(schema))

    def model_fields_schema(self, schema: core_schema.ModelFieldsSchema) -> JsonSchemaValue:
        for name, field in schema["fields"].items():
            alias = field.get("validation_alias")
            if isinstance(alias, list) and not any(isinstance(path, list) and len(path) == 1 for path in alias):
                raise UnsupportedSchemaError(f"field {name!r} has an AliasPath and no plain alias; give it one")
        return super().model_fields_schema(schema)

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        result = super().str_schema(schema)
        pattern = schema.get("pattern")
        if isinstance(pattern, re.Pattern):
            if pattern.flags & (re.IGNORECASE | re.MULTILINE | re.DOTALL | re.VERBOSE):
                raise UnsupportedSchemaError("a pattern with flags; spell them out in the pattern", keyword="pattern")
            pattern = pattern.pattern
        if isinstance(pattern, str):
            result["pattern"] = _ecma(pattern)
        strips = schema.get("strip_whitespace") or self._config.str_strip_whitespace
        if strips and result.keys() & {"minLength", "pattern"}:
            _add(result, limits.TRIMMED)
        if schema.get("ascii_only"):
            _add(result, limits.ASCII_ONLY)
        return result

    def fraction_schema(self, schema: Any) -> JsonSchemaValue:
        number: JsonSchemaValue = {"type": "number"}
        self.update_with_validations(number, schema, self.ValidationsMapping.numeric)
        if len(number) > 1:  # a bound that no pattern of numerator and denominator can keep
            return {keyword: float(bound) if keyword != "type" else bound for keyword, bound in number.items()}
        return {"anyOf": [number, dict(limits.FRACTION)]}

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        result = super().bytes_schema(schema)
        result.pop("format", None)  # it tells of writing: ser_json_bytes
        if (spelling := self._config.val_json_bytes) != "utf8":
            return _without_length(result) | limits.FORMATS["base64url" if spelling == "base64" else "hex"]
        if "maxLength" in result:  # it counts bytes
            _add(result, limits.ASCII_ONLY)
        return result

    def date_schema(self, schema: core_schema.DateSchema) -> JsonSchemaValue:
        return limits.date_between(*_span(schema))

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:
        return dict(limits.TIME)

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        by_constraint: dict[Any, JsonSchemaValue] = {None: limits.DATETIME, "naive": limits.NAIVE_DATETIME}
        return dict(by_constraint.get(schema.get("tz_constraint"), limits.AWARE_DATETIME))

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        return dict(limits.DURATION)

    def uuid_schema(self, schema: core_schema.UuidSchema) -> JsonSchemaValue:
        version = schema.get("version")
        return dict(limits.FORMATS[f"uuid{version}"]) if version else super().uuid_schema(schema)

    def url_schema(self, schema: core_schema.UrlSchema) -> JsonSchemaValue:
        return super().url_schema(schema) | limits.url(schema.get("allowed_schemes"))

    def multi_host_url_schema(self, schema: core_schema.MultiHostUrlSchema) -> JsonSchemaValue:
        result = super().multi_host_url_schema(schema) | limits.url(schema.get("allowed_schemes"), many_hosts=True)
        result.pop("format")
        return result

    def json_schema(self, schema: core_schema.JsonSchema) -> JsonSchemaValue:
        raise UnsupportedSchemaError(
            "JSON inside a string (pydantic.Json); use the type itself", keyword="contentSchema"
        )

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        result = super().dict_schema(schema)
        keys = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
        if "enum" not in keys and "const" not in keys and keys.get("type") in ("integer", "number"):
            result["propertyNames"] = limits.INTEGER_KEY if keys["type"] == "integer" else limits.NUMBER_KEY
        if "patternProperties" in result:
            result["additionalProperties"] = False
        return result


def _ecma(pattern: str) -> str:
    try:
        return pydantic_to_ecma(pattern)
    except (UntranslatablePattern, MalformedPattern) as error:
        raise UnsupportedSchemaError(
            f"the pattern {pattern!r} cannot be enforced: {error}", keyword="pattern"
        ) from error


def _closed(schema: JsonSchemaValue) -> JsonSchemaValue:
    if "properties" in schema and schema.get("type") == "object" and "patternProperties" not in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def _add(node: dict[str, Any], more: dict[str, Any]) -> None:
    """``node`` and ``more`` at once, in place."""
    if node.keys() & more.keys() - {"type"}:
        node.setdefault("allOf", []).append(more)
    else:
        node.update(more)


def _without_length(node: dict[str, Any]) -> dict[str, Any]:
    if node.keys() & {"minLength", "maxLength"}:
        raise UnsupportedSchemaError("a limit on the length of encoded bytes; drop it", keyword="maxLength")
    return node


def _narrow_format(node: dict[str, Any]) -> None:
    """The formats that Pydantic's classes add by name: narrowed, or dropped when they only describe."""
    name = node.get("format")
    if not isinstance(name, str) or node.get("type") != "string":
        return
    narrower = limits.email() if name in ("email", "name-email") else limits.FORMATS.get(name)
    if narrower is not None:
        del node["format"]
        if "anyOf" in narrower:
            del node["type"]
        _add(node, narrower)
    elif name in _DESCRIPTIVE:
        del node["format"]


_DESCRIPTIVE = ("binary", "password", "path", "file-path", "directory-path", "multi-host-uri", "json-string", "color")


def _state_tags(node: dict[str, Any], root: dict[str, Any]) -> None:
    """Turn a tagged ``oneOf`` into ``anyOf`` whose members require the tag; the tag keeps them apart."""
    tag = node.pop("discriminator").get("propertyName")
    node["anyOf"] = choices = node.pop("oneOf")
    pending, seen = list(choices), set()
    while pending:
        choice = pending.pop()
        reference = choice.get("$ref")
        if reference is not None and reference not in seen:
            seen.add(reference)
            pending.append(root["$defs"][reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")])
        pending += [*choice.get("anyOf", ()), *choice.get("oneOf", ())]
        if tag in choice.get("properties", ()) and tag not in choice.get("required", ()):
            choice["required"] = [*choice.get("required", ()), tag]


def _span(schema: core_schema.DateSchema) -> tuple[datetime.date, datetime.date]:
    """The first and the last day that the bounds leave.

    Raises: UnsatisfiableSchemaError when there is none.
    """
    first, last, one = datetime.date.min, datetime.date.max, datetime.timedelta(days=1)
    after = [schema["gt"]] if "gt" in schema else []
    before = [schema["lt"]] if "lt" in schema else []
    if (when := schema.get("now_op")) is not None:
        (before if when == "past" else after).append(datetime.date.today())
    try:
        first = max([first, schema.get("ge", first), *(day + one for day in after)])
        last = min([last, schema.get("le", last), *(day - one for day in before)])
    except OverflowError:  # before the first day there is, or after the last
        first, last = last, first
    if first > last:
        raise UnsatisfiableSchemaError(f"no date is from {first} on and up to {last}; correct the bounds")
    return first, last
