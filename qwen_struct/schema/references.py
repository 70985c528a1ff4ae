"""Where a reference leads: JSON Pointers, anchors, embedded and remote documents.

Most schemas are one document whose references are JSON Pointers into it; those are followed here. Everything else
(``$id`` inside the document, anchors, other documents) goes to the ``referencing`` library. A document that is not
part of the schema is asked of ``retrieve`` and of nobody else: nothing is ever fetched silently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urljoin

from ..errors import UnresolvableReferenceError
from .dialects import DEFAULT, Dialect, dialect_of

Retrieve = Callable[[str], Any]


@dataclass(frozen=True, eq=False)
class Scope:
    """Where a subschema stands: the root of its resource, that resource's URI, and its dialect.

    ``resolver`` is referencing's, once the document needs it. ``dynamic`` are the resources passed through on the
    way here, outermost first, when the document uses dynamic references.
    """

    root: Any
    uri: str
    dialect: Dialect
    resolver: Any = None


class References:
    """The documents of one compilation. ``retrieve(uri) -> schema`` supplies those that are not part of it."""

    def __init__(self, schema: Any, retrieve: Retrieve | None, dialect: Dialect) -> None:
        self._retrieve = retrieve
        self._registry: Any = None
        self._uri = ""
        if isinstance(schema, dict) and isinstance(schema.get(dialect.id_keyword), str):
            self._uri = schema[dialect.id_keyword].removesuffix("#")
        self._embedded = _has_inner_ids(schema)
        self._interned: dict[tuple, Scope] = {}
        self.start = self._scope(schema, self._uri, dialect)
        if self._embedded:
            self.start = self._scope(schema, self._uri, dialect, self._resolver(schema, dialect))

    def _scope(self, root: Any, uri: str, dialect: Dialect, resolver: Any = None) -> Scope:
        key = (id(root), uri, dialect.name, resolver is None)
        return self._interned.setdefault(key, Scope(root, uri, dialect, resolver))

    def enter(self, scope: Scope, schema: dict) -> Scope:
        """The scope inside ``schema``: a new one where it names itself with an identifier."""
        identifier = schema.get(scope.dialect.id_keyword)
        if schema is scope.root or not isinstance(identifier, str) or identifier.startswith("#"):
            return scope
        if scope.dialect.ref_hides_siblings and "$ref" in schema:
            return scope
        uri = urljoin(scope.uri, identifier).removesuffix("#")
        dialect = dialect_of(schema.get("$schema")) or scope.dialect
        resolver = scope.resolver
        if resolver is not None:
            resolver = resolver.in_subresource(_resource(schema, dialect))
        return self._scope(schema, uri, dialect, resolver)

    def resolve(self, scope: Scope, ref: str, pointer: str) -> tuple[Any, Scope]:
        """What ``ref``, standing in ``scope``, refers to, and the scope there.

        Raises:
            UnresolvableReferenceError: it leads nowhere, or to a document that was not passed.
        """
        if not self._embedded and (ref == "#" or ref.startswith("#/")):
            return follow(scope.root, unquote(ref[1:]), ref, pointer), scope
        resolver = scope.resolver or self._resolver(scope.root, scope.dialect)
        try:
            resolved = resolver.lookup(ref)
            root = resolved.resolver.lookup("#").contents
        except Exception as error:  # referencing raises several unrelated classes here
            raise UnresolvableReferenceError(_why(ref, error, self._retrieve), pointer=pointer, keyword="$ref") from error
        uri = getattr(resolved.resolver, "_base_uri", "")
        dialect = scope.dialect
        if isinstance(root, dict):
            dialect = dialect_of(root.get("$schema")) or dialect
        return resolved.contents, self._scope(root, uri, dialect, resolved.resolver)

    def _resolver(self, root: Any, dialect: Dialect) -> Any:
        if self._registry is None:
            import referencing
            import referencing.exceptions
            from jsonschema_specifications import REGISTRY

            def retrieve(uri: str) -> Any:
                if self._retrieve is None:
                    raise referencing.exceptions.NoSuchResource(ref=uri)
                contents = self._retrieve(uri)
                found = dialect_of(contents.get("$schema")) if isinstance(contents, dict) else None
                return _resource(contents, found or dialect)

            registry: Any = referencing.Registry(retrieve=retrieve)  # type: ignore[call-arg]
            registry = registry.with_resources(REGISTRY.items())
            self._registry = registry.with_resource(self._uri, _resource(root, dialect))
        return self._registry.resolver(self._uri)


def _resource(contents: Any, dialect: Dialect) -> Any:
    import referencing.jsonschema as dialects

    by_name = {
        "draft-04": dialects.DRAFT4,
        "draft-06": dialects.DRAFT6,
        "draft-07": dialects.DRAFT7,
        "2019-09": dialects.DRAFT201909,
        "2020-12": dialects.DRAFT202012,
    }
    return by_name[dialect.name].create_resource(contents)


def follow(root: Any, path: str, ref: str, pointer: str) -> Any:
    """The part of ``root`` at the JSON Pointer ``path``."""
    here = root
    for raw in path.split("/")[1:]:
        part = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and part in here:
            here = here[part]
        elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            raise UnresolvableReferenceError(
                f"{ref!r} leads nowhere: there is no {part!r} on the way; correct the pointer or add the definition",
                pointer=pointer,
                keyword="$ref",
            )
    return here


def _has_inner_ids(schema: Any) -> bool:
    """Whether some subschema might carry an identifier or an anchor, so that pointers alone do not do."""
    stack = list(schema.values()) if isinstance(schema, dict) else []
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            for key, value in here.items():
                if isinstance(value, str):
                    if key in ("$id", "id", "$anchor", "$dynamicAnchor"):
                        return True
                elif isinstance(value, dict | list):
                    stack.append(value)
        elif isinstance(here, list):
            stack += here
    return False


def _why(ref: str, error: Exception, retrieve: Retrieve | None) -> str:
    mend = (
        "pass retrieve=, a function that returns the document for a URI"
        if retrieve is None
        else "check the reference and what retrieve returns for it"
    )
    return f"{ref!r} cannot be resolved ({type(error).__name__}: {error}); {mend}"


__all__ = ["DEFAULT", "References", "Retrieve", "Scope", "follow"]
