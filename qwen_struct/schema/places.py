"""Which type stands at a place inside a value, by the schema that pydantic-core validates with.

pydantic-core's schema -> Type, what stands at a place -> Shape, what an array or object holds there
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Literal, cast

from pydantic_core import CoreConfig, CoreSchema, SchemaValidator
from pydantic_core.core_schema import definitions_schema

from .adapter import read_json
from .inputs import SchemaInput

Kind = Literal["array", "object", "scalar"]

_FRACTION = re.compile(r"[0-9][.eE]")


class _Scope:
    """The definitions of a schema, and the types made from its nodes, each once."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions
        self._types: dict[tuple[int, int], Type] = {}

    def type_of(self, node: Any, config: Any) -> Type:
        key = (id(node), id(config))
        if key not in self._types:
            self._types[key] = Type(node, config, self)
        return self._types[key]


class Type:
    """What stands at a place: a node of pydantic-core's schema, the config around it and the definitions."""

    def __init__(self, node: Any, config: Any, scope: _Scope) -> None:
        self._node, self._config, self._scope = node, config, scope
        self._shapes: dict[str, Shape | None] = {}

    @cached_property
    def validator(self) -> SchemaValidator:
        schema: CoreSchema = self._node
        if _refers(schema):
            schema = definitions_schema(schema, list(self._scope.definitions.values()))
        return SchemaValidator(schema, cast(CoreConfig, self._config))

    def read(self, text: str) -> Any:
        """The typed value that ``text`` spells.

        Raises: ValidationError, or what a validator of the user's raises.
        """
        return read_json(self.validator, text, "type", bool(_FRACTION.search(text)))

    def shape(self, kind: Kind) -> Shape | None:
        """What an array or object at this place holds; None where that is not one thing."""
        if kind not in self._shapes:
            choices = list(_shapes(self._node, kind, self._config, self._scope))
            self._shapes[kind] = choices[0] if len(choices) == 1 else None
        return self._shapes[kind]


class Shape:
    """What an open array or object is made of."""

    def member(self, key: Any) -> Type | None:
        """The type of the item or member ``key``; None where there is none, or not one."""
        raise NotImplementedError

    def build(self, keys: Sequence[Any], values: list[Any]) -> Any:
        """The whole of its first members, of which all but the last have closed."""
        raise NotImplementedError


@dataclass(frozen=True)
class Items(Shape):
    first: tuple[Type, ...]
    rest: Type | None

    def member(self, key: int) -> Type | None:
        return self.first[key] if key < len(self.first) else self.rest

    def build(self, keys: Sequence[int], values: list[Any]) -> Any:
        return values


@dataclass(frozen=True)
class MappingShape(Shape):
    keys: Type | None
    values: Type | None

    def member(self, key: str) -> Type | None:
        return self.values

    def build(self, keys: Sequence[str], values: list[Any]) -> Any:
        return dict(zip(map(self._key, keys), values, strict=True))

    def _key(self, key: str) -> Any:
        if self.keys is None:
            return key
        try:
            return self.keys.read(json.dumps(key))
        except Exception:  # as above: the final validation says so
            return key


@dataclass(frozen=True)
class Fields(Shape):
    """``fields`` maps each key in the JSON to the field's name; ``model`` is None for dataclasses and TypedDicts."""

    fields: Mapping[str, tuple[str, Type]]
    together: Type
    extra: Type | None
    keeps_extra: bool
    model: Any = None

    def member(self, key: str) -> Type | None:
        return self.fields[key][1] if key in self.fields else self.extra

    def build(self, keys: Sequence[str], values: list[Any]) -> Any:
        parts = dict(zip(keys, values, strict=True))
        known = {self.fields[key][0]: value for key, value in parts.items() if key in self.fields}
        extra = {key: value for key, value in parts.items() if key not in self.fields} if self.keeps_extra else {}
        if self.model is None:
            return known | extra
        return _construct(self.model, known, extra if self.keeps_extra else None)

    def assign(self, others: Mapping[str, Any], key: str, raw: Any) -> Any:
        """What the field ``key`` makes of ``raw`` beside typed ``others``."""
        name, _ = self.fields[key]
        known = {self.fields[other][0]: value for other, value in others.items() if other in self.fields}
        assigned: Any = self.together.validator.validate_assignment(known, name, raw)
        return assigned[0][name]


