"""Where a reference leads: JSON Pointers, anchors, embedded and remote documents.

Most schemas are one document whose references are JSON Pointers into it; those are followed here. Everything else
(``$id`` inside the document, anchors, other documents) goes to the ``referencing`` library. A document that is not
part of the schema is asked of ``retrieve`` and of nobody else: nothing is ever fetched silently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote, urljoin

from ..errors import UnresolvableReferenceError, UnsupportedSchemaError
from .dialects import DEFAULT, Dialect, dialect_of, restricted

Retrieve = Callable[[str], Any]


@dataclass(frozen=True, eq=False)
class Resource:
    """A document, or a part of one with an identifier of its own. ``resolver`` is referencing's, where it is needed."""

    root: Any
    uri: str
    dialect: Dialect
    resolver: Any = None


@dataclass(frozen=True, eq=False)
class Scope:
    """Where a subschema stands: its resource, and the resources passed through on the way, outermost first."""

    resource: Resource
    dynamic: tuple[Resource, ...]

    @property
    def dialect(self) -> Dialect:
        return self.resource.dialect


class References:
    """The documents of one compilation. ``retrieve(uri) -> schema`` supplies others, and is asked once for each."""

    def __init__(self, schema: Any, retrieve: Retrieve | None, dialect: Dialect) -> None:
        self._retrieve = None if retrieve is None else cache(retrieve)
        self._registry: Any = None
        self._uri = ""
        if isinstance(schema, dict) and isinstance(schema.get(dialect.id_keyword), str):
            self._uri = schema[dialect.id_keyword].removesuffix("#")
        self._embedded = _has_inner_ids(schema)
        self._resources: dict[tuple, Resource] = {}
        self._scopes: dict[tuple, Scope] = {}
        resolver = self._resolver(schema, dialect) if self._embedded else None
        first = self._resource(schema, self._uri, dialect, resolver)
        self.start = self._scope(first, ())

    def _resource(self, root: Any, uri: str, dialect: Dialect, resolver: Any) -> Resource:
        key = (id(root), uri, dialect, resolver is None)
        return self._resources.setdefault(key, Resource(root, uri, dialect, resolver))

    def _scope(self, resource: Resource, passed: tuple[Resource, ...]) -> Scope:
        """The scope in ``resource``. Only where a resource was first entered matters to dynamic references."""
        dynamic = passed if resource in passed else (*passed, resource)
        return self._scopes.setdefault((resource, dynamic), Scope(resource, dynamic))

    def enter(self, scope: Scope, schema: dict) -> Scope:
        """The scope inside ``schema``: a new one where it names itself with an identifier."""
        here = scope.resource
        identifier = schema.get(here.dialect.id_keyword)
        if schema is here.root or not isinstance(identifier, str) or identifier.startswith("#"):
            return scope
        if here.dialect.ref_hides_siblings and "$ref" in schema:
            return scope
        uri = urljoin(here.uri, identifier).removesuffix("#")
        dialect = self._dialect(schema) or here.dialect
        resolver = here.resolver
        if resolver is not None:
            resolver = resolver.in_subresource(_resource(schema, dialect))
        return self._scope(self._resource(schema, uri, dialect, resolver), scope.dynamic)

    def resolve(self, scope: Scope, ref: str, pointer: str) -> tuple[Any, Scope]:
        """What ``ref``, standing in ``scope``, refers to, and the scope there.

        Raises:
            UnresolvableReferenceError: it leads nowhere, or to a document that was not passed.
        """
        here = scope.resource
        if not self._embedded and (ref == "#" or ref.startswith("#/")):
            return follow(here.root, unquote(ref[1:]), ref, pointer), scope
        resolver = here.resolver or self._resolver(here.root, here.dialect)
        try:
            resolved = resolver.lookup(ref)
            root = resolved.resolver.lookup("#").contents
        except Exception as error:  # referencing raises several unrelated classes here
            message = _why(ref, error, self._retrieve)
            raise UnresolvableReferenceError(message, pointer=pointer, keyword="$ref") from error
        uri = getattr(resolved.resolver, "_base_uri", "")
        resource = self._resource(root, uri, self._dialect(root) or here.dialect, resolved.resolver)
        return resolved.contents, self._scope(resource, scope.dynamic)

    def resolve_dynamic(self, scope: Scope, ref: str, pointer: str) -> tuple[Any, Scope]:
        """As :meth:`resolve`, for ``$dynamicRef``: a dynamic anchor is looked up from the outermost resource in."""
        target, there = self.resolve(scope, ref, pointer)
        anchor = unquote(ref.partition("#")[2])
        if not (isinstance(target, dict) and anchor and target.get("$dynamicAnchor") == anchor):
            return target, there
        for resource in there.dynamic:
            found = _dynamic_anchors(resource.root).get(anchor)
            if found is not None:
                return found, self._scope(resource, there.dynamic)
        return target, there

    def resolve_recursive(self, scope: Scope, pointer: str) -> tuple[Any, Scope]:
        """What ``"$recursiveRef": "#"`` refers to: this resource, or the outermost that says it may be extended."""
        root, there = scope.resource.root, scope
        if isinstance(root, dict) and root.get("$recursiveAnchor") is True:
            for resource in scope.dynamic:
                if isinstance(resource.root, dict) and resource.root.get("$recursiveAnchor") is True:
                    return resource.root, self._scope(resource, scope.dynamic)
        return root, there

    def _dialect(self, schema: Any) -> Dialect | None:
        return (
            find_dialect(schema["$schema"], self._retrieve)
            if isinstance(schema, dict) and "$schema" in schema
            else None
        )

    def _resolver(self, root: Any, dialect: Dialect) -> Any:
        if self._registry is None:
            import referencing
            import referencing.exceptions
            from jsonschema_specifications import REGISTRY

            def retrieve(uri: str) -> Any:
                if self._retrieve is None:
                    raise referencing.exceptions.NoSuchResource(ref=uri)  # type: ignore[call-arg]
                contents = self._retrieve(uri)
                return _resource(contents, self._dialect(contents) or dialect)

            registry: Any = referencing.Registry(retrieve=retrieve)  # type: ignore[call-arg]
            registry = registry.with_resources(REGISTRY.items())
            self._registry = registry.with_resource(self._uri, _resource(root, dialect))
        return self._registry.resolver(self._uri)


