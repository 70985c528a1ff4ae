"""A schema as a formula: the boolean algebra that every keyword is translated into.

A value satisfies a JSON Schema exactly when it satisfies the schema's formula. Atoms speak about one JSON type and
hold of every value of another type, as the standard says of keywords; :class:`Types` is the exception. Nodes are
hash-consed within one :class:`Algebra`, so that equal formulas are one object and memo tables can key on identity.
The smart constructors keep formulas small: flattened, without duplicates, neutral and absorbing elements removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from decimal import Decimal

from .depth import allow_deep_schemas

NULL, FALSE_, TRUE_, NUMBER, STRING, ARRAY, OBJECT = (1 << i for i in range(7))
BOOLEAN = FALSE_ | TRUE_
ANY_TYPE = (1 << 7) - 1
TYPES: tuple[int, ...] = (NULL, FALSE_, TRUE_, NUMBER, STRING, ARRAY, OBJECT)


class Expr:
    """A node of the algebra. Identity is equality; ``memo`` is scratch space for the language layer.

    The slots of a class are its fields, in the order in which :meth:`Algebra.atom` takes them.
    """

    __slots__ = ("memo",)

    def __init__(self, *fields: object) -> None:
        self.memo: dict = {}
        for name, value in zip(self.__slots__, fields, strict=True):
            setattr(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join([repr(getattr(self, name)) for name in self.__slots__])})"


class Constant(Expr):
    """Holds of every value, or of none."""

    __slots__ = ("value",)
    value: bool


TRUE = Constant(True)
FALSE = Constant(False)


class Types(Expr):
    """The value's type is among ``mask``, an or of NULL, FALSE_, TRUE_, NUMBER, STRING, ARRAY and OBJECT."""

    __slots__ = ("mask",)
    mask: int


class And(Expr):
    """All of ``parts`` hold."""

    __slots__ = ("parts",)
    parts: tuple[Expr, ...]


class Or(Expr):
    """At least one of ``parts`` holds."""

    __slots__ = ("parts",)
    parts: tuple[Expr, ...]


class One(Expr):
    """Exactly one of ``parts`` holds."""

    __slots__ = ("parts",)
    parts: tuple[Expr, ...]


class Not(Expr):
    """``part`` does not hold."""

    __slots__ = ("part",)
    part: Expr


class Ref(Expr):
    """A formula that may contain itself. ``target`` is filled in once its schema has been translated."""

    __slots__ = ("pointer", "target")
    pointer: str
    target: Expr | None

    def __repr__(self) -> str:
        return f"Ref({self.pointer!r})"


# Strings. -----------------------------------------------------------------------------------------------------------


class Pattern(Expr):
    """An ECMA-262 pattern matches somewhere in the string."""

    __slots__ = ("pattern",)
    pattern: str


class Format(Expr):
    """The string is of the named format."""

    __slots__ = ("name",)
    name: str


class Length(Expr):
    """The string has ``low`` to ``high`` code points (``high`` None: no upper bound)."""

    __slots__ = ("low", "high")
    low: int
    high: int | None


class StringIn(Expr):
    """The string is one of ``words``, kept in the schema's order."""

    __slots__ = ("words",)
    words: tuple[str, ...]


# Numbers. -----------------------------------------------------------------------------------------------------------


class Integer(Expr):
    """The number is integral; ``fraction``: it may be written with a fraction of zeros."""

    __slots__ = ("fraction",)
    fraction: bool


class Bound(Expr):
    """The number compares as ``op`` (one of ``<``, ``<=``, ``>``, ``>=``) says with ``limit``."""

    __slots__ = ("op", "limit")
    op: str
    limit: Decimal


class Multiple(Expr):
    """The number is an integral multiple of ``of`` (positive)."""

    __slots__ = ("of",)
    of: Decimal


class NumberIn(Expr):
    """The number equals one of ``numbers``; each is kept with the spelling that the schema gives it.

    ``fraction``: an integral one may be written without or with a fraction of zeros, whatever the schema's spelling.
    """

    __slots__ = ("numbers", "fraction")
    numbers: tuple[tuple[Decimal, str], ...]
    fraction: bool


# Arrays. ------------------------------------------------------------------------------------------------------------


class Item(Expr):
    """The item at ``index``, if there is one, satisfies ``value``."""

    __slots__ = ("index", "value")
    index: int
    value: Expr


class Items(Expr):
    """Every item from index ``start`` on satisfies ``value``."""

    __slots__ = ("start", "value")
    start: int
    value: Expr


class NumItems(Expr):
    """The array has ``low`` to ``high`` items (``high`` None: no upper bound)."""

    __slots__ = ("low", "high")
    low: int
    high: int | None


class Contains(Expr):
    """Of the items from index ``start`` on, ``low`` to ``high`` satisfy ``value``."""

    __slots__ = ("start", "value", "low", "high")
    start: int
    value: Expr
    low: int
    high: int | None


class Unique(Expr):
    """No two of the items to come are equal, and none equals one of ``seen``, canonical texts of values."""

    __slots__ = ("seen",)
    seen: frozenset[str]


