"""A JSON Schema document -> its formula. One small function a keyword; what cannot be enforced is refused here.

Every keyword met is written into the report with its JSON Pointer: ``enforced``, or ``annotation`` where the standard
gives it no say over validity. Nothing is ignored silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from ..errors import InvalidSchemaError, SchemaBudgetError, UnresolvableReferenceError, UnsupportedSchemaError
from .algebra import (
    ANY_TYPE,
    ARRAY,
    BOOLEAN,
    FALSE,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    TRUE,
    Algebra,
    Bound,
    Contains,
    Expr,
    Format,
    Integer,
    Item,
    Items,
    KeySet,
    Length,
    Multiple,
    NumItems,
    NumProperties,
    Pattern,
    Properties,
    Property,
    Ref,
    Required,
    Types,
    Unique,
    spelled,
)
from .dialects import DEFAULT
from .references import References, Retrieve, Scope, find_dialect
from .unevaluated import unevaluated_items, unevaluated_properties

MAX_DEPTH = 200  # nested subschemas; a deeper document is refused rather than overflow Python's stack


class Use(NamedTuple):
    """One keyword of the schema: where it stands, and whether it is ``enforced`` or an ``annotation``."""

    pointer: str
    keyword: str
    status: str
    note: str = ""


@dataclass
class Parsed:
    """A schema's formula with what was met on the way: each keyword, and each pattern and format with its place.

    ``met`` has the keywords as :class:`Use` has them, but with the place of the subschema in which they stand.
    """

    algebra: Algebra
    root: Expr = TRUE
    met: list[tuple[str, str, str, str]] = field(default_factory=list)
    strings: list[tuple[Expr, str, str]] = field(default_factory=list)  # (Pattern or Format atom, pointer, keyword)
    key_patterns: list[tuple[str, str]] = field(default_factory=list)  # (pattern, pointer)


def report_of(met: Iterable[tuple[str, str, str, str]]) -> tuple[Use, ...]:
    """The report, from :attr:`Parsed.met`; made when it is asked for, as it takes a tenth of the time of parsing."""
    return tuple([Use(f"{place}/{escape(keyword)}", keyword, *rest) for place, keyword, *rest in met])


class Here(NamedTuple):
    """A subschema on its way to a formula."""

    parser: Parser
    schema: dict
    scope: Scope
    pointer: str
    depth: int

    def sub(self, value: Any, *path: object) -> Expr:
        """The formula of the subschema ``value``, found under ``path`` from here."""
        return self.parser.parse(value, self.scope, _below(self.pointer, path), self.depth + 1)

    def child(self, value: Any, *path: object) -> Here | None:
        """The subschema ``value`` itself; None for a boolean, which holds no keywords."""
        if not isinstance(value, dict):
            return None
        return self._at(value, self.scope, _below(self.pointer, path))

    def moved(self, target: Any, scope: Scope, keyword: str) -> Here | None:
        """The schema that a reference leads to."""
        return self._at(target, scope, f"{self.pointer}/{keyword}") if isinstance(target, dict) else None

    def _at(self, value: dict, scope: Scope, pointer: str) -> Here:
        if self.depth > MAX_DEPTH:
            raise UnresolvableReferenceError("the reference leads back to itself; break the circle", pointer=pointer)
        return Here(self.parser, value, self.parser.references.enter(scope, value), pointer, self.depth + 1)

    def fail(self, keyword: str, message: str) -> NoReturn:
        raise InvalidSchemaError(message, pointer=f"{self.pointer}/{escape(keyword)}", keyword=keyword)

    def knows(self, keyword: str) -> bool:
        return keyword in self.schema and keyword in self.scope.dialect.keywords


def parse_schema(
    schema: Any, *, assert_formats: bool = True, retrieve: Retrieve | None = None, float_integers: bool = False
) -> Parsed:
    """Translates ``schema`` (a dict or bool) with everything that it refers to.

    ``float_integers``: integral numbers may also be spelled with a fraction of zeros, except as draft 4's ``integer``.

    Raises:
        InvalidSchemaError: a keyword's value is not what the standard asks for.
        UnsupportedSchemaError: a keyword that cannot be enforced exactly.
        UnresolvableReferenceError: a reference leads nowhere, or to a document that was not passed.
    """
    parser = Parser(schema, assert_formats, retrieve, float_integers)
    parser.result.root = parser.parse(schema, parser.references.start, "", 0)
    parser.finish()
    return parser.result


class Parser:
    """The state of one translation."""

    def __init__(
        self, schema: Any, assert_formats: bool, retrieve: Retrieve | None, float_integers: bool = False
    ) -> None:
        dialect = DEFAULT
        if isinstance(schema, dict) and "$schema" in schema:
            found = find_dialect(schema["$schema"], retrieve)
            if found is None:
                raise UnsupportedSchemaError(
                    f"unknown dialect {schema['$schema']!r}; drafts 4, 6, 7, 2019-09 and 2020-12 are known, "
                    "and metaschemas that retrieve= returns",
                    pointer="/$schema",
                    keyword="$schema",
                )
            dialect = found
        self.assert_formats = assert_formats
        self.references = References(schema, retrieve, dialect)
        self.result = Parsed(Algebra(float_integers))
        self.algebra = self.result.algebra
        self._pending: list[tuple[Ref, Any, Scope]] = []
        self._parsed: dict[tuple[int, int], Expr] = {}
        self._kept_alive: list[Any] = []

    def parse(self, schema: Any, scope: Scope, pointer: str, depth: int) -> Expr:
        """The formula of one subschema."""
        if schema is True or schema is False:
            return TRUE if schema else FALSE
        if not isinstance(schema, dict):
            raise InvalidSchemaError(f"a schema is an object or a boolean, not {_kind(schema)}", pointer=pointer)
        if depth > MAX_DEPTH:
            raise SchemaBudgetError(f"schemas nested deeper than {MAX_DEPTH} levels; use $ref", pointer=pointer)
        scope = self.references.enter(scope, schema)
        key = (id(schema), id(scope))
        formula = self._parsed.get(key)
        if formula is None:
            here = Here(self, schema, scope, pointer, depth)
            formula = self._parsed[key] = self.algebra.all(list(self._parts(here)))
        return formula

    def _parts(self, here: Here) -> Iterator[Expr]:
        dialect, result = here.scope.dialect, self.result
        if "$ref" in here.schema and dialect.ref_hides_siblings:
            for keyword in here.schema:
                if keyword != "$ref":
                    note = f"{dialect.name} ignores what stands beside $ref"
                    result.met.append((here.pointer, keyword, "annotation", note))
            result.met.append((here.pointer, "$ref", "enforced", ""))
            yield KEYWORDS["$ref"](here, here.schema["$ref"]) or TRUE
            return
        for keyword, value in here.schema.items():
            handler = KEYWORDS.get(keyword) if keyword in dialect.keywords else None
            part = None if handler is None else handler(here, value)
            result.met.append((here.pointer, keyword, "annotation" if part is None else "enforced", ""))
            if part is not None:
                yield part

    def reference(self, here: Here, keyword: str, ref: str) -> Ref:
        """The node for ``ref``; its target is translated later, so that schemas may refer to themselves."""
        pointer = f"{here.pointer}/{keyword}"
        target, scope = self.target(here, keyword, ref)
        if not isinstance(target, dict | bool):
            raise UnresolvableReferenceError(
                f"{ref!r} leads to {_kind(target)}, not to a schema", pointer=pointer, keyword=keyword
            )
        self._kept_alive.append(target)  # keeps id(target) unique
        place = ref if ref.startswith("#") else f"{pointer} -> {ref}"
        node = self.algebra.ref((target if isinstance(target, bool) else id(target), id(scope)), place)
        if node.target is None:
            self._pending.append((node, target, scope))
        return node

    def target(self, here: Here, keyword: str, ref: str) -> tuple[Any, Scope]:
        """What a reference keyword refers to, and the scope there."""
        pointer = f"{here.pointer}/{keyword}"
        if keyword == "$dynamicRef":
            return self.references.resolve_dynamic(here.scope, ref, pointer)
        if keyword == "$recursiveRef":
            return self.references.resolve_recursive(here.scope, pointer)
        return self.references.resolve(here.scope, ref, pointer)

    def finish(self) -> None:
        """Translates the targets of all references, and of those inside them."""
        while self._pending:
            node, target, scope = self._pending.pop()
            if node.target is None:
                pointer = node.pointer[1:] if node.pointer.startswith("#") else node.pointer
                node.target = self.parse(target, scope, pointer, 0)


def escape(part: str) -> str:
    """A reference token of a JSON Pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1") if "~" in part or "/" in part else part