@dataclass(frozen=True)
class Root(Shape):
    """A RootModel around an array or object."""

    model: Any
    inner: Shape

    def member(self, key: Any) -> Type | None:
        return self.inner.member(key)

    def build(self, keys: Sequence[Any], values: list[Any]) -> Any:
        return _construct(self.model, {"root": self.inner.build(keys, values)}, None)


@dataclass(frozen=True)
class Tagged(Shape):
    """A union whose members a tag tells apart, before the tag has closed."""

    tags: frozenset[str]
    choices: Mapping[Any, Type]

    def member(self, key: str) -> None:
        return None

    def build(self, keys: Sequence[str], values: list[Any]) -> Any:
        return dict(zip(keys, values, strict=True))

    def chosen(self, key: Any, value: Any) -> Shape | None:
        """The member that ``value`` chooses, if ``key`` is the tag."""
        choice = self.choices.get(value) if key in self.tags else None
        return None if choice is None else choice.shape("object")


def _construct(model: Any, fields: dict[str, Any], extra: dict[str, Any] | None) -> Any:
    """``model_construct`` by field names, without defaults and without ``model_post_init``, which may need all."""
    instance = model.__new__(model)
    object.__setattr__(instance, "__dict__", fields)
    object.__setattr__(instance, "__pydantic_fields_set__", set(fields))
    if not model.__pydantic_root_model__:
        object.__setattr__(instance, "__pydantic_extra__", extra)
        object.__setattr__(instance, "__pydantic_private__", {} if model.__private_attributes__ else None)
    return instance


def type_of_answer(asked: SchemaInput) -> Type | None:
    """The type that a schema was made from; None for a JSON Schema."""
    schema = asked.core_schema
    if schema is None:
        return None
    if schema["type"] != "definitions":
        return _Scope({}).type_of(schema, None)
    return _Scope({node["ref"]: node for node in schema["definitions"]}).type_of(schema["schema"], None)


# Nodes around another one that reads the same JSON, and under which key it is.
_AROUND = {
    "call": "arguments_schema",
    "custom-error": "schema",
    "default": "schema",
    "function-after": "schema",
    "function-before": "schema",
    "function-wrap": "schema",
    "json-or-python": "json_schema",
    "lax-or-strict": "lax_schema",
    "nullable": "schema",
}
_SCALARS = frozenset(
    """bool bytes complex date datetime decimal enum float int literal multi-host-url none str time timedelta url
    uuid""".split()
)
_SEQUENCES = frozenset("deque frozenset generator list set".split())


def _shapes(node: Any, kind: Kind, config: Any, scope: _Scope) -> Iterator[Shape | None]:
    """What may read a JSON array or object at a node, one for each way there is; None for a way that is not known."""
    name = node["type"]
    if name in _AROUND:
        yield from _shapes(node[_AROUND[name]], kind, config, scope)
    elif name == "definition-ref":
        yield from _shapes(scope.definitions[node["schema_ref"]], kind, config, scope)
    elif name == "chain":
        yield from _shapes(node["steps"][0], kind, config, scope)
    elif name == "union":
        for choice in node["choices"]:
            yield from _shapes(choice[0] if isinstance(choice, tuple) else choice, kind, config, scope)
    elif name == "model" and node.get("root_model"):
        for inner in _shapes(node["schema"], kind, node.get("config"), scope):
            yield None if inner is None else Root(node["cls"], inner)
    elif name in _OBJECTS:
        if kind == "object":
            yield _OBJECTS[name](node, config, scope)
    elif name in _ARRAYS:
        if kind == "array":
            yield _ARRAYS[name](node, config, scope)
    elif name not in _SCALARS:
        yield None


