"""Hosts, addresses, mailboxes and identifiers of the Internet: the grammars of the RFCs as patterns.

Each constant is the body of an ECMA-262 pattern, named after its rule; the functions give whole languages.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .charset import CharSet
from .ecma import parse_pattern
from .idn import idn_domain
from .punycode import a_label
from .terms import EPSILON, Term, chars, concat, intersect, length, literal, repeat, transitions, union

# RFC 3986, RFC 3987
_UCS: Final = (
    r"\u{A0}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFEF}"
    + "".join(rf"\u{{{plane:X}0000}}-\u{{{plane:X}FFFD}}" for plane in range(1, 14))
    + r"\u{E1000}-\u{EFFFD}"
)
_PRIVATE: Final = r"\u{E000}-\u{F8FF}\u{F0000}-\u{FFFFD}\u{100000}-\u{10FFFD}"
_PERCENT: Final = "%[0-9A-Fa-f]{2}"
_SUB_DELIMS: Final = "!$&'()*+,;="
_UNRESERVED: Final = r"A-Za-z0-9\-._~"
SCHEME: Final = r"[A-Za-z][A-Za-z0-9+\-.]*"

OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IPV4: Final = rf"{OCTET}(?:\.{OCTET}){{3}}"
_H16: Final = "[0-9A-Fa-f]{1,4}"
_LS32: Final = f"(?:{_H16}:{_H16}|{IPV4})"
IPV6: Final = "(?:" + "|".join(
    [f"(?:{_H16}:){{6}}{_LS32}", f"::(?:{_H16}:){{5}}{_LS32}"]
    + [f"(?:(?:{_H16}:){{0,{n}}}{_H16})?::(?:{_H16}:){{{4 - n}}}{_LS32}" for n in range(5)]
    + [f"(?:(?:{_H16}:){{0,5}}{_H16})?::{_H16}", f"(?:(?:{_H16}:){{0,6}}{_H16})?::"]
) + ")"  # fmt: skip

# RFC 5321
MAX_LOCAL_PART: Final = 64
_BEYOND_ASCII: Final = r"\x80-\u{10FFFF}"
_ATEXT: Final = r"A-Za-z0-9!#$%&'*+\-/=?^_`{|}~"
_QTEXT: Final = r"[ !#-\[\]-~]|\\[ -~]"
_SNUM: Final = r"(?:25[0-5]|2[0-4]\d|[01]?\d?\d)"
_IPV6_FULL: Final = f"{_H16}(?::{_H16}){{7}}|{_H16}(?::{_H16}){{5}}:{_SNUM}(?:\\.{_SNUM}){{3}}"


def ipv4() -> Term:
    """Four decimal octets without leading zeros (RFC 2673, section 3.2)."""
    return parse_pattern(f"^{IPV4}$")


def ipv6() -> Term:
    """RFC 4291, section 2.2, without zone and prefix length."""
    return parse_pattern(f"^{IPV6}$")


def hostname() -> Term:
    """RFC 1123, section 2.1, at most 253 characters; what follows ``xn--`` must decode to what IDNA allows."""
    part = union(label(), a_label())
    return intersect(concat(part, repeat(concat(literal("."), part), 0, None)), length(1, 253))


def idn_hostname() -> Term:
    """RFC 5890: host names, and up to four labels with letters beyond ASCII in a domain."""
    return union(hostname(), idn_domain())


def label(first: str = "A-Za-z0-9", middle: str = r"A-Za-z0-9\-") -> Term:
    """A part of a host name that does not begin with ``xn--``, whatever the case; classes as in patterns.

    Spelled out without a complement, so that the lengths of its words are known.
    """
    start, inner, end = _class(first), _class(middle), _class("A-Za-z0-9")
    x, n, hyphen = CharSet.of("Xx"), CharSet.of("Nn"), CharSet.of("-")

    def rest(begin: CharSet, most: int) -> Term:
        """One to ``most`` characters, the first of them in ``begin``."""
        return union(chars(begin & end), concat(chars(begin), repeat(chars(inner), 0, most - 2), chars(end)))

    return union(
        rest(start - x, 63),
        concat(chars(start & x), union(EPSILON, rest(inner - n, 62))),
        concat(chars(start & x), chars(n), union(EPSILON, rest(inner - hyphen, 61))),
        concat(chars(start & x), chars(n), chars(hyphen), rest(inner - hyphen, 60)),
    )


def _class(characters: str) -> CharSet:
    ((found, _),) = transitions(parse_pattern(f"^[{characters}]$"))
    return found


def email() -> Term:
    """The mailbox of RFC 5321, section 4.1.2, its local part within 64 characters."""
    return concat(union(dot_string(), _quoted_string()), literal("@"), union(hostname(), _address_literal()))


def dot_string(beyond_ascii: str = "") -> Term:
    """A local part without quotes. ``beyond_ascii``: further characters, as in a pattern's class."""
    atom = f"[{_ATEXT}{beyond_ascii}]+"
    return intersect(parse_pattern(rf"^{atom}(?:\.{atom})*$"), length(1, MAX_LOCAL_PART))


