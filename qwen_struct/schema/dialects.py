"""The dialects of JSON Schema, as values: which keywords each draft knows, and how it reads the few that changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

_CORE = {"$schema", "$ref", "type", "enum", "properties", "required", "additionalProperties", "patternProperties"}
_CORE |= {"items", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "format"}
_CORE |= {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_CORE |= {"minProperties", "maxProperties", "allOf", "anyOf", "oneOf", "not"}
_TUPLES = {"additionalItems", "dependencies", "definitions"}
_SIX = {"$id", "const", "contains", "propertyNames"}
_SEVEN = {"if", "then", "else"}
_2019 = {"$anchor", "$defs", "minContains", "maxContains", "dependentRequired", "dependentSchemas"}
_2019 |= {"unevaluatedItems", "unevaluatedProperties"}


@dataclass(frozen=True)
class Dialect:
    """One draft. ``name`` is also the suffix of its ``$schema`` URI's family."""

    name: str
    keywords: frozenset[str] = field(repr=False)
    id_keyword: str = "$id"
    ref_hides_siblings: bool = False  # up to draft 7, nothing beside $ref counts
    boolean_exclusive: bool = False  # draft 4: exclusiveMinimum is a flag on minimum
    tuple_items: bool = False  # items may be an array, and additionalItems goes on after it
    zero_fraction_is_integer: bool = True  # 1.0 counts as an integer from draft 6 on
    contains_evaluates: bool = False  # 2020-12: items that contains matched count as evaluated


DRAFT4 = Dialect("draft-04", frozenset(_CORE | _TUPLES | {"id"}), "id", True, True, True, False)
DRAFT6 = Dialect("draft-06", frozenset(_CORE | _TUPLES | _SIX), "$id", True, False, True)
DRAFT7 = Dialect("draft-07", frozenset(_CORE | _TUPLES | _SIX | _SEVEN), "$id", True, False, True)
DRAFT2019 = Dialect(
    "2019-09",
    frozenset((_CORE | _TUPLES | _SIX | _SEVEN | _2019 | {"$recursiveRef", "$recursiveAnchor"}) - {"dependencies"}),
    tuple_items=True,
)
DRAFT2020 = Dialect(
    "2020-12",
    frozenset(_CORE | _SIX | _SEVEN | _2019 | {"prefixItems", "$dynamicRef", "$dynamicAnchor"}),
    contains_evaluates=True,
)
# Without $schema: 2020-12, and the older spellings where they cannot mean anything else.
DEFAULT = Dialect(
    "2020-12",
    frozenset(DRAFT2020.keywords | _TUPLES),
    boolean_exclusive=True,
    tuple_items=True,
    contains_evaluates=True,
)

_BY_URI = {
    "json-schema.org/draft-04/schema": DRAFT4,
    "json-schema.org/draft-06/schema": DRAFT6,
    "json-schema.org/draft-07/schema": DRAFT7,
    "json-schema.org/draft/2019-09/schema": DRAFT2019,
    "json-schema.org/draft/2020-12/schema": DRAFT2020,
    "json-schema.org/schema": DEFAULT,
}

_APPLICATORS = {"properties", "additionalProperties", "patternProperties", "propertyNames", "dependentSchemas"}
_APPLICATORS |= {"prefixItems", "items", "additionalItems", "contains", "if", "then", "else"}
_APPLICATORS |= {"allOf", "anyOf", "oneOf", "not"}
_UNEVALUATED = {"unevaluatedItems", "unevaluatedProperties"}
_ASSERTIONS = {"type", "enum", "const", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_ASSERTIONS |= {
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minContains",
    "maxContains",
}
_ASSERTIONS |= {"minProperties", "maxProperties", "required", "dependentRequired"}
# The keywords that a schema loses where its metaschema leaves a vocabulary out; those of the core always count.
_VOCABULARIES = {
    "2019-09/vocab/applicator": _APPLICATORS | _UNEVALUATED,
    "2019-09/vocab/validation": _ASSERTIONS,
    "2019-09/vocab/format": {"format"},
    "2020-12/vocab/applicator": _APPLICATORS,
    "2020-12/vocab/unevaluated": _UNEVALUATED,
    "2020-12/vocab/validation": _ASSERTIONS,
    "2020-12/vocab/format-annotation": {"format"},
    "2020-12/vocab/format-assertion": {"format"},
    **{f"{draft}/vocab/{name}": set() for draft in ("2019-09", "2020-12") for name in ("core", "meta-data", "content")},
}


def dialect_of(uri: object) -> Dialect | None:
    """The dialect that a ``$schema`` value names; None when it is none of the known ones."""
    if not isinstance(uri, str):
        return None
    return _BY_URI.get(uri.removeprefix("https://").removeprefix("http://").removesuffix("#"))


def restricted(dialect: Dialect, vocabularies: Mapping[str, bool]) -> Dialect:
    """``dialect`` with the keywords of ``vocabularies`` only, the ``$vocabulary`` of a metaschema.

    Raises: KeyError for a vocabulary that is required and not known here.
    """
    dropped = set().union(*_VOCABULARIES.values())
    for uri, required in vocabularies.items():
        known = _VOCABULARIES.get(uri.removeprefix("https://json-schema.org/draft/"))
        if known is not None:
            dropped -= known
        elif required:
            raise KeyError(uri)
    return replace(dialect, keywords=dialect.keywords - dropped)
