"""What Python's own parsers, as Pydantic calls them, take of each format; and the names that only Pydantic emits.

Each language lies within the standard's where there is one. Where Pydantic's limits are on values (a port, the days
of a duration), the number of digits is limited instead, so a few extreme values are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import dates, internet
from .ecma import parse_pattern
from .regex_format import python_regex
from .terms import EPSILON, Term, complement, concat, intersect, length, literals, repeat, union


def date() -> Term:
    """`datetime.date` begins with year 1."""
    return dates.date(first_year=1)


def time() -> Term:
    """`datetime.time` has no leap seconds. Digits beyond the microsecond are cut off, as Pydantic does silently."""
    return dates.time(leap_seconds=False)


def date_time() -> Term:
    return concat(date(), literals("Tt"), time())


def duration() -> Term:
    """`datetime.timedelta` holds less than 10**9 days, and the clock part less than 2**32 seconds."""
    return dates.duration(dict(zip("YMWDhms", (6, 6, 8, 8, 5, 6, 9), strict=True)))


def email() -> Term:
    """What email-validator takes: no quotes, no address literal, a domain under a plausible top level."""
    letter, middle, edge = "[A-Za-z]", r"[A-Za-z0-9\-]", "[A-Za-z0-9]"
    start = f"{edge}{middle}(?:{edge}{middle}|-{edge}){middle}{{0,58}}"  # no -- after two characters: reserved by IDNA
    label = f"(?:{edge}|{edge}{edge}|{edge}{middle}{edge}|{edge}{middle}[A-Za-z0-9\\-]{edge}|{start}{edge})"
    top = f"(?:{letter}|{edge}{letter}|{edge}{middle}{letter}|{edge}{middle}[A-Za-z0-9\\-]{letter}|{start}{letter})"
    special = parse_pattern(f"^{_either_case('arpa', 'invalid', 'local', 'localhost', 'onion', 'test')}$")
    domain = concat(parse_pattern(rf"^(?:{label}\.)+$"), intersect(parse_pattern(f"^{top}$"), complement(special)))
    at_most_254 = 254 - len("@") - internet.MAX_LOCAL_PART
    return concat(internet.dot_string(), literals("@"), intersect(domain, length(1, at_most_254)))


_PORT: Final = r"(?::(?:0*(?:\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5]))?)?"


def uri() -> Term:
    """What `pydantic.AnyUrl` takes: the schemes of the web need a host name or an address, ports end at 65535."""
    of = internet.pieces()
    user, end = f"(?:{of.userinfo}@)?", f"(?:/{of.pchar}*)*{of.tail}"
    of_web, of_file = _either_case("http", "https", "ws", "wss", "ftp"), _either_case("file")
    web = parse_pattern(f"^{of_web}://{user}$"), _host(), parse_pattern(f"^{_PORT}{end}$")
    no_authority = f"(?:/(?:{of.pchar}+(?:/{of.pchar}*)*)?|{of.pchar}+(?:/{of.pchar}*)*)"
    at_host = concat(parse_pattern(f"^{of_file}://$"), union(EPSILON, _host()), parse_pattern(f"^{end}$"))
    file = union(at_host, parse_pattern(f"^{of_file}:{no_authority}{of.tail}$"))
    scheme = intersect(parse_pattern(f"^{internet.SCHEME}$"), complement(parse_pattern(f"^(?:{of_web}|{of_file})$")))
    host = rf"(?:\[{internet.IPV6}\]|{of.reg_name}+)"
    other = f":(?://(?:{user}{host}{_PORT})?{end}|(?:{no_authority})?{of.tail})"
    return union(concat(*web), file, concat(scheme, parse_pattern(f"^{other}$")))


def _either_case(*words: str) -> str:
    """A pattern for ASCII words in any case; ``(?i:..)`` would let in U+017F for s, which ASCII does not."""
    return f"(?:{'|'.join(''.join(f'[{c.lower()}{c.upper()}]' for c in word) for word in words)})"


def _host() -> Term:
    """A host of the web. A name's last part begins with a letter: a number would be read as an address."""
    middle = r"A-Za-z0-9_\-"
    name = concat(
        repeat(concat(internet.label(middle=middle), literals(".")), 0, None), internet.label("A-Za-z", middle)
    )
    return union(name, internet.ipv4(), concat(literals("["), internet.ipv6(), literals("]")))