def _below(pointer: str, path: Iterable[object]) -> str:
    for part in path:
        pointer = f"{pointer}/{escape(str(part))}"
    return pointer


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    if type(value) in (int, float):
        return "a number"
    return names.get(type(value), type(value).__name__)


# What the handlers check their values with. ----------------------------------------------------------------------


def _string(here: Here, keyword: str, value: Any) -> str:
    if not isinstance(value, str):
        here.fail(keyword, f"{keyword} must be a string, not {_kind(value)}")
    return value


def _number(here: Here, keyword: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        here.fail(keyword, f"{keyword} must be a number, not {_kind(value)}")
    number = spelled(value)[0]
    if not number.is_finite():
        here.fail(keyword, f"{keyword} must be finite")
    return number


def _count(here: Here, keyword: str, value: Any) -> int:
    number = _number(here, keyword, value)
    if number != number.to_integral_value() or number < 0:
        here.fail(keyword, f"{keyword} must be a non-negative integer, not {value!r}")
    return int(number)


def _mapping(here: Here, keyword: str, value: Any) -> dict:
    if not isinstance(value, dict):
        here.fail(keyword, f"{keyword} must be an object, not {_kind(value)}")
    return value


def _array(here: Here, keyword: str, value: Any, least: int = 0) -> list:
    if not isinstance(value, list | tuple) or len(value) < least:
        here.fail(keyword, f"{keyword} must be {'a non-empty' if least else 'an'} array, not {_kind(value)}")
    return list(value)


def _names(here: Here, keyword: str, value: Any) -> list[str]:
    return [_string(here, keyword, name) for name in _array(here, keyword, value)]


# The keywords. A handler returns a formula, or None where the keyword decides nothing by itself. ----------------------

_TYPE_MASKS = {"null": NULL, "boolean": BOOLEAN, "number": NUMBER, "string": STRING, "array": ARRAY, "object": OBJECT}


def _type(here: Here, value: Any) -> Expr:
    a = here.parser.algebra
    names = [value] if isinstance(value, str) else _array(here, "type", value)
    mask, integer = 0, False
    for name in names:
        if name == "integer":
            integer = True
        elif isinstance(name, str) and name in _TYPE_MASKS:
            mask |= _TYPE_MASKS[name]
        elif name == "any" and here.scope.dialect.name in ("draft-04", "draft-06"):
            mask = ANY_TYPE
        else:
            known = ", ".join([*_TYPE_MASKS, "integer"])
            here.fail("type", f"{name!r} is not a type; the types are {known}")
    if integer and not mask & NUMBER:
        fraction = a.float_integers and here.scope.dialect.zero_fraction_is_integer
        return a.all([a.atom(Types, mask | NUMBER), a.atom(Integer, fraction)])
    return a.atom(Types, mask)


def _enum(here: Here, value: Any) -> Expr:
    return here.parser.algebra.among(_json(here, "enum", v) for v in _array(here, "enum", value))


def _const(here: Here, value: Any) -> Expr:
    return here.parser.algebra.constant(_json(here, "const", value))


def _json(here: Here, keyword: str, value: Any) -> Any:
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        here.fail(keyword, f"{keyword} holds {value!r}, which JSON cannot write")
    if isinstance(value, dict):
        return {_string(here, keyword, k): _json(here, keyword, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_json(here, keyword, v) for v in value]
    if value is None or isinstance(value, str | int | float | Decimal):
        return value
    return here.fail(keyword, f"{keyword} holds {type(value).__name__}, which is not a JSON value")


def _all_of(here: Here, value: Any) -> Expr:
    return here.parser.algebra.all(_branches(here, "allOf", value))


def _any_of(here: Here, value: Any) -> Expr:
    return here.parser.algebra.any(_branches(here, "anyOf", value))


def _one_of(here: Here, value: Any) -> Expr:
    return here.parser.algebra.one(_branches(here, "oneOf", value))


def _branches(here: Here, keyword: str, value: Any) -> list[Expr]:
    return [here.sub(v, keyword, i) for i, v in enumerate(_array(here, keyword, value, least=1))]


def _not(here: Here, value: Any) -> Expr:
    return here.parser.algebra.negate(here.sub(value, "not"))


def _if(here: Here, value: Any) -> Expr:
    a = here.parser.algebra
    condition = here.sub(value, "if")
    then = here.sub(here.schema["then"], "then") if here.knows("then") else TRUE
    otherwise = here.sub(here.schema["else"], "else") if here.knows("else") else TRUE
    return a.any([a.all([condition, then]), a.all([a.negate(condition), otherwise])])


def _beside(partner: str) -> Callable[[Here, Any], Expr | None]:
    """A keyword that its ``partner`` reads: enforced through it, and an annotation without it."""
    return lambda here, value: TRUE if here.knows(partner) else None


def _reference(keyword: str) -> Callable[[Here, Any], Expr]:
    return lambda here, value: here.parser.reference(here, keyword, _string(here, keyword, value))


def _pattern(here: Here, value: Any) -> Expr:
    atom = here.parser.algebra.atom(Pattern, _string(here, "pattern", value))
    here.parser.result.strings.append((atom, f"{here.pointer}/pattern", "pattern"))
    return atom


def _format(here: Here, value: Any) -> Expr | None:
    name = _string(here, "format", value)
    if not here.parser.assert_formats:
        return None
    atom = here.parser.algebra.atom(Format, name)
    here.parser.result.strings.append((atom, f"{here.pointer}/format", "format"))
    return atom


def _low(kind: type[Expr]) -> Callable[[str], Callable[[Here, Any], Expr]]:
    return lambda keyword: lambda here, value: here.parser.algebra.atom(kind, _count(here, keyword, value), None)


def _high(kind: type[Expr]) -> Callable[[str], Callable[[Here, Any], Expr]]:
    return lambda keyword: lambda here, value: here.parser.algebra.atom(kind, 0, _count(here, keyword, value))


def _bound(keyword: str, op: str) -> Callable[[Here, Any], Expr | None]:
    def handle(here: Here, value: Any) -> Expr | None:
        strict = op
        if here.scope.dialect.boolean_exclusive:
            flag = here.schema.get("exclusive" + keyword[0].upper() + keyword[1:])
            if isinstance(value, bool) and keyword.startswith("exclusive"):
                return TRUE if keyword[9].lower() + keyword[10:] in here.schema else None
            strict = op[0] if flag is True else op
        return here.parser.algebra.atom(Bound, strict, _number(here, keyword, value))

    return handle


def _multiple_of(here: Here, value: Any) -> Expr:
    number = _number(here, "multipleOf", value)
    if number <= 0:
        here.fail("multipleOf", f"multipleOf must be greater than 0, not {value!r}")
    return here.parser.algebra.atom(Multiple, number)


def _properties(here: Here, value: Any) -> Expr:
    a = here.parser.algebra
    members = _mapping(here, "properties", value).items()
    return a.all([a.atom(Property, _string(here, "properties", k), here.sub(v, "properties", k)) for k, v in members])


def _pattern_properties(here: Here, value: Any) -> Expr:
    a = here.parser.algebra
    parts = []
    for pattern, schema in _mapping(here, "patternProperties", value).items():
        pointer = f"{here.pointer}/patternProperties/{escape(pattern)}"
        here.parser.result.key_patterns.append((pattern, pointer))
        parts.append(a.atom(Properties, KeySet(patterns=[pattern]), here.sub(schema, "patternProperties", pattern)))
    return a.all(parts)


def _additional_properties(here: Here, value: Any) -> Expr:
    declared = here.schema.get("properties", {})
    patterns = here.schema.get("patternProperties", {})
    others = KeySet(
        names=_mapping(here, "properties", declared),
        patterns=_mapping(here, "patternProperties", patterns),
        complement=True,
    )
    return here.parser.algebra.atom(Properties, others, here.sub(value, "additionalProperties"))


def _property_names(here: Here, value: Any) -> Expr:
    names = here.sub(value, "propertyNames")
    if names is TRUE:
        return TRUE
    return here.parser.algebra.atom(Properties, KeySet(satisfying=[names], complement=True), FALSE)


def _required(here: Here, value: Any) -> Expr | None:
    if isinstance(value, bool) and here.scope.dialect is DEFAULT:
        return None  # draft 3's spelling, inside a property; the drafts known here give it no meaning
    a = here.parser.algebra
    return a.all([a.atom(Required, name) for name in _names(here, "required", value)])


def _dependent(here: Here, keyword: str, name: str, then: Expr) -> Expr:
    a = here.parser.algebra
    is_object = a.atom(Types, OBJECT)
    return a.any([a.negate(a.all([is_object, a.atom(Required, name)])), then])


def _dependent_required(here: Here, value: Any) -> Expr:
    a, keyword = here.parser.algebra, "dependentRequired"
    parts = []
    for name, needs in _mapping(here, keyword, value).items():
        parts.append(
            _dependent(here, keyword, name, a.all([a.atom(Required, n) for n in _names(here, keyword, needs)]))
        )
    return a.all(parts)


def _dependent_schemas(here: Here, value: Any) -> Expr:
    members = _mapping(here, "dependentSchemas", value).items()
    return here.parser.algebra.all(
        [_dependent(here, "dependentSchemas", k, here.sub(v, "dependentSchemas", k)) for k, v in members]
    )


def _dependencies(here: Here, value: Any) -> Expr:
    a = here.parser.algebra
    parts = []
    for name, needs in _mapping(here, "dependencies", value).items():
        if isinstance(needs, list | tuple):
            then = a.all([a.atom(Required, n) for n in _names(here, "dependencies", needs)])
        elif isinstance(needs, str) and here.scope.dialect is DEFAULT:
            then = a.atom(Required, needs)
        else:
            then = here.sub(needs, "dependencies", name)
        parts.append(_dependent(here, "dependencies", name, then))
    return a.all(parts)


def _prefix_items(here: Here, value: Any) -> Expr:
    a, items = here.parser.algebra, _array(here, "prefixItems", value)
    return a.all([a.atom(Item, i, here.sub(v, "prefixItems", i)) for i, v in enumerate(items)])


def _items(here: Here, value: Any) -> Expr:
    a = here.parser.algebra
    if isinstance(value, list | tuple) and here.scope.dialect.tuple_items:
        return a.all([a.atom(Item, i, here.sub(v, "items", i)) for i, v in enumerate(value)])
    start = len(_array(here, "prefixItems", here.schema["prefixItems"])) if here.knows("prefixItems") else 0
    return a.atom(Items, start, here.sub(value, "items"))


def _additional_items(here: Here, value: Any) -> Expr | None:
    tuple_ = here.schema.get("items")
    if not isinstance(tuple_, list | tuple):
        return None  # without an array of items, additionalItems decides nothing
    return here.parser.algebra.atom(Items, len(tuple_), here.sub(value, "additionalItems"))


def _contains(here: Here, value: Any) -> Expr:
    low = _count(here, "minContains", here.schema["minContains"]) if here.knows("minContains") else 1
    high = _count(here, "maxContains", here.schema["maxContains"]) if here.knows("maxContains") else None
    schema = here.sub(value, "contains")
    if low == 0 and high is None:
        return TRUE
    return here.parser.algebra.atom(Contains, 0, schema, low, high)


def _unique_items(here: Here, value: Any) -> Expr:
    if not isinstance(value, bool):
        here.fail("uniqueItems", f"uniqueItems must be a boolean, not {_kind(value)}")
    return here.parser.algebra.atom(Unique, frozenset()) if value else TRUE


KEYWORDS: dict[str, Callable[[Here, Any], Expr | None]] = {
    "$ref": _reference("$ref"),
    "$dynamicRef": _reference("$dynamicRef"),
    "$recursiveRef": _reference("$recursiveRef"),
    "type": _type,
    "enum": _enum,
    "const": _const,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
    "then": _beside("if"),
    "else": _beside("if"),
    "minLength": _low(Length)("minLength"),
    "maxLength": _high(Length)("maxLength"),
    "pattern": _pattern,
    "format": _format,
    "minimum": _bound("minimum", ">="),
    "maximum": _bound("maximum", "<="),
    "exclusiveMinimum": _bound("exclusiveMinimum", ">"),
    "exclusiveMaximum": _bound("exclusiveMaximum", "<"),
    "multipleOf": _multiple_of,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
    "required": _required,
    "minProperties": _low(NumProperties)("minProperties"),
    "maxProperties": _high(NumProperties)("maxProperties"),
    "dependentRequired": _dependent_required,
    "dependentSchemas": _dependent_schemas,
    "dependencies": _dependencies,
    "prefixItems": _prefix_items,
    "items": _items,
    "additionalItems": _additional_items,
    "minItems": _low(NumItems)("minItems"),
    "maxItems": _high(NumItems)("maxItems"),
    "uniqueItems": _unique_items,
    "contains": _contains,
    "minContains": _beside("contains"),
    "maxContains": _beside("contains"),
    "unevaluatedItems": unevaluated_items,
    "unevaluatedProperties": unevaluated_properties,
}
