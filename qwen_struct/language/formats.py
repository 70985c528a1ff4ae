"""The values of ``format`` as terms: what the standards allow, and what Python's parsers take of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from . import dates, internet
from .python_formats import PYTHON
from .regex_format import regex
from .terms import Term

_STANDARD: Final[dict[str, Callable[[], Term]]] = {
    "date": dates.date,
    "time": dates.time,
    "date-time": dates.date_time,
    "duration": dates.duration,
    "email": internet.email,
    "idn-email": internet.idn_email,
    "hostname": internet.hostname,
    "idn-hostname": internet.idn_hostname,
    "ipv4": internet.ipv4,
    "ipv6": internet.ipv6,
    "uri": internet.uri,
    "uri-reference": internet.uri_reference,
    "iri": internet.iri,
    "iri-reference": internet.iri_reference,
    "uri-template": internet.uri_template,
    "json-pointer": internet.json_pointer,
    "relative-json-pointer": internet.relative_json_pointer,
    "uuid": internet.uuid,
    "regex": regex,
}


@cache
def format_term(name: str) -> Term | None:
    """The strings of format ``name``; None for a name that no standard defines, which is an annotation."""
    build = _STANDARD.get(name)
    return None if build is None else build()


@cache
def python_term(name: str) -> Term | None:
    """The strings of format ``name`` that Pydantic's type for it accepts; None for a name that it does not enforce.

    A part of ``format_term(name)`` where that exists. Use it for schemas that Pydantic generated.
    """
    build = PYTHON.get(name) or _STANDARD.get(name)
    return None if build is None else build()
