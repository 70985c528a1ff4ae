"""The words the model sees: a schema, instructions and a document turned into chat messages.

The document comes last, so that everything before it is a prefix shared by all documents of one schema.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

SYSTEM = (
    "Extract the document's data as one JSON value that matches the JSON Schema. Answer with JSON only, keys in schema "
    "order. Copy text as written; spell dates and numbers as their types ask. No value in the document: null if "
    "allowed, else omit an optional key."
)

# Keywords that tell a reader nothing about the value to extract.
_NOISE = frozenset(
    {"$schema", "$id", "$comment", "$anchor", "default", "discriminator", "readOnly", "writeOnly", "deprecated"}
)
_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"enum", "const", "examples", "required", "dependentRequired", "description", "title"})


def build_messages(schema: dict[str, Any] | bool, text: str, instructions: str | None = None) -> list[dict[str, str]]:
    """The chat that asks for ``text`` as JSON of ``schema``; the document is the last thing in it."""
    parts = ["JSON Schema:\n" + json.dumps(prompt_schema(schema), ensure_ascii=False, separators=(",", ":"))]
    if instructions:
        parts.append("Instructions:\n" + instructions.strip())
    parts.append("Document:\n" + text)
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n\n".join(parts)}]


def prompt_schema(schema: dict[str, Any] | bool) -> dict[str, Any] | bool:
    """``schema`` without what does not help a reader: titles made from names, defaults, definitions used once.

    Meaning is kept, with one reading rule: an object without ``required`` requires all of its properties.
    """
    if isinstance(schema, bool):
        return schema
    title = schema.get("title")
    is_class_name = isinstance(title, str) and title.isidentifier()
    cleaned = _clean(_inline_single_uses(schema), name=title if is_class_name else None)
    assert isinstance(cleaned, dict)
    return cleaned


def _clean(node: Any, name: str | None) -> Any:
    """One subschema, shortened; ``name`` is the property or definition it stands under."""
    if isinstance(node, list):
        return [_clean(item, None) for item in node]
    if not isinstance(node, dict):
        return node
    result: dict[str, Any] = {}
    for keyword, value in node.items():
        if keyword in _NOISE or (keyword == "title" and _made_from(value, name)):
            continue
        if keyword == "additionalProperties" and value is False:
            continue
        if keyword in _MAPS and isinstance(value, dict):
            result[keyword] = {key: _clean(child, key) for key, child in value.items()}
        elif keyword in _DATA:
            result[keyword] = value
        else:
            result[keyword] = _clean(value, None)
    return _type_first(_shorten_required(_shorten_nullable(_shorten_decimal(result))))


def _made_from(title: Any, name: str | None) -> bool:
    """Whether Pydantic made this title from a property's or a class's name, so that it says nothing new."""
    if not isinstance(title, str) or name is None:
        return False
    return title.replace(" ", "").lower() == name.replace("_", "").replace(" ", "").lower()


def _shorten_decimal(node: dict[str, Any]) -> dict[str, Any]:
    """Pydantic's Decimal, a number or its spelling as a string, reads as a number."""
    branches = node.get("anyOf")
    if not isinstance(branches, list):
        return node
    kinds = [branch.get("type") for branch in branches if isinstance(branch, dict)]
    if "number" not in kinds:
        return node
    kept = [b for b in branches if not (isinstance(b, dict) and b.get("type") == "string" and "pattern" in b)]
    return _with_branches(node, kept)


def _shorten_nullable(node: dict[str, Any]) -> dict[str, Any]:
    """``anyOf: [{"type": T, ...}, {"type": "null"}]`` reads shorter, and means the same, as ``type: [T, "null"]``."""
    branches = node.get("anyOf")
    if not (isinstance(branches, list) and len(branches) == 2 and branches[1] == {"type": "null"}):
        return node
    first = branches[0]
    if not isinstance(first, dict) or not isinstance(first.get("type"), str) or {"enum", "const"} & first.keys():
        return node
    return _with_branches(node, [{**first, "type": [first["type"], "null"]}])


def _with_branches(node: dict[str, Any], branches: list[Any]) -> dict[str, Any]:
    rest = {keyword: value for keyword, value in node.items() if keyword != "anyOf"}
    if len(branches) == 1 and isinstance(branches[0], dict) and not (rest.keys() & branches[0].keys()):
        return {**branches[0], **rest}
    return {**rest, "anyOf": branches}


def _shorten_required(node: dict[str, Any]) -> dict[str, Any]:
    """``required`` is said only where it leaves a property out."""
    properties = node.get("properties")
    if not isinstance(properties, dict) or not properties:
        return node
    required = node.get("required", [])
    rest = {keyword: value for keyword, value in node.items() if keyword != "required"}
    if isinstance(required, list) and properties.keys() <= set(required):
        return rest
    return {**rest, "required": required}


def _type_first(node: dict[str, Any]) -> dict[str, Any]:
    return {"type": node["type"], **node} if "type" in node else node


def _inline_single_uses(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` with each local definition that is used once, and not by itself, written where it is used."""
    definitions = schema.get("$defs")
    if not isinstance(definitions, dict):
        return schema
    uses = Counter(_references(schema))
    single = {
        f"#/$defs/{name}": body
        for name, body in definitions.items()
        if uses[f"#/$defs/{name}"] == 1 and isinstance(body, dict) and not _reaches_itself(name, definitions)
    }
    kept = {name: body for name, body in definitions.items() if f"#/$defs/{name}" not in single}
    rest = {keyword: value for keyword, value in schema.items() if keyword != "$defs"}
    if kept:
        rest["$defs"] = kept
    inlined = _substitute(rest, single)
    assert isinstance(inlined, dict)
    return inlined


def _references(node: Any) -> list[str]:
    """Every ``$ref`` below ``node``; a property that is called ``$ref`` holds a schema, not a string."""
    if isinstance(node, list):
        return [reference for item in node for reference in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [reference for value in node.values() for reference in _references(value)]


def _reaches_itself(name: str, definitions: dict[str, Any]) -> bool:
    seen: set[str] = set()
    queue = [f"#/$defs/{name}"]
    while queue:
        for reference in _references(definitions.get(queue.pop().removeprefix("#/$defs/"), {})):
            if reference == f"#/$defs/{name}":
                return True
            if reference not in seen:
                seen.add(reference)
                queue.append(reference)
    return False


def _substitute(node: Any, bodies: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_substitute(item, bodies) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and reference in bodies:
        body = {key: value for key, value in bodies[reference].items() if key != "title"}
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _substitute({**body, **rest}, bodies)
    return {key: _substitute(value, bodies) for key, value in node.items()}