def find_dialect(uri: Any, retrieve: Retrieve | None, seen: frozenset = frozenset()) -> Dialect | None:
    """The dialect that a ``$schema`` value names: a draft, or through ``retrieve`` a metaschema that extends one.

    Such a metaschema says by ``$vocabulary`` which keywords count. None when nothing is known of ``uri``.

    Raises: UnsupportedSchemaError for a required vocabulary that is not known.
    """
    found = dialect_of(uri)
    if found is not None or retrieve is None or not isinstance(uri, str) or uri in seen:
        return found
    try:
        metaschema = retrieve(uri)
    except Exception:  # whatever a retriever raises for what it does not have
        return None
    if not isinstance(metaschema, dict):
        return None
    found = find_dialect(metaschema.get("$schema"), retrieve, seen | {uri})
    vocabularies = metaschema.get("$vocabulary")
    if found is None or not isinstance(vocabularies, dict):
        return found
    try:
        return restricted(found, vocabularies)
    except KeyError as error:
        raise UnsupportedSchemaError(
            f"the metaschema {uri!r} requires the vocabulary {error}, which is not known",
            pointer="/$schema",
            keyword="$schema",
        ) from error


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


def _dynamic_anchors(root: Any) -> dict[str, dict]:
    """The subschemas of one resource with a ``$dynamicAnchor``, by its name."""
    found: dict[str, dict] = {}
    stack = [root]
    while stack:
        here = stack.pop()
        if isinstance(here, list):
            stack += here
        elif isinstance(here, dict) and (here is root or not isinstance(here.get("$id"), str)):
            if isinstance(here.get("$dynamicAnchor"), str):
                found.setdefault(here["$dynamicAnchor"], here)
            stack += here.values()
    return found


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


__all__ = ["DEFAULT", "References", "Retrieve", "Scope", "find_dialect", "follow"]
