"""What Pydantic's text-like types accept, as JSON Schema: dates within range, hosts that parse, and the like.

The formats that Pydantic's own schemas name are wider (`date` has a year 0000, `date-time` leap seconds) or unknown to
the standard (`ipv4network`). Each entry here accepts a subset of what the published schema accepts, all of which
Pydantic takes. Where a type accepts more spellings than an extraction needs (an e-mail address over 64 characters, an
address with a zone index), the subset is the plain one.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

_YEAR = r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_LONG_MONTH = r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
_SHORT_MONTH = r"(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
_DAY = rf"(?:{_LONG_MONTH}|{_SHORT_MONTH}|02-(?:0[1-9]|1[0-9]|2[0-8]))"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"  # Python keeps microseconds, no leap seconds
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"

# Labels without "--", which announces punycode; the last one starts with a letter, or it would read as an IPv4 number.
_LABEL = r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_HOST = rf"(?:(?:{_LABEL}\.)*[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*|{_IPV4})"
_PORT = r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))"
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_USER = r"(?:[A-Za-z0-9._~!$&'()*+=-]|%[0-9A-Fa-f]{2})+"
_TAIL = rf"(?:/{_PCHAR}*)*(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"

_COUNT = r"[0-9]{1,6}"  # 999,999 years are the longest that datetime.timedelta holds
_CLOCK = rf"T(?:{_COUNT}H(?:{_COUNT}M(?:{_COUNT}S)?)?|{_COUNT}M(?:{_COUNT}S)?|{_COUNT}S)"
_SPAN = rf"(?:{_COUNT}D|{_COUNT}M(?:{_COUNT}D)?|{_COUNT}Y(?:{_COUNT}M(?:{_COUNT}D)?)?)"


def _text(pattern: str, **keywords: Any) -> dict[str, Any]:
    return {"type": "string", **keywords, "pattern": f"^(?:{pattern})$"}


_DATE = rf"(?:{_YEAR}-{_DAY}|{_LEAP}-02-29)"
DATETIME = _text(rf"{_DATE}T{_TIME}{_ZONE}?")
AWARE_DATETIME = _text(rf"{_DATE}T{_TIME}{_ZONE}")
NAIVE_DATETIME = _text(rf"{_DATE}T{_TIME}")
TIME = _text(rf"{_TIME}{_ZONE}?")
FRACTION = _text(r"-?[0-9]{1,18}/[1-9][0-9]{0,17}")
DURATION = _text(rf"P(?:{_SPAN}(?:{_CLOCK})?|{_CLOCK}|{_COUNT}W)")
INTEGER_KEY = {"pattern": "^-?(?:0|[1-9][0-9]{0,17})$"}
NUMBER_KEY = {"pattern": r"^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?$"}
TRIMMED = {"pattern": r"^(?:[^\s\x85](?:[\s\S]*[^\s\x85])?)?$"}  # what str.strip leaves as it is
ASCII_ONLY = {"pattern": r"^[\x00-\x7f]*$"}

_NETWORKS = (
    rf"{_IPV4}(?:/32)?",
    rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.0/24",
    rf"{_OCTET}\.{_OCTET}\.0\.0/16",
    rf"{_OCTET}\.0\.0\.0/8",
)
_BASE64 = r"(?:[A-Za-z0-9{0}]{{4}})*(?:[A-Za-z0-9{0}][AQgw]==|[A-Za-z0-9{0}]{{2}}[AEIMQUYcgkosw048]=)?"
_HEX = "[0-9A-Fa-f]"

FORMATS: dict[str, dict[str, Any]] = {
    "ipv4network": _text("|".join(_NETWORKS)),
    "ipv4interface": _text(rf"{_IPV4}(?:/(?:3[0-2]|[12]?[0-9]))?"),
    "ipv6network": {"type": "string", "format": "ipv6"},
    "ipv6interface": {"type": "string", "format": "ipv6"},
    "ipvanyaddress": {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]},
    "ipvanynetwork": _text("|".join(_NETWORKS)),
    "ipvanyinterface": {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]},
    "base64": _text(_BASE64.format("+/")),
    "base64url": _text(_BASE64.format("_-")),
    "hex": _text(f"(?:{_HEX}{{2}})*"),
    **{
        f"uuid{n}": _text(rf"{_HEX}{{8}}-{_HEX}{{4}}-{n}{_HEX}{{3}}-[89ABab]{_HEX}{{3}}-{_HEX}{{12}}")
        for n in range(1, 9)
    },
}


def date_between(first: datetime.date, last: datetime.date) -> dict[str, Any]:
    """Calendar dates from ``first`` to ``last``, both included and in this order."""
    low, high = (day.strftime("%Y%m%d").zfill(8) for day in (first, last))
    if low.endswith("0101"):  # from the start of a year: what comes before it is no date
        low = low[:4] + "0000"
    if high.endswith("1231"):
        high = high[:4] + "9999"
    return {"type": "string", "format": "date", "pattern": f"^{_between(low, high)}"}


def _between(low: str, high: str) -> str:
    """A pattern for the last digits of a date, as many as ``low`` and ``high`` have, from ``low`` to ``high``.

    Shape and calendar are the format's to check, so what is free needs no pattern: a whole year or month, say.
    """
    left = len(low)
    hyphen = "-" if left in (4, 2) else ""
    if low == "0" * left and high == "9" * left:
        return ""
    rests: dict[str, list[str]] = {}  # what may follow -> the digits that it follows, in order
    for digit in map(str, range(int(low[0]), int(high[0]) + 1)):
        least = low[1:] if digit == low[0] else "0" * (left - 1)
        most = high[1:] if digit == high[0] else "9" * (left - 1)
        rests.setdefault(_between(least, most) if left > 1 else "", []).append(digit)
    arms = [(f"[{d[0]}-{d[-1]}]" if len(d) > 1 else d[0]) + rest for rest, d in rests.items()]
    return hyphen + (arms[0] if len(arms) == 1 else f"(?:{'|'.join(arms)})")


def url(schemes: Iterable[str] | None, *, many_hosts: bool = False) -> dict[str, Any]:
    """URLs of these schemes (any when None) with a plain host, none of which the WHATWG parser refuses."""
    scheme = "|".join(map(re.escape, sorted(schemes))) if schemes else "[A-Za-z][A-Za-z0-9+-]*"
    if scheme == "file":
        return _text(rf"file:///{_PCHAR}+(?:/{_PCHAR}*)*")
    hosts = rf"{_HOST}{_PORT}?(?:,{_HOST}{_PORT}?)*" if many_hosts else rf"{_HOST}{_PORT}?"
    return _text(rf"(?:{scheme})://(?:{_USER}(?::{_USER})?@)?{hosts}{_TAIL}")


@lru_cache(maxsize=1)
def email() -> dict[str, Any]:
    """Addresses that `email_validator` passes without a name server: no reserved top-level domain, no punycode."""
    reserved = ["arpa", "invalid", "local", "localhost", "onion", "test"]
    atom = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
    # 64 is the limit of the local part; as the limit of the whole it keeps every label below 63 as well.
    return _text(rf"{atom}(?:\.{atom})*@(?:{_LABEL}\.)+{_words_except(reserved)}", maxLength=64)


def _words_except(words: list[str]) -> str:
    """A pattern for two or more letters that are none of ``words``, in any case: a look-ahead spelled out."""
    parts = []
    for first in sorted({word[0] for word in words if word}):
        rests = [word[1:] for word in words if word and word[0] == first]
        parts.append(f"[{first}{first.upper()}]{_rest_except(rests)}")
    others = "".join(c + c.upper() for c in "abcdefghijklmnopqrstuvwxyz" if c not in {word[0] for word in words})
    return "(?:" + "|".join([f"[{others}][A-Za-z]+", *parts]) + ")"


def _rest_except(rests: list[str]) -> str:
    """The same for what follows a first letter; the empty rest, a word of one letter, is left out as well."""
    heads = sorted({rest[0] for rest in rests if rest})
    others = "".join(c + c.upper() for c in "abcdefghijklmnopqrstuvwxyz" if c not in heads)
    parts = [f"[{others}][A-Za-z]*"]
    for head in heads:
        tails = [rest[1:] for rest in rests if rest and rest[0] == head]
        ended = "" in tails
        deeper = _rest_except([tail for tail in tails if tail]) if any(tails) else "[A-Za-z]+"
        parts.append(f"[{head}{head.upper()}]{deeper}" if ended else f"[{head}{head.upper()}](?:{deeper})?")
    return "(?:" + "|".join(parts) + ")"
