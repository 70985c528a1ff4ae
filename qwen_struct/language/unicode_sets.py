"""Code point sets for ``\\p{..}`` and for patterns that ignore case, built when first asked for.

General categories come from `unicodedata`; scripts and binary properties from the `regex` package, which transformers
brings along. Both follow the Unicode version of this Python and of that package.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from .charset import ALL_CHARS, MAX_CODE_POINT, CharSet

_CATEGORIES: Final = {
    "C": "Other", "Cc": "Control cntrl", "Cf": "Format", "Cn": "Unassigned", "Co": "Private_Use", "Cs": "Surrogate",
    "L": "Letter", "LC": "Cased_Letter", "Ll": "Lowercase_Letter", "Lm": "Modifier_Letter", "Lo": "Other_Letter",
    "Lt": "Titlecase_Letter", "Lu": "Uppercase_Letter", "M": "Mark Combining_Mark", "Mc": "Spacing_Mark",
    "Me": "Enclosing_Mark", "Mn": "Nonspacing_Mark", "N": "Number", "Nd": "Decimal_Number digit",
    "Nl": "Letter_Number", "No": "Other_Number", "P": "Punctuation punct", "Pc": "Connector_Punctuation",
    "Pd": "Dash_Punctuation", "Pe": "Close_Punctuation", "Pf": "Final_Punctuation", "Pi": "Initial_Punctuation",
    "Po": "Other_Punctuation", "Ps": "Open_Punctuation", "S": "Symbol", "Sc": "Currency_Symbol",
    "Sk": "Modifier_Symbol", "Sm": "Math_Symbol", "So": "Other_Symbol", "Z": "Separator", "Zl": "Line_Separator",
    "Zp": "Paragraph_Separator", "Zs": "Space_Separator",
}  # fmt: skip
_CATEGORY_NAMES: Final = {name: short for short, long in _CATEGORIES.items() for name in (short, *long.split())}

_ASCII: Final = CharSet.from_ranges([(0, 0x7F)])
_BINARY: Final = frozenset(
    """Alphabetic Alpha ASCII_Hex_Digit AHex Bidi_Control Bidi_C Case_Ignorable CI Cased Changes_When_Casefolded CWCF
    Changes_When_Casemapped CWCM Changes_When_Lowercased CWL Changes_When_NFKC_Casefolded CWKCF
    Changes_When_Titlecased CWT Changes_When_Uppercased CWU Dash Default_Ignorable_Code_Point DI Deprecated Dep
    Diacritic Dia Emoji Emoji_Component EComp Emoji_Modifier EMod Emoji_Modifier_Base EBase Emoji_Presentation
    EPres Extended_Pictographic ExtPict Extender Ext Grapheme_Base Gr_Base Grapheme_Extend Gr_Ext Hex_Digit Hex
    IDS_Binary_Operator IDSB IDS_Trinary_Operator IDST ID_Continue IDC ID_Start IDS Ideographic Ideo Join_Control
    Join_C Logical_Order_Exception LOE Lowercase Lower Math Noncharacter_Code_Point NChar Pattern_Syntax Pat_Syn
    Pattern_White_Space Pat_WS Quotation_Mark QMark Radical Regional_Indicator RI Sentence_Terminal STerm
    Soft_Dotted SD Terminal_Punctuation Term Unified_Ideograph UIdeo Uppercase Upper Variation_Selector VS
    White_Space space XID_Continue XIDC XID_Start XIDS""".split()
)


class UnknownProperty(ValueError):
    """A property that ECMA-262 does not know, or that cannot be looked up here."""


@cache
def property_set(name: str) -> CharSet:
    """The set of ``\\p{name}``.

    Raises: UnknownProperty.
    """
    if name == "Any":
        return ALL_CHARS
    if name == "ASCII":
        return _ASCII
    if name == "Assigned":
        return ~_by_category()["Cn"]
    kind, equals, value = name.partition("=")
    if not equals and name in _BINARY:
        return _by_regex(name, name)
    if not equals or kind in ("General_Category", "gc"):
        short = _CATEGORY_NAMES.get(value if equals else name)
        if short is not None:
            return _category(short)
    elif kind in ("Script", "sc") and value.replace("_", "").isalpha():
        return _by_regex(f"Script={value}", name)
    elif kind in ("Script_Extensions", "scx") and value.replace("_", "").isalpha():
        return _by_regex(f"Script_Extensions={value}", name)
    raise UnknownProperty(f"unknown Unicode property {name!r}")


def _category(short: str) -> CharSet:
    wanted = ("Lu", "Ll", "Lt") if short == "LC" else (short,)
    ranges = [r for name, found in _by_category().items() if name.startswith(wanted) for r in found.ranges]
    return CharSet.from_ranges(ranges)


@cache
def _by_category() -> dict[str, CharSet]:
    ranges: dict[str, list[tuple[int, int]]] = {}
    start, current = 0, unicodedata.category("\0")
    for point in range(1, MAX_CODE_POINT + 2):
        category = unicodedata.category(chr(point)) if point <= MAX_CODE_POINT else ""
        if category != current:
            ranges.setdefault(current, []).append((start, point - 1))
            start, current = point, category
    return {name: CharSet.from_ranges(parts) for name, parts in ranges.items()}


def _by_regex(expression: str, name: str) -> CharSet:
    try:
        import regex
    except ImportError:
        raise UnknownProperty(f"Unicode property {name!r} needs the regex package") from None
    try:
        pattern = regex.compile(f"\\p{{{expression}}}+")
    except regex.error:
        raise UnknownProperty(f"unknown Unicode property {name!r}") from None
    return CharSet.from_ranges((match.start(), match.end() - 1) for match in pattern.finditer(_every_character()))


@cache
def _every_character() -> str:
    return "".join(map(chr, range(MAX_CODE_POINT + 1)))


def case_closure(characters: CharSet) -> CharSet:
    """``characters`` with everything that equals one of them when case is ignored (simple case folding)."""
    if characters.issubset(_ASCII):  # the usual case, without the table
        swapped = "".join(chr(point).swapcase() for point in characters)
        partners = swapped + "\u017f" * ("s" in swapped.lower()) + "\u212a" * ("k" in swapped.lower())
        return characters | CharSet.of(partners)
    added = [(point, point) for member, points in _case_partners().items() if member in characters for point in points]
    return characters | CharSet.from_ranges(added)


@cache
def _case_partners() -> dict[int, tuple[int, ...]]:
    """Every character that has others of the same folding, with those."""
    classes: dict[str, list[int]] = {}
    for character in map(chr, ALL_CHARS):
        folded = _simple_fold(character)
        if folded != character:
            classes.setdefault(folded, [ord(folded)]).append(ord(character))
    return {point: tuple(p for p in points if p != point) for points in classes.values() for point in points}


def _simple_fold(character: str) -> str:
    """Case folding to one character; where the full folding has several, the lower case letter if that is one."""
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character