# Objects. -----------------------------------------------------------------------------------------------------------


class Property(Expr):
    """The member called ``name``, if there is one, satisfies ``value``. With TRUE it still gives the name a place."""

    __slots__ = ("name", "value")
    name: str
    value: Expr


class Properties(Expr):
    """Every member whose name is in ``names`` satisfies ``value``."""

    __slots__ = ("names", "value")
    names: KeySet
    value: Expr


class SomeProperty(Expr):
    """Some member whose name is in ``names`` satisfies ``value``."""

    __slots__ = ("names", "value")
    names: KeySet
    value: Expr


class Required(Expr):
    """There is a member called ``name``."""

    __slots__ = ("name",)
    name: str


class NumProperties(Expr):
    """The object has ``low`` to ``high`` members (``high`` None: no upper bound)."""

    __slots__ = ("low", "high")
    low: int
    high: int | None


class Holds(Expr):
    """The member or item now being read satisfies ``value``: an open question in a formula about its container."""

    __slots__ = ("value",)
    value: Expr


class KeySet:
    """A set of member names, symbolic: the names, matches of patterns and names satisfying formulas; or all others.

    ``satisfying`` holds formulas about strings: a name belongs when it satisfies one of them.
    """

    __slots__ = ("_hash", "complement", "names", "patterns", "satisfying")

    def __init__(
        self,
        names: Iterable[str] = (),
        patterns: Iterable[str] = (),
        satisfying: Iterable[Expr] = (),
        complement: bool = False,
    ) -> None:
        self.names, self.patterns = frozenset(names), frozenset(patterns)
        self.satisfying, self.complement = frozenset(satisfying), complement
        self._hash = hash((self.names, self.patterns, self.satisfying, complement))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and (self.names, self.patterns, self.satisfying, self.complement) == (
            other.names,
            other.patterns,
            other.satisfying,
            other.complement,
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        inner = [*sorted(self.names), *(f"/{p}/" for p in sorted(self.patterns)), *map(repr, self.satisfying)]
        return f"{'~' if self.complement else ''}{{{', '.join(inner)}}}"


_TYPE_OF: dict[type[Expr], int] = {
    Pattern: STRING, Format: STRING, Length: STRING, StringIn: STRING,
    Integer: NUMBER, Bound: NUMBER, Multiple: NUMBER, NumberIn: NUMBER,
    Item: ARRAY, Items: ARRAY, NumItems: ARRAY, Contains: ARRAY, Unique: ARRAY,
    Property: OBJECT, Properties: OBJECT, SomeProperty: OBJECT, Required: OBJECT, NumProperties: OBJECT,
}  # fmt: skip

_OF_VALUES = frozenset((Item, Items, Property, Properties, SomeProperty))  # which have a value as their second field


def type_of(formula: Expr) -> int:
    """The one type that ``formula`` speaks about, as a bit of :data:`TYPES`, if it is an atom about one; 0 if not."""
    return _TYPE_OF.get(type(formula), 0)


class Algebra:
    """The smart constructors, and the table that makes equal nodes one object. One per compiled schema.

    ``float_integers``: integral numbers may also be written with a fraction of zeros.
    """

    def __init__(self, float_integers: bool = False) -> None:
        self.float_integers = float_integers
        self._nodes: dict[type[Expr], dict[Hashable, Expr]] = defaultdict(dict)
        allow_deep_schemas()

    @property
    def num_nodes(self) -> int:
        """How many nodes there are."""
        return sum(map(len, self._nodes.values()))

    def has(self, kind: type[Expr]) -> bool:
        """Whether there are nodes of class ``kind``."""
        return bool(self._nodes.get(kind))

    def nodes(self) -> list[Expr]:
        """All nodes."""
        return [node for table in self._nodes.values() for node in table.values()]

    def atom(self, kind: type[Expr], *fields: object) -> Expr:
        """The node of class ``kind`` with ``fields``; trivial ones become TRUE or FALSE."""
        if kind in (Item, Items, Properties) and fields[1] is TRUE:
            return TRUE
        if kind in (Length, NumItems, NumProperties):
            low, high = fields
            if low == 0 and high is None:
                return TRUE
            if high is not None and high < low:  # type: ignore[operator]
                return self._only_other_types(kind)
        if kind is Types:
            if fields[0] == ANY_TYPE:
                return TRUE
            if fields[0] == 0:
                return FALSE
        return self._intern(kind, fields)

    def _only_other_types(self, kind: type[Expr]) -> Expr:
        return self.atom(Types, ANY_TYPE & ~_TYPE_OF[kind])

    def _intern(self, kind: type[Expr], fields: tuple) -> Expr:
        table = self._nodes[kind]
        key: Hashable = fields
        if len(fields) == 1:
            key = fields[0]
        elif kind in _OF_VALUES:  # the node holds the value, and numbers are nothing that the garbage collector follows
            key = fields[0], id(fields[1])
        node = table.get(key)
        return table.setdefault(key, kind(*fields)) if node is None else node

    def all(self, parts: Iterable[Expr]) -> Expr:
        """The conjunction, in the order given."""
        return self._join(And, parts, TRUE, FALSE)

    def any(self, parts: Iterable[Expr]) -> Expr:
        """The disjunction, in the order given."""
        return self._join(Or, parts, FALSE, TRUE)

    def _join(self, kind: type[Expr], parts: Iterable[Expr], neutral: Expr, absorbing: Expr) -> Expr:
        flat: dict[Expr, None] = {}
        negated: list[Expr] = []
        types = ANY_TYPE if kind is And else 0
        for part in parts:
            for p in part.parts if type(part) is kind else (part,):  # type: ignore[attr-defined]
                if p is neutral or p in flat:
                    continue
                if p is absorbing or (kind is Or and _vacuous(p)):
                    return absorbing
                if type(p) is Types:
                    types = types & p.mask if kind is And else types | p.mask
                else:
                    flat[p] = None
                    if type(p) is Not:
                        negated.append(p.part)
        types_node = self.atom(Types, types)
        if types_node is absorbing or any(part in flat for part in negated):
            return absorbing
        if types_node is not neutral:
            flat = {types_node: None, **flat}
        if not flat:
            return neutral
        return next(iter(flat)) if len(flat) == 1 else self._intern(kind, (tuple(flat),))

    def one(self, parts: Iterable[Expr]) -> Expr:
        """Exactly one of ``parts``. Duplicates matter: a formula that stands twice can never be the one."""
        rest = [TRUE if _vacuous(p) else p for p in parts if p is not FALSE]
        if rest.count(TRUE) > 1:
            return FALSE
        if TRUE in rest:
            return self.all(self.negate(p) for p in rest if p is not TRUE)
        twice = {p for p in rest if rest.count(p) > 1} if len(set(rest)) < len(rest) else set()
        once = [p for p in rest if p not in twice]
        barred = [self.negate(p) for p in twice]
        core = FALSE if not once else once[0] if len(once) == 1 else self._intern(One, (tuple(once),))
        return self.all([core, *barred])

    def negate(self, part: Expr) -> Expr:
        """The negation, with two of them cancelling out and types complemented."""
        if part is TRUE or part is FALSE:
            return FALSE if part is TRUE else TRUE
        if _vacuous(part):
            return FALSE
        if type(part) is Not:
            return part.part
        if type(part) is Types:
            return self.atom(Types, ANY_TYPE & ~part.mask)
        return self._intern(Not, (part,))

    def ref(self, key: Hashable, pointer: str) -> Ref:
        """The reference for ``key``, made on first use with no target yet."""
        node = self._nodes[Ref].get(key)
        if node is None:
            node = self._nodes[Ref].setdefault(key, Ref(pointer, None))
        assert isinstance(node, Ref)
        return node

    def constant(self, value: object) -> Expr:
        """Holds of the JSON values equal to ``value``: numbers by value, objects whatever their order."""
        if value is None:
            return self.atom(Types, NULL)
        if value is True or value is False:
            return self.atom(Types, TRUE_ if value else FALSE_)
        if isinstance(value, str):
            return self.all([self.atom(Types, STRING), self.atom(StringIn, (value,))])
        if isinstance(value, int | float | Decimal):
            return self._numbers((spelled(value),))
        if isinstance(value, list | tuple):
            items = [self.atom(Item, i, self.constant(v)) for i, v in enumerate(value)]
            return self.all([self.atom(Types, ARRAY), *items, self.atom(NumItems, len(value), len(value))])
        assert isinstance(value, dict)
        parts = [self.atom(Types, OBJECT)]
        for name, member in value.items():
            parts += [self.atom(Property, name, self.constant(member)), self.atom(Required, name)]
        return self.all([*parts, self.atom(NumProperties, len(value), len(value))])

    def among(self, values: Iterable[object]) -> Expr:
        """Holds of the values equal to one of ``values``; strings and numbers are kept as one set each.

        How many these are is noted as ``memo["listed"]``.
        """
        words: dict[str, None] = {}
        numbers: dict[Decimal, str] = {}
        rest: list[Expr] = []
        number = 0
        for value in values:
            number += 1
            if isinstance(value, str):
                words[value] = None
            elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
                numbers.setdefault(*spelled(value))
            else:
                rest.append(self.constant(value))
        if words:
            rest.append(self.all([self.atom(Types, STRING), self.atom(StringIn, tuple(words))]))
        if numbers:
            rest.append(self._numbers(tuple(numbers.items())))
        found = self.any(rest)
        found.memo.setdefault("listed", number)
        return found

    def _numbers(self, numbers: tuple[tuple[Decimal, str], ...]) -> Expr:
        return self.all([self.atom(Types, NUMBER), self.atom(NumberIn, numbers, self.float_integers)])


def _vacuous(part: Expr) -> bool:
    return type(part) is Property and part.value is TRUE


def spelled(value: int | float | Decimal) -> tuple[Decimal, str]:
    """A JSON number's exact value, and the text that ``json.dumps`` writes for it."""
    text = repr(value) if isinstance(value, int | float) else str(value)
    return Decimal(text), text