def uuid_of_version(version: int) -> Callable[[], Term]:
    """UUIDs whose version digit is ``version``, of the RFC's variant."""

    def build() -> Term:
        return parse_pattern(
            f"^[0-9A-Fa-f]{{8}}-[0-9A-Fa-f]{{4}}-{version}[0-9A-Fa-f]{{3}}-[89ABab][0-9A-Fa-f]{{3}}-[0-9A-Fa-f]{{12}}$"
        )

    return build


_IPV4_PREFIX: Final = r"(?:[12]?\d|3[0-2])"
_IPV6_PREFIX: Final = r"(?:[1-9]?\d|1[01]\d|12[0-8])"


def ipv4_interface() -> Term:
    """An address, with or without the length of its network prefix."""
    return parse_pattern(f"^{internet.IPV4}(?:/{_IPV4_PREFIX})?$")


def ipv6_interface() -> Term:
    return parse_pattern(f"^{internet.IPV6}(?:/{_IPV6_PREFIX})?$")


def ipv4_network() -> Term:
    """An address whose bits beyond the prefix are zero, as `ipaddress` demands."""
    networks = [internet.IPV4]
    for bits in range(33):
        octets = [internet.OCTET] * (bits // 8)
        if bits % 8:
            octets.append("(?:" + "|".join(str(value) for value in range(0, 256, 1 << (8 - bits % 8))) + ")")
        networks.append(r"\.".join(octets + ["0"] * (4 - len(octets))) + f"/{bits}")
    return parse_pattern(f"^(?:{'|'.join(networks)})$")


def ipv6_network() -> Term:
    """An address whose bits beyond the prefix are zero. The zero groups at the end are written ``::`` or ``0``."""
    networks = [internet.IPV6]
    for bits in range(129):
        groups = ["[0-9A-Fa-f]{1,4}"] * (bits // 16)
        if bits % 16:
            groups.append(_group_with_zeros(16 - bits % 16))
        start, missing = ":".join(groups), 8 - len(groups)
        full = ":".join(groups + ["0{1,4}"] * missing)
        networks.append(f"(?:{start}::|{full})/{bits}" if missing else f"{start}/{bits}")
    return parse_pattern(f"^(?:{'|'.join(networks)})$")


def _group_with_zeros(count: int) -> str:
    """Four hexadecimal digits, leading zeros optional, whose last ``count`` bits are zero."""
    digits, rest = divmod(count, 4)
    step = 1 << rest
    wanted = "".join(f"{value:x}{value:X}" if value > 9 else str(value) for value in range(0, 16, step))
    before = 3 - digits
    return f"(?:[0-9A-Fa-f]{{0,{before}}}[{wanted}]{'0' * digits}|0{{1,4}})"


def any_of(*builders: Callable[[], Term]) -> Callable[[], Term]:
    return lambda: union(*[build() for build in builders])


def base64() -> Term:
    return parse_pattern("^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")


def base64url() -> Term:
    return parse_pattern("^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?$")


def name_email() -> Term:
    """An address alone, or as ``Given Family <address>``."""
    pretty = concat(parse_pattern("^[A-Za-z]+(?: [A-Za-z]+)* $"), literals("<"), email(), literals(">"))
    return union(email(), pretty)


PYTHON: Final[dict[str, Callable[[], Term]]] = {
    "date": date,
    "time": time,
    "date-time": date_time,
    "duration": duration,
    "email": email,
    "idn-email": email,
    "name-email": name_email,
    "regex": python_regex,
    "uri": uri,
    "ipv4network": ipv4_network,
    "ipv6network": ipv6_network,
    "ipv4interface": ipv4_interface,
    "ipv6interface": ipv6_interface,
    "ipvanyaddress": any_of(internet.ipv4, internet.ipv6),
    "ipvanynetwork": any_of(ipv4_network, ipv6_network),
    "ipvanyinterface": any_of(ipv4_interface, ipv6_interface),
    "base64": base64,
    "base64url": base64url,
    **{f"uuid{version}": uuid_of_version(version) for version in range(1, 9)},
}
