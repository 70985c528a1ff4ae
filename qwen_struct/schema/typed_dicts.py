"""`typing.TypedDict` for Pydantic, which before Python 3.12 takes only that of `typing_extensions`."""

from __future__ import annotations

import sys
from types import GenericAlias, UnionType
from typing import Annotated, Any, NotRequired, Required, Union, get_args, get_origin, get_type_hints, is_typeddict

from typing_extensions import TypedDict


def modern(annotation: Any) -> Any:
    """``annotation`` with every TypedDict in it as Pydantic reads it; the annotation itself where nothing changes.

    Reaches into ``list[Movie]``, unions and the fields of TypedDicts, not into classes.
    """
    return annotation if sys.version_info >= (3, 12) else _modern(annotation, ())


def _modern(annotation: Any, inside: tuple[Any, ...]) -> Any:
    if is_typeddict(annotation) and type(annotation).__module__ == "typing":
        return annotation if annotation in inside else _rebuilt(annotation, (*inside, annotation))
    origin, arguments = get_origin(annotation), get_args(annotation)
    renewed = tuple(_modern(argument, inside) for argument in arguments)
    if all(new is old for new, old in zip(renewed, arguments, strict=True)):
        return annotation
    if origin in (Union, UnionType):
        return Union[renewed]  # noqa: UP007
    if origin is Annotated:
        return Annotated[renewed[0], *annotation.__metadata__]
    return GenericAlias(origin, renewed) if isinstance(origin, type) else annotation.copy_with(renewed)


def _rebuilt(kind: Any, inside: tuple[Any, ...]) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    fields = {}
    for name, hint in hints.items():
        marked = get_origin(hint) in (Required, NotRequired)  # __required_keys__ misses marks in postponed annotations
        required = get_origin(hint) is Required if marked else name in kind.__required_keys__
        field = _modern(get_args(hint)[0] if marked else hint, inside)
        fields[name] = Required[field] if required else NotRequired[field]
    rebuilt: Any = TypedDict(kind.__name__, fields)  # type: ignore[misc]
    rebuilt.__doc__, rebuilt.__module__ = kind.__doc__, kind.__module__
    return rebuilt