def _model(node: Any, config: Any, scope: _Scope) -> Shape | None:
    return _fields(node["schema"], node.get("config"), scope, node["cls"])


def _dataclass(node: Any, config: Any, scope: _Scope) -> Shape | None:
    return _fields(node["schema"], node.get("config"), scope)


def _typed_dict(node: Any, config: Any, scope: _Scope) -> Shape | None:
    return _fields(node, {**(config or {}), **node.get("config", {})}, scope)


def _fields(node: Any, config: Any, scope: _Scope, model: Any = None) -> Shape | None:
    while node["type"] in _AROUND:
        node = node[_AROUND[node["type"]]]
    if "fields" not in node:
        return None
    listed, settings = node["fields"], config or {}
    named = listed.items() if isinstance(listed, dict) else [(item["name"], item) for item in listed]
    extra = node.get("extras_schema")
    return Fields(
        {
            key: (name, scope.type_of(item["schema"], config))
            for name, item in named
            for key in _keys(name, item, settings)
        },
        scope.type_of(node, config),
        None if extra is None else scope.type_of(extra, config),
        (node.get("extra_behavior") or settings.get("extra_fields_behavior")) == "allow",
        model,
    )


def _keys(name: str, item: Any, config: Any) -> Iterator[str]:
    """The JSON names of a field; an AliasPath is none, since it leads into another value."""
    alias = item.get("validation_alias")
    by_alias = alias is not None and config.get("validate_by_alias", True)
    if isinstance(alias, str) and by_alias:
        yield alias
    elif by_alias:
        yield from (path[0] for path in alias if isinstance(path, list) and len(path) == 1)
    if not by_alias or config.get("validate_by_name") or config.get("populate_by_name"):
        yield name


def _dict(node: Any, config: Any, scope: _Scope) -> Shape:
    keys, values = node.get("keys_schema"), node.get("values_schema")
    plain = keys is None or keys["type"] in ("str", "any")
    return MappingShape(
        None if plain else scope.type_of(keys, config), None if values is None else scope.type_of(values, config)
    )


def _tagged(node: Any, config: Any, scope: _Scope) -> Shape | None:
    tag = node["discriminator"]
    if callable(tag):
        return None
    paths = [[tag]] if isinstance(tag, str) else [path if isinstance(path, list) else [path] for path in tag]
    choices = {
        value.value if isinstance(value, Enum) else value: scope.type_of(choice, config)
        for value, choice in node["choices"].items()
    }
    return Tagged(frozenset(path[0] for path in paths if len(path) == 1), choices)


def _sequence(node: Any, config: Any, scope: _Scope) -> Shape:
    items = node.get("items_schema")
    return Items((), None if items is None else scope.type_of(items, config))


def _tuple(node: Any, config: Any, scope: _Scope) -> Shape:
    types = tuple(scope.type_of(item, config) for item in node["items_schema"])
    variadic = node.get("variadic_item_index", len(types))
    return Items(types[:variadic], types[-1] if variadic == len(types) - 1 else None)


def _named_tuple(node: Any, config: Any, scope: _Scope) -> Shape:
    items = node["fields"] if node["type"] == "named-tuple" else node["arguments_schema"]
    return Items(tuple(scope.type_of(item["schema"], config) for item in items), None)


_OBJECTS = {"model": _model, "dataclass": _dataclass, "typed-dict": _typed_dict, "dict": _dict, "tagged-union": _tagged}
_ARRAYS = {
    "tuple": _tuple,
    "named-tuple": _named_tuple,
    "arguments": _named_tuple,
    **dict.fromkeys(_SEQUENCES, _sequence),
}


def _refers(node: Any) -> bool:
    """Whether something inside a node names a definition."""
    if isinstance(node, Mapping):
        return node.get("type") == "definition-ref" or any(_refers(inner) for inner in node.values())
    return isinstance(node, list | tuple) and any(_refers(inner) for inner in node)