def idn_email() -> Term:
    """The mailbox of RFC 6531, section 3.3. Lengths count characters, not bytes; labels are not looked into."""
    part = parse_pattern(
        rf"^[A-Za-z0-9{_BEYOND_ASCII}](?:[A-Za-z0-9\-{_BEYOND_ASCII}]{{0,61}}[A-Za-z0-9{_BEYOND_ASCII}])?$"
    )
    domain = union(concat(part, repeat(concat(literal("."), part), 0, None)), _address_literal())
    return concat(union(dot_string(_BEYOND_ASCII), _quoted_string(_BEYOND_ASCII)), literal("@"), domain)


def _quoted_string(beyond_ascii: str = "") -> Term:
    characters = f"{_QTEXT}|[{beyond_ascii}]" if beyond_ascii else _QTEXT
    return intersect(parse_pattern(f'^"(?:{characters})*"$'), length(2, MAX_LOCAL_PART))


def _address_literal() -> Term:
    ipv6 = f"[Ii][Pp][Vv]6:(?:{_IPV6_FULL}|{_compressed_ipv6()})"
    return parse_pattern(rf"^\[(?:{_SNUM}(?:\.{_SNUM}){{3}}|{ipv6})\]$")


def _compressed_ipv6() -> str:
    """RFC 5321: ``::`` stands for two groups or more, so beside it are at most six, or four and an IPv4 address."""
    groups = []
    for before in range(7):
        left = f"{_H16}(?::{_H16}){{{before - 1}}}" if before else ""
        right = f"(?:{_H16}(?::{_H16}){{0,{5 - before}}})?" if before < 6 else ""
        groups.append(f"{left}::{right}")
    for before in range(5):
        left = f"{_H16}(?::{_H16}){{{before - 1}}}" if before else ""
        groups.append(rf"{left}::(?:{_H16}:){{0,{4 - before}}}{_SNUM}(?:\.{_SNUM}){{3}}")
    return "|".join(groups)


def uri() -> Term:
    """RFC 3986, section 3."""
    return _identifier(pieces(), False)


def uri_reference() -> Term:
    """RFC 3986, section 4.1."""
    return _identifier(pieces(), True)


def iri() -> Term:
    """RFC 3987, section 2.2."""
    return _identifier(pieces(_UCS, _PRIVATE), False)


def iri_reference() -> Term:
    """RFC 3987, section 2.2."""
    return _identifier(pieces(_UCS, _PRIVATE), True)


class Pieces(NamedTuple):
    """Patterns for the parts of an identifier, each in its own group."""

    userinfo: str
    reg_name: str
    pchar: str
    no_colon: str
    tail: str  # query and fragment


def pieces(ucs: str = "", private: str = "") -> Pieces:
    plain = f"{_UNRESERVED}{ucs}{_SUB_DELIMS}"
    return Pieces(
        userinfo=f"(?:[{plain}:]|{_PERCENT})*",
        reg_name=f"(?:[{plain}]|{_PERCENT})",
        pchar=f"(?:[{plain}:@]|{_PERCENT})",
        no_colon=f"(?:[{plain}@]|{_PERCENT})",
        tail=rf"(?:\?(?:[{plain}:@/?{private}]|{_PERCENT})*)?(?:#(?:[{plain}:@/?]|{_PERCENT})*)?",
    )


def _identifier(of: Pieces, reference: bool) -> Term:
    host = rf"(?:\[(?:{IPV6}|[Vv][0-9A-Fa-f]+\.[{_UNRESERVED}{_SUB_DELIMS}:]+)\]|{of.reg_name}*)"
    authority = rf"(?:{of.userinfo}@)?{host}(?::\d*)?"
    rooted = f"//{authority}(?:/{of.pchar}*)*|/(?:{of.pchar}+(?:/{of.pchar}*)*)?"
    absolute = f"{SCHEME}:(?:{rooted}|{of.pchar}+(?:/{of.pchar}*)*)?{of.tail}"
    relative = f"(?:{rooted}|{of.no_colon}+(?:/{of.pchar}*)*)?{of.tail}"
    return parse_pattern(f"^(?:{absolute}|{relative})$" if reference else f"^{absolute}$")


def uri_template() -> Term:
    """RFC 6570 with the operators that it defines."""
    varchar = f"(?:[A-Za-z0-9_]|{_PERCENT})"
    varspec = rf"{varchar}(?:\.?{varchar})*(?::[1-9]\d{{0,3}}|\*)?"
    literals = rf"[!#$&'(-;=?-\[\]_a-z~{_UCS}{_PRIVATE}]|{_PERCENT}"
    return parse_pattern(rf"^(?:{literals}|\{{[+#./;?&]?{varspec}(?:,{varspec})*\}})*$")


def json_pointer() -> Term:
    """RFC 6901, section 3."""
    return parse_pattern(r"^(?:/(?:[^~/]|~[01])*)*$")


def relative_json_pointer() -> Term:
    """The Relative JSON Pointer draft, without the index manipulation that only its later versions have."""
    return parse_pattern(r"^(?:0|[1-9]\d*)(?:#|(?:/(?:[^~/]|~[01])*)*)$")


def uuid() -> Term:
    """RFC 4122, section 3: five groups of hexadecimal digits."""
    return parse_pattern("^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")
