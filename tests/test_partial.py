"""Typed values out of a JSON text that grows: what closes, as what, when; and the whole as far as it has come."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import enum
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Annotated, Any, Literal, NamedTuple, get_origin
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    TypeAdapter,
    ValidationInfo,
    WrapValidator,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from test_typed_walks import BYTES, TYPES, WANDERING
from typing_extensions import TypedDict
from walks import random_walk

from qwen_struct import partial as module
from qwen_struct.constraint import compile_schema
from qwen_struct.errors import ValidationError
from qwen_struct.partial import Partial, PartialReader, TextDelta
from qwen_struct.schema.inputs import load_schema

ANYTHING = load_schema(True)


def pieces(text: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        size = next(sizes)
        yield text[at : at + size]
        at += size


def ones() -> Iterator[int]:
    while True:
        yield 1


def read(schema: Any, text: str, sizes: Iterator[int] | None = None, **options: Any) -> list[Any]:
    """All events of a text, by default fed byte by byte."""
    reader = PartialReader(load_schema(schema), **options)
    events = [event for piece in pieces(text.encode(), sizes or ones()) for event in reader.feed(piece)]
    return events + reader.finish()


def values(schema: Any, text: str) -> dict[str, Any]:
    return {event.pointer: event.value for event in read(schema, text)}


def errors(schema: Any, text: str) -> dict[str, str]:
    return {event.pointer: event.error for event in read(schema, text) if event.error is not None}


def so_far(schema: Any, text: str) -> dict[str, Any]:
    return {event.pointer: event.so_far for event in read(schema, text)}


def at_pointer(document: Any, pointer: str) -> Any:
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        document = document[int(token) if isinstance(document, list) else token]
    return document


def in_closing_order(value: Any, pointer: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from in_closing_order(item, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
    yield pointer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


class TestAnyJson:
    @given(JSON, st.sampled_from([None, 1, "\t"]), st.booleans(), st.lists(st.integers(1, 7), min_size=1))
    @settings(max_examples=300, deadline=None)
    def test_each_value_comes_once_in_the_order_of_closing(self, value, indent, escaped, sizes):
        text = json.dumps(value, indent=indent, ensure_ascii=escaped)

        def around() -> Iterator[int]:
            while True:
                yield from sizes

        events = read(True, text, around())
        assert [event.pointer for event in events] == list(in_closing_order(value))
        for event in events:
            assert event.error is None
            expected = at_pointer(value, event.pointer)
            assert event.value == expected and type(event.value) is type(expected)
        assert events[-1].so_far == events[-1].value == json.loads(text)

    @given(JSON, st.integers(0, 2**32))
    @settings(max_examples=100, deadline=None)
    def test_the_split_changes_nothing(self, value, seed):
        text = json.dumps(value, ensure_ascii=False)
        random = Random(seed)

        def sizes() -> Iterator[int]:
            while True:
                yield random.randint(1, 20)

        def seen(events: list[Any]) -> list[Any]:
            return [(event.pointer, event.value, event.so_far) for event in events]

        whole = seen(read(True, text, iter([len(text.encode())])))
        assert seen(read(True, text, sizes())) == whole == seen(read(True, text))

    @given(JSON)
    @settings(max_examples=100, deadline=None)
    def test_a_snapshot_holds_what_has_closed_and_stays(self, value):
        """Looked at at once, or when all is over: the same, and each is what the truncated text spells."""
        reader = PartialReader(ANYTHING)
        at_once, later = [], []
        for byte in json.dumps(value).encode():
            for event in reader.feed(bytes([byte])):
                assert at_pointer(event.so_far, event.pointer) == event.value
                at_once.append(copy.deepcopy(event.so_far))
                later.append(event)
        reader.finish()
        assert [event.so_far for event in later] == at_once
        assert [event.so_far for event in read(True, json.dumps(value))[:-1]] == at_once

    def test_a_number_closes_with_what_follows_or_the_end(self):
        reader = PartialReader(ANYTHING)
        assert reader.feed(b"[1") == [] == reader.feed(b"2.5")
        assert [event.value for event in reader.feed(b" ")] == [12.5]
        assert reader.feed(b", -3e") == []
        assert [event.pointer for event in reader.feed(b"2]")] == ["/1"]
        reader = PartialReader(ANYTHING)
        assert reader.feed(b" 42") == []
        assert [event.value for event in reader.finish()] == [42]

    def test_a_literal_closes_with_its_last_letter(self):
        reader = PartialReader(ANYTHING)
        assert reader.feed(b'{"a":tru') == []
        assert [event.value for event in reader.feed(b"e")] == [True]

    def test_a_string_closes_with_its_quote_and_no_escaped_one(self):
        reader = PartialReader(ANYTHING)
        assert reader.feed(b'["\\') == [] == reader.feed(b'"\\\\\\u00') == reader.feed(b"e4")
        assert [event.value for event in reader.feed(b'"')] == ['"\\ä']

    def test_the_whole_comes_last_as_what_it_is_given(self):
        reader = PartialReader(load_schema(list[int]))
        assert [event.pointer for event in reader.feed(b"[1]")] == ["/0"]
        [whole] = reader.finish((1,))
        assert (whole.pointer, whole.value, whole.so_far, whole.error) == ("", (1,), (1,), None)

    def test_keys_are_escaped_in_pointers(self):
        assert list(values(True, '{"a/b": {"~": [0]}, "": 1}')) == ["/a~1b/~0/0", "/a~1b/~0", "/a~1b", "/", ""]

    @pytest.mark.parametrize(
        "text",
        ["[1,]", "[1 2]", '{"a" 1}', "{1: 2}", "[1}", "]", "[1]]", "[01]", "nul", "[nult]", '"\\x"', "[-Infinity]"]
        + ["[1e999]", '{"a":1,}', "", "[1", '{"a"', "NaN", '"a\nb"', "1 2", "+1", "\ufeff1"],
    )
    def test_what_is_no_json_is_said(self, text):
        with pytest.raises(ValidationError, match="the text is not JSON"):
            read(True, text)

    def test_bytes_that_are_no_utf8_are_said(self):
        with pytest.raises(ValidationError, match="the text is not JSON"):
            PartialReader(ANYTHING).feed(b'["\xff"')


class TestDeltas:
    @given(JSON, st.lists(st.integers(1, 9), min_size=1))
    @settings(max_examples=100, deadline=None)
    def test_they_spell_the_text_and_reach_up_to_each_value(self, value, sizes):
        text = json.dumps(value, ensure_ascii=False)

        def around() -> Iterator[int]:
            while True:
                yield from sizes

        events = read(True, text, around(), deltas=True)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == text
        told = ""
        for event in events[:-1]:
            if isinstance(event, TextDelta):
                assert event.text
                told += event.text
            else:
                spelled = json.dumps(event.value, ensure_ascii=False)
                assert told.endswith(spelled)
        without = [event.pointer for event in read(True, text)]
        assert [event.pointer for event in events if isinstance(event, Partial)] == without

    def test_half_a_character_waits(self):
        reader = PartialReader(ANYTHING, deltas=True)
        assert reader.feed(b'"\xe4') == [TextDelta('"')]
        assert reader.feed(b"\xbd") == []
        assert reader.feed(b"\xa0") == [TextDelta("你")]

    def test_none_unless_asked_for(self):
        assert all(isinstance(event, Partial) for event in read(True, '{"a": [1, "x"]}'))


class Status(enum.Enum):
    OPEN = "open"
    PAID = "paid"


class Tax(BaseModel):
    rate: Decimal
    kind: Literal["vat", "none"] = "vat"


class Row(BaseModel):
    what: str
    price: Decimal
    tax: Tax | None = None


class Bill(BaseModel):
    id: UUID
    day: datetime.date
    status: Status
    rows: list[Row]
    note: str | None = None


BILL = (
    '{"id": "12345678123456781234567812345678", "day": "2024-03-15", "status": "paid", "rows": ['
    '{"what": "desk", "price": 12.50, "tax": {"rate": 0.190, "kind": "vat"}}, '
    '{"what": "lamp", "price": 3, "tax": null}], "note": null}'
)


class TestModels:
    def test_fields_have_their_types(self):
        found = values(Bill, BILL)
        assert found["/id"] == UUID("12345678123456781234567812345678")
        assert found["/day"] == datetime.date(2024, 3, 15)
        assert found["/status"] is Status.PAID
        assert str(found["/rows/0/price"]) == "12.50"
        assert str(found["/rows/0/tax/rate"]) == "0.190"
        assert found["/rows/0/tax"] == Tax(rate=Decimal("0.190"))
        assert str(found["/rows/0"].price) == "12.50" and str(found["/rows/0"].tax.rate) == "0.190"
        assert found["/rows"] == [found["/rows/0"], found["/rows/1"]]
        assert found["/rows/1/tax"] is None and found["/note"] is None
        assert found[""] == load_schema(Bill).to_python(BILL)

    def test_each_value_is_the_one_in_the_whole(self):
        found = values(Bill, BILL)
        for pointer, value in found.items():
            inside = found[""]
            for token in pointer.split("/")[1:]:
                inside = inside[int(token)] if isinstance(inside, list) else getattr(inside, token)
            assert value == inside and type(value) is type(inside)

    def test_the_whole_so_far_is_made_of_models(self):
        whole = so_far(Bill, BILL)
        first = whole["/id"]
        assert type(first) is Bill and first.model_fields_set == {"id"} and vars(first).keys() == {"id"}
        deep = whole["/rows/0/tax/rate"]
        assert type(deep) is Bill and type(deep.rows[0]) is Row and type(deep.rows[0].tax) is Tax
        assert vars(deep.rows[0].tax) == {"rate": Decimal("0.190")}
        assert not hasattr(deep, "note") and not hasattr(deep.rows[0].tax, "kind")
        assert whole["/rows/1/what"].rows[0] == whole["/rows/0"].rows[0]
        assert vars(whole["/rows/1/what"].rows[1]) == {"what": "lamp"}
        assert whole[""] == load_schema(Bill).to_python(BILL)

    def test_snapshots_do_not_change(self):
        reader = PartialReader(load_schema(Bill))
        events, at_once = [], []
        for byte in BILL.encode():
            for event in reader.feed(bytes([byte])):
                events.append(event)
                at_once.append(repr(event.so_far))
        reader.finish()
        assert [repr(event.so_far) for event in events] == at_once
        assert [repr(event.so_far) for event in read(Bill, BILL)[:-1]] == at_once
        assert len(set(at_once)) > len(at_once) / 2

    def test_one_that_needs_all_its_fields_at_once_can_be_open(self):
        class Sum(BaseModel):
            a: int
            b: int = Field(default_factory=lambda: pytest.fail("no default is made"))
            _total: int = PrivateAttr(0)

            def model_post_init(self, context: Any) -> None:
                self._total = self.a + self.b

            @computed_field
            @property
            def total(self) -> int:
                return self._total

        whole = so_far(Sum, '{"a": 1, "b": 2}')
        assert whole["/a"].a == 1 and whole[""].total == 3
        with pytest.raises(AttributeError):
            _ = whole["/a"]._total

    def test_recursion(self):
        found = read(Tree, '{"day": "2024-01-01", "below": [{"day": "2024-01-02", "below": [{"day": "2024-01-03"}]}]}')
        days = {event.pointer: event.value for event in found if event.pointer.endswith("day")}
        assert days == {
            "/day": datetime.date(2024, 1, 1),
            "/below/0/day": datetime.date(2024, 1, 2),
            "/below/0/below/0/day": datetime.date(2024, 1, 3),
        }
        assert type(found[2].so_far.below[0].below[0]) is Tree
        assert found[-1].value.below[0].below[0].day == datetime.date(2024, 1, 3)

    def test_generics(self):
        assert values(dict[str, list[Row]], '{"a": [{"what": "x", "price": 1.0}]}')["/a/0/price"] == Decimal("1.0")

    def test_aliases(self):
        class Aliased(BaseModel):
            a: datetime.date = Field(alias="A")
            b: datetime.date = Field(validation_alias=AliasChoices("bee", "be"))
            c: datetime.date = Field(serialization_alias="C")

        text = '{"A": "2024-01-01", "be": "2024-01-02", "c": "2024-01-03"}'
        found = values(Aliased, text)
        assert [found[pointer].day for pointer in ("/A", "/be", "/c")] == [1, 2, 3]
        assert vars(so_far(Aliased, text)["/be"]) == {"a": found["/A"], "b": found["/be"]}

    def test_names_beside_aliases(self):
        class ByName(BaseModel):
            model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)
            a: int = Field(alias="b")
            b: datetime.date = Field(alias="a")

        whole = so_far(ByName, '{"a": 1, "b": "2024-01-01"}')
        assert whole["/a"].a == 1 and whole["/b"].b == datetime.date(2024, 1, 1)

    def test_extra_fields(self):
        class Open(BaseModel):
            model_config = ConfigDict(extra="allow")
            __pydantic_extra__: dict[str, datetime.date]
            a: int

        text = '{"a": 1, "x": "2024-01-01", "y": "2024-01-02"}'
        found, whole = values(Open, text), so_far(Open, text)
        assert found["/x"] == datetime.date(2024, 1, 1)
        assert whole["/x"].a == 1 and whole["/x"].model_extra == {"x": found["/x"]}
        assert whole["/a"].model_extra == {} and whole[""] == Open.model_validate_json(text)

    def test_fields_that_a_model_ignores(self):
        whole = so_far(Tax, '{"unknown": 1, "rate": 2}')
        assert vars(whole["/unknown"]) == {} and vars(whole["/rate"]) == {"rate": 2}

    def test_root_models(self):
        class Days(RootModel[list[datetime.date]]):
            pass

        class Holder(BaseModel):
            days: Days

        text = '{"days": ["2024-01-01", "2024-01-02"]}'
        assert values(Holder, text)["/days/0"] == datetime.date(2024, 1, 1)
        whole = so_far(Holder, text)
        assert whole["/days/0"].days == Days([datetime.date(2024, 1, 1)])
        assert whole["/days"].days == whole[""].days and len(whole[""].days.root) == 2

    def test_config_reaches_the_fields(self):
        class Trimmed(BaseModel):
            model_config = ConfigDict(str_strip_whitespace=True)
            a: str

        assert values(Trimmed, '{"a": "  x "}')["/a"] == "x"

    def test_json_rules_hold_where_python_rules_are_stricter(self):
        class Strict(BaseModel):
            model_config = ConfigDict(strict=True)
            day: datetime.date
            pair: tuple[int, Status]

        found = values(Strict, '{"day": "2024-01-01", "pair": [1, "open"]}')
        assert found["/day"] == datetime.date(2024, 1, 1)
        assert found["/pair/1"] is Status.OPEN and found["/pair"] == (1, Status.OPEN)


class Tree(BaseModel):
    day: datetime.date
    below: list[Tree] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    born: datetime.date


class Dog(BaseModel):
    born: datetime.date
    weight: Decimal
    kind: Literal["dog"]
    tags: list[Decimal] = []


class TestOtherTypes:
    def test_containers(self):
        assert values(dict[str, Row], '{"a": {"what": "x", "price": 1.0}}')["/a"] == Row(what="x", price=Decimal("1.0"))
        whole = so_far(dict[str, Row], '{"a": {"what": "x", "price": 1.0}}')
        assert type(whole["/a/what"]["a"]) is Row
        assert type(so_far(list[Row], '[{"what": "x", "price": 1.0}]')["/0/what"][0]) is Row

    def test_keys_that_are_typed(self):
        whole = so_far(dict[int, datetime.date], '{"7": "2024-01-01", "8": "2024-01-02"}')
        assert whole["/7"] == {7: datetime.date(2024, 1, 1)}
        assert whole[""].keys() == {7, 8}

    def test_tuples(self):
        kind = tuple[int, datetime.date, Row]
        text = '[1, "2024-01-01", {"what": "x", "price": 1}]'
        found = values(kind, text)
        assert found["/1"] == datetime.date(2024, 1, 1) and type(found["/2"]) is Row and type(found[""]) is tuple
        assert so_far(kind, text)["/1"] == [1, datetime.date(2024, 1, 1)]
        assert values(tuple[Decimal, ...], "[1.50, 2.0]")["/1"] == Decimal("2.0")

    def test_sets(self):
        assert values(set[datetime.date], '["2024-01-01"]')["/0"] == datetime.date(2024, 1, 1)
        assert so_far(set[int], "[1, 2]")["/1"] == [1, 2] and so_far(set[int], "[1, 2]")[""] == {1, 2}

    def test_named_tuples(self):
        class Point(NamedTuple):
            day: datetime.date
            size: Decimal

        found = values(Point, '["2024-01-01", 1.50]')
        assert found["/0"] == datetime.date(2024, 1, 1) and found[""] == (found["/0"], Decimal("1.50"))

    @pytest.mark.parametrize("decorate", [dataclasses.dataclass, pydantic_dataclass])
    def test_dataclasses(self, decorate):
        class Plain:
            day: datetime.date
            row: Row
            size: int = 0

        Plain.__annotations__ = {"day": datetime.date, "row": Row, "size": int}
        kind = decorate(Plain)
        text = '{"day": "2024-01-01", "row": {"what": "x", "price": 1}, "size": 2}'
        found, whole = values(kind, text), so_far(kind, text)
        assert found["/day"] == datetime.date(2024, 1, 1) and type(found["/row"]) is Row
        assert whole["/row"] == {"day": found["/day"], "row": found["/row"]}
        assert whole[""] == found[""] == kind(found["/day"], found["/row"], 2)

    def test_typed_dicts(self):
        class Entry(TypedDict):
            day: datetime.date
            rows: list[Row]

        text = '{"day": "2024-01-01", "rows": [{"what": "x", "price": 1}]}'
        found, whole = values(Entry, text), so_far(Entry, text)
        assert found["/day"] == datetime.date(2024, 1, 1)
        assert so_far(Entry, '{"more": 1, "day": "2024-01-01"}')["/day"] == {"day": found["/day"]}
        assert whole["/rows/0/what"]["day"] == found["/day"] and type(whole["/rows/0/what"]["rows"][0]) is Row

    def test_a_json_schema_gives_json(self):
        schema = {
            "type": "object",
            "properties": {"day": {"type": "string", "format": "date"}, "n": {"type": "number"}},
        }
        assert values(schema, '{"day": "2024-01-01", "n": 1.5}') == {
            "/day": "2024-01-01",
            "/n": 1.5,
            "": {"day": "2024-01-01", "n": 1.5},
        }
        assert so_far(schema, '{"day": "2024-01-01", "n": 1.5}')["/day"] == {"day": "2024-01-01"}

    def test_a_type_adapter_and_a_named_class(self):
        assert values(TypeAdapter(list[Decimal]), "[1.0]")["/0"] == Decimal("1.0")
        name = f"{__file__.removesuffix('tests/test_partial.py')}schemas/invoice.py:Invoice"
        assert values(name, '{"date": "2024-01-01"}')["/date"] == datetime.date(2024, 1, 1)

    @pytest.mark.parametrize("kind", [Sequence[Decimal], deque[Decimal], Mapping[str, Decimal]])
    @pytest.mark.parametrize(
        "validator", [BeforeValidator(lambda value: value), WrapValidator(lambda value, go: go(value))]
    )
    def test_types_behind_others(self, kind, validator):
        [item, _] = read(Annotated[kind, validator], '{"a": 1.50}' if get_origin(kind) is Mapping else "[1.50]")
        assert str(item.value) == "1.50"

    def test_a_scalar_alone(self):
        assert values(Decimal, "12.50") == {"": Decimal("12.50")}
        assert values(Status, '"paid"') == {"": Status.PAID}


class TestUnions:
    def test_an_optional_value_has_its_one_type(self):
        assert values(list[datetime.date | None], '[null, "2024-01-01"]')["/1"] == datetime.date(2024, 1, 1)
        assert type(so_far(list[Row | str | None], '["a", {"what": "x", "price": 1}]')["/1/what"][1]) is Row

    def test_below_an_open_union_of_models_stands_json(self):
        text = '[{"kind": "cat", "born": "2024-01-01"}]'
        found, whole = values(list[Cat | Dog], text), so_far(list[Cat | Dog], text)
        assert found["/0/born"] == "2024-01-01" and whole["/0/born"] == [{"kind": "cat", "born": "2024-01-01"}]
        assert found["/0"] == whole[""][0] == Cat(kind="cat", born=datetime.date(2024, 1, 1))

    def test_a_tag_says_what_follows_and_what_came_before(self):
        animals = list[Annotated[Cat | Dog, Field(discriminator="kind")]]
        text = '[{"born": "2024-01-01", "weight": 1.50, "kind": "dog", "tags": [2.50]}]'
        found, whole = values(animals, text), so_far(animals, text)
        assert (found["/0/born"], found["/0/weight"]) == ("2024-01-01", 1.5)
        assert whole["/0/weight"] == [{"born": "2024-01-01", "weight": 1.5}]
        dog = whole["/0/kind"][0]
        assert type(dog) is Dog and vars(dog) == {
            "born": datetime.date(2024, 1, 1),
            "weight": Decimal("1.50"),
            "kind": "dog",
        }
        assert str(dog.weight) == "1.50" and str(found["/0/tags/0"]) == "2.50"
        assert type(whole["/0/tags/0"][0]) is Dog and whole[""] == [found["/0"]]

    def test_what_stood_before_the_tag_stays_as_it_stood(self):
        class Left(BaseModel):
            inner: Row
            many: list[datetime.date]
            side: Literal["left"]

        class Right(BaseModel):
            inner: Row
            side: Literal["right"]

        kind = Annotated[Left | Right, Field(discriminator="side")]
        text = '{"inner": {"what": "x", "price": 1.50}, "many": ["2024-01-01", "2024-01-02"], "side": "left"}'
        reader = PartialReader(load_schema(kind))
        events, at_once = [], []
        for byte in text.encode():
            for event in reader.feed(bytes([byte])):
                events.append(event)
                at_once.append((event.value, copy.deepcopy(event.so_far)))
        assert [(event.value, event.so_far) for event in events] == at_once
        assert [(event.value, event.so_far) for event in read(kind, text)[:-1]] == at_once
        assert at_once[-2][1] == {"inner": {"what": "x", "price": 1.5}, "many": ["2024-01-01", "2024-01-02"]}
        last = at_once[-1][1]
        assert type(last) is Left and last.inner == Row(what="x", price=Decimal("1.50"))
        assert last.many == [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)]

    def test_a_tag_that_chooses_nothing(self):
        kind = Annotated[Cat | Dog, Field(discriminator="kind")]
        found = read(kind, '{"kind": ["cat"], "born": "2024-01-01"}')
        assert found[-1].error is not None and found[-1].value == {"kind": ["cat"], "born": "2024-01-01"}
        assert found[-2].value == "2024-01-01"


def inside(value: Any, key: str) -> Any:
    """The part of a typed value under a key of its JSON; None where a set or a typed key hides it."""
    if isinstance(value, RootModel):
        return inside(value.root, key)
    if isinstance(value, list | tuple):
        return value[int(key)]
    if isinstance(value, dict):
        return value.get(key)
    names = [name for name, field in getattr(type(value), "__pydantic_fields__", {}).items() if field.alias == key]
    return getattr(value, names[0] if names else key, None)


def same(one: Any, other: Any) -> bool:
    return one == other or repr(one) == repr(other)  # not a number equals itself only when spelled


@pytest.mark.parametrize("name", [name for name in TYPES if name not in WANDERING])
def test_random_values_of_many_types(name):
    """All that a constraint allows passes on its own as it does in the whole."""
    loaded = load_schema(TYPES[name])
    grammar = compile_schema(loaded.constraint_schema, BYTES, key_order="schema", float_integers=False)
    rng = Random(3)
    texts = [text for _ in range(8) if (text := random_walk(grammar, rng, num_free=25, limit=300))]
    for text in texts:
        events = read(loaded, text)
        whole = loaded.to_python(text)
        assert same(events[-1].value, whole) and same(events[-1].so_far, whole)
        for event in events:
            assert event.error is None, (text, event)
            expected: Any = whole
            for token in event.pointer.split("/")[1:]:
                expected = None if expected is None else inside(expected, token.replace("~1", "/").replace("~0", "~"))
            if expected is not None and name not in ("union", "tagged union", "anything"):
                assert same(event.value, expected) and type(event.value) is type(expected), (text, event)
            assert event.so_far is not None or whole is None
    assert texts


def refuse(value: Any) -> Any:
    raise ValueError("never good")


class TestFailures:
    def test_the_raw_value_and_why(self):
        found = read(Bill, '{"day": "2024-02-30", "rows": [{"what": 1, "price": "x", "tax": {"rate": true}}]}')
        by_pointer = {event.pointer: event for event in found}
        assert by_pointer["/day"].value == "2024-02-30" and "date" in by_pointer["/day"].error
        assert by_pointer["/rows/0/price"].value == "x"
        assert by_pointer["/rows/0"].value == {"what": 1, "price": "x", "tax": {"rate": True}}
        assert "/what: " in by_pointer["/rows/0"].error and "; /price: " in by_pointer["/rows/0"].error

    def test_what_did_not_pass_keeps_its_shape_in_the_whole(self):
        class Checked(BaseModel):
            a: datetime.date
            b: int

            @model_validator(mode="after")
            def check(self) -> Checked:
                raise ValueError("no")

        text = '[{"a": "2024-01-01", "b": 1}, {"a": "2024-01-02", "b": 2}]'
        found = read(list[Checked], text)
        assert found[2].value == {"a": "2024-01-01", "b": 1} and "no" in found[2].error
        assert type(found[2].so_far[0]) is Checked and vars(found[2].so_far[0]) == {
            "a": datetime.date(2024, 1, 1),
            "b": 1,
        }
        assert type(found[-1].so_far[1]) is Checked and found[-1].value == json.loads(text)

    def test_field_validators_run(self):
        class Checked(BaseModel):
            a: Annotated[int, AfterValidator(lambda value: value + 1)]
            b: Annotated[int, BeforeValidator(lambda value: len(value))]
            c: str
            d: int = 0

            @field_validator("c", mode="after")
            @classmethod
            def upper(cls, value: str) -> str:
                return value.upper()

            @field_validator("d", mode="wrap")
            @classmethod
            def odd(cls, value: Any, handler: Any) -> int:
                return handler(value) * 10

        assert values(Checked, '{"a": 1, "b": "xyz", "c": "q", "d": 4}') == {
            "/a": 2,
            "/b": 3,
            "/c": "Q",
            "/d": 40,
            "": Checked(a=1, b="xyz", c="q", d=4),
        }

    @pytest.mark.parametrize("base", [BaseModel, object])
    def test_field_validators_see_the_fields_before(self, base):
        class Span(base):
            start: datetime.date = Field(alias="from")
            end: datetime.date

            @field_validator("end")
            @classmethod
            def check(cls, value: datetime.date, info: ValidationInfo) -> datetime.date:
                if value < info.data["start"]:
                    raise ValueError("ends before it starts")
                return value

        Span.__annotations__ = {"start": datetime.date, "end": datetime.date}
        kind = Span if base is BaseModel else pydantic_dataclass(kw_only=True)(Span)
        [_, end, whole] = read(kind, '{"from": "2024-01-02", "end": "2024-01-03"}')
        assert (end.value, end.error, whole.error) == (datetime.date(2024, 1, 3), None, None)
        [_, end, _] = read(kind, '{"from": "2024-01-02", "end": "2024-01-01"}')
        assert (end.value, end.error) == ("2024-01-01", "Value error, ends before it starts")
        [_, end, _] = read(kind, '{"from": "?", "end": "2024-01-01"}')
        assert (end.value, end.error) == ("2024-01-01", "KeyError: 'start'")

    def test_a_validator_that_breaks_is_an_error_too(self):
        broken = Annotated[int, AfterValidator(lambda value: value / 0)]
        [item, whole] = read(list[broken], "[1]")
        assert (item.value, item.error) == (1, "ZeroDivisionError: division by zero")
        assert whole.value == [1] and whole.so_far == [1] and whole.error is not None
        assert errors(list[Annotated[int, AfterValidator(refuse)]], "[1]")["/0"].endswith("never good, not 1")

    def test_nothing_is_validated_before_it_is_looked_at(self):
        reader = PartialReader(load_schema(list[Annotated[int, AfterValidator(lambda value: seen.append(value))]]))
        seen: list[int] = []
        events = reader.feed(b"[1, 2, 3]")
        assert seen == []
        assert events[1].value is None and seen == [2]
        assert events[1].value is None and seen == [2]

    def test_what_it_looks_like(self):
        [item, _] = read(list[datetime.date], '["x"]')
        assert repr(item) == f"Partial('/0', 'x', error={item.error!r})" and "date" in item.error
        assert repr(read(int, "1")[0]) == "Partial('', 1)"


class Counting:
    """A pattern that counts the bytes it passes."""

    def __init__(self, pattern: Any) -> None:
        self.pattern, self.num_bytes, self.num_calls = pattern, 0, 0

    def match(self, text: bytearray, at: int) -> Any:
        found = self.pattern.match(text, at)
        self.num_bytes += found.end() - at
        self.num_calls += 1
        return found


class TestCost:
    @pytest.mark.parametrize(
        "text",
        [
            json.dumps("x" * 50_000),
            json.dumps('\\"\u00e4' * 10_000),
            "1" * 4_000,
            json.dumps([{"a": i, "b": [str(i), None]} for i in range(2_000)], indent=3),
            " " * 20_000 + "[" * 150 + "]" * 150,
        ],
        ids=["string", "escapes", "number", "rows", "space and depth"],
    )
    def test_no_byte_is_read_twice(self, text, monkeypatch):
        counters = [Counting(getattr(module, name)) for name in ("_SPACE", "_STRING", "_BARE")]
        for name, counter in zip(("_SPACE", "_STRING", "_BARE"), counters, strict=True):
            monkeypatch.setattr(module, name, counter)
        read(True, text)
        assert sum(counter.num_bytes for counter in counters) <= len(text)
        assert sum(counter.num_calls for counter in counters) <= 4 * len(text)

    def test_each_value_is_validated_once_per_level_however_often_it_is_looked_at(self):
        calls = 0

        def count(value: int) -> int:
            nonlocal calls
            calls += 1
            return value

        rows = 500
        kind = list[list[Annotated[int, AfterValidator(count)]]]
        for event in read(kind, json.dumps([[i, i] for i in range(rows)])):
            _ = event.value, event.value, event.so_far
        assert calls == 3 * 2 * rows  # the number, its row, the whole

    def test_a_snapshot_copies_only_what_is_open(self):
        events = read(list[Row], json.dumps([{"what": "x", "price": i} for i in range(300)]))
        before, after = events[-3].so_far, events[-2].so_far
        assert len(before) == len(after) == 300
        assert all(one is other for one, other in zip(before[:-1], after[:-1], strict=True))
