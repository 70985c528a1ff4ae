"""validate: the value comes back as its type, or every fault does, with pointer and keyword."""

from __future__ import annotations

import dataclasses
import datetime
import json
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator, model_validator

from qwen_struct.errors import UnresolvableReferenceError, UnsupportedSchemaError, ValidationError
from qwen_struct.schema.validate import validate, validate_json


class Line(BaseModel):
    text: str
    price: Decimal


class Bill(BaseModel):
    number: str = Field(alias="bill/no~")
    due: datetime.date
    currency: Literal["EUR", "USD"]
    lines: list[Line]
    note: str | None = None


GOOD = {"bill/no~": "7", "due": "2024-01-31", "currency": "EUR", "lines": [{"text": "a", "price": 1.5}]}


def faults(value, schema, check=validate):
    with pytest.raises(ValidationError) as caught:
        check(value, schema)
    return [(fault.pointer, fault.keyword) for fault in caught.value.faults]


def test_a_good_value_becomes_its_type():
    bill = validate(GOOD, Bill)
    assert isinstance(bill, Bill)
    assert bill.due == datetime.date(2024, 1, 31)


def test_every_fault_of_a_model_is_listed_through_its_aliases():
    bad = {"bill/no~": 5, "due": "2024-02-30", "currency": "XXX", "lines": [{"text": "a"}, {"text": "b", "price": "c"}]}
    assert faults(bad, Bill) == [
        ("/bill~1no~0", "type"),
        ("/due", "format"),
        ("/currency", "enum"),
        ("/lines/0/price", "required"),
        ("/lines/1/price", "type"),
    ]


def test_the_message_lists_the_faults():
    with pytest.raises(ValidationError) as caught:
        validate(GOOD | {"currency": "XXX", "lines": None}, Bill)
    assert str(caught.value) == (
        "the value is no Bill: 2 faults\n"
        "  /currency: Input should be 'EUR' or 'USD', not 'XXX'\n"
        "  /lines: Input should be a valid array, not None"
    )


@pytest.mark.parametrize(
    ("annotation", "value", "keyword"),
    [
        (Annotated[int, Field(ge=3)], 2, "minimum"),
        (Annotated[int, Field(gt=3)], 3, "exclusiveMinimum"),
        (Annotated[int, Field(le=3)], 4, "maximum"),
        (Annotated[float, Field(lt=3)], 3, "exclusiveMaximum"),
        (Annotated[int, Field(multiple_of=3)], 4, "multipleOf"),
        (Annotated[str, Field(min_length=3)], "a", "minLength"),
        (Annotated[str, Field(max_length=3)], "abcd", "maxLength"),
        (Annotated[str, Field(pattern="^a")], "b", "pattern"),
        (Annotated[list[int], Field(min_length=2)], [1], "minItems"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "maxItems"),
        (Annotated[dict[str, int], Field(min_length=1)], {}, "minProperties"),
        (bool, "perhaps", "type"),
        (datetime.datetime, "soon", "format"),
        (list[int], {"a": 1}, "type"),
    ],
)
def test_keywords_of_single_constraints(annotation, value, keyword):
    assert faults(value, annotation) == [("", keyword)]


def test_union_branches_are_no_part_of_the_pointer():
    class Box(BaseModel):
        size: int | list[int]

    assert {pointer for pointer, _ in faults({"size": ["x"]}, Box)} == {"/size", "/size/0"}


def test_a_discriminated_union_points_into_the_chosen_member():
    class Cat(BaseModel):
        kind: Literal["cat"]
        lives: int

    class Dog(BaseModel):
        kind: Literal["dog"]
        name: str

    class Owner(BaseModel):
        pet: Annotated[Cat | Dog, Field(discriminator="kind")]

    assert faults({"pet": {"kind": "cat", "lives": "x"}}, Owner) == [("/pet/lives", "type")]
    assert faults({"pet": {"kind": "cow"}}, Owner) == [("/pet", "oneOf")]


def test_extra_keys_are_faults_only_where_they_are_forbidden():
    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        a: int

    assert faults({"a": 1, "b": 2}, Closed) == [("/b", "additionalProperties")]
    assert validate(GOOD | {"other": 1}, Bill).currency == "EUR"


def test_a_types_own_validators_are_run():
    class Even(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def even(cls, number: int) -> int:
            if number % 2:
                raise ValueError("odd")
            return number

    assert faults({"number": 3}, Even) == [("/number", "value_error")]


def test_an_instance_is_checked_by_what_it_holds():
    wrong = Bill.model_construct(number=5, due=datetime.date(2024, 1, 31), currency="XXX", lines=[])
    assert ("/currency", "enum") in faults(wrong, Bill)
    assert validate(Bill.model_validate(GOOD), Bill) == Bill.model_validate(GOOD)


def test_dataclass_instances_too():
    @dataclasses.dataclass
    class Point:
        x: int
        on: datetime.date

    today = datetime.date(2024, 5, 6)
    assert validate(Point(1, today), Point) == Point(1, today)
    assert validate({"x": 1, "on": "2024-05-06"}, Point) == Point(1, today)
    assert faults(Point("far", today), Point) == [("/x", "type")]


def test_strict_models_take_the_spellings_of_json():
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        on: datetime.date
        amount: Decimal

    assert validate({"on": "2024-05-06", "amount": 1}, Strict).on == datetime.date(2024, 5, 6)


@pytest.mark.parametrize("spelled", ["12.50", "0.10", "1e2", "1.00000000000000000000001", "-0.00", "7"])
def test_decimals_keep_their_digits(spelled):
    class Money(BaseModel):
        amounts: dict[str, list[Decimal]]
        total: Decimal = Field(alias="sum")
        rate: float
        other: Money | None = None

    inner = f'{{"amounts": {{"a": [{spelled}]}}, "sum": {spelled}, "rate": {spelled}}}'
    money = validate_json(f'{inner[:-1]}, "other": {inner}}}', Money)
    for each in (money, money.other):
        assert [str(each.total), str(each.amounts["a"][0])] == [str(Decimal(spelled))] * 2
        assert each.rate == float(spelled)


def test_decimals_keep_their_digits_in_sets_tuples_roots_and_dataclasses():
    @dataclasses.dataclass
    class Pair:
        left: Decimal
        right: str

    assert {str(d) for d in validate_json("[1.50, 2.0]", set[Decimal])} == {"1.50", "2.0"}
    assert str(validate_json('["a", 1.50]', tuple[str, Decimal])[1]) == "1.50"
    assert str(validate_json("[1.50]", RootModel[list[Decimal]]).root[0]) == "1.50"
    assert str(validate_json('{"a": 1.50}', RootModel[dict[str, Decimal]]).root["a"]) == "1.50"
    assert str(validate_json('{"left": 1.50, "right": "1.50"}', Pair).left) == "1.50"
    assert str(validate_json("1.50", Decimal)) == "1.50"


def test_a_validator_that_wants_numbers_still_gets_them():
    class Odd(BaseModel):
        amount: Decimal

        @model_validator(mode="before")
        @classmethod
        def numbers_only(cls, value: dict) -> dict:
            if isinstance(value["amount"], str):
                raise ValueError("a string")
            return value

    assert validate_json('{"amount": 1.50}', Odd).amount == Decimal("1.5")


SCHEMA = {
    "properties": {"a/b": {"type": "array", "items": {"type": "integer"}}, "day": {"format": "date"}},
    "required": ["day", "a/b"],
}


def test_json_schema_gives_the_value_itself():
    value = {"a/b": [1], "day": "2024-01-01"}
    assert validate(value, SCHEMA) is value


def test_every_fault_against_a_json_schema_in_document_order():
    value = {"day": "2024-02-30", "a/b": [1, "x", None]}
    assert faults(value, SCHEMA) == [("/day", "format"), ("/a~1b/1", "type"), ("/a~1b/2", "type")]
    assert faults({}, SCHEMA) == [("", "required"), ("", "required")]


def test_the_closest_branch_of_a_union_is_named():
    schema = {"anyOf": [{"type": "string"}, {"properties": {"v": {"type": "string"}}}]}
    with pytest.raises(ValidationError, match=r"closest: /v: 3 is not of type 'string'"):
        validate({"v": 3}, schema)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "1e999", "[1,]", "'a'"])
@pytest.mark.parametrize("schema", [True, list[float], float])
def test_text_that_is_not_json(text, schema):
    if text == "1e999" and schema is not True:
        pytest.skip("Pydantic reads it as infinity, which a float may be")
    with pytest.raises(ValidationError, match="the text is not JSON"):
        validate_json(text, schema)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^\d+$", "12", "٣"),
        (r"^\p{L}+$", "Größe中文", "a1"),
        (r"^\P{Lu}$", "a", "Ä"),
        (r"^\p{Script=Han}+$", "中文", "kana かな"),
        (r"^.$", "a", "\u2028"),
        (r"^[^\d]$", "٣", "3"),
        (r"^[\w-]+$", "a-b", "ä"),
        (r"^\S+$", "a\x85", "a\ufeffb"),
        (r"^a$", "a", "a\n"),
        (r"^[^]$", "\n", "ab"),
        (r"^(?<year>\d{4})\/\k<year>$", "2024/2024", "2024/2025"),
        (r"^\u{1F600}\u4e2d\x41\cJ$", "\U0001f600中A\n", "x"),
        (r"\bfoo\b", "éfoo", "afoo"),
        (r"^[[a&&b]$", "[", "x"),
    ],
)
def test_patterns_mean_what_ecma_says(pattern, good, bad):
    schema = {"pattern": pattern}
    assert validate(good, schema) == good
    assert faults(bad, schema) == [("", "pattern")]
    assert validate({good: 1}, {"patternProperties": {pattern: True}, "additionalProperties": False})
    assert faults({bad: 1}, {"patternProperties": {pattern: True}, "additionalProperties": False}) == [
        ("", "additionalProperties")
    ]


def test_formats_mean_what_the_standard_says():
    for text in ("0000-02-29", "2024-02-29"):
        assert validate(text, {"format": "date"}) == text
    for text in ("0000-02-30", "2023-02-29", "2024-W01-1", "20240101", "２024-01-01"):
        assert faults(text, {"format": "date"}) == [("", "format")]
    for text in (r"\p{L}+", r"(?<year>\d+)", "(?<=a+)b"):
        assert validate(text, {"format": "regex"}) == text
    assert faults("(", {"format": "regex"}) == [("", "format")]
    assert validate(5, {"format": "date"}) == validate(5, {"format": "regex"}) == 5
    assert faults("x", {"format": "uuid"}) == faults("x", {"format": "ipv4"}) == [("", "format")]


def test_references_are_retrieved_only_by_the_caller():
    schema = {"$ref": "https://example.com/money.json#/$defs/amount"}
    remote = {"$defs": {"amount": {"type": "number"}}}
    asked = []

    def retrieve(uri):
        asked.append(uri)
        return remote

    assert validate(3, schema, retrieve=retrieve) == 3
    assert set(asked) == {"https://example.com/money.json"}
    with pytest.raises(ValidationError):
        validate("3", schema, retrieve=retrieve)
    with pytest.raises(UnresolvableReferenceError, match="retrieve="):
        validate(3, schema)


def test_a_reference_that_only_leads_to_itself():
    with pytest.raises((UnsupportedSchemaError, UnresolvableReferenceError)):
        validate(1, {"$ref": "#"})


def test_numbers_that_json_does_not_have_are_faults():
    assert faults({"a": [float("nan")]}, True) == [("/a/0", "type")]
    assert faults({"a": {1, 2}}, {}) == [("/a", "type")]
    assert faults({1: 2}, {}) == [("", "type")]


def test_values_too_deep_to_check():
    nested = json.loads("[" * 300 + "]" * 300)
    for schema in ({"items": {"$ref": "#"}}, RootModel[list[Any]]):
        with pytest.raises(ValidationError, match="nested deeper than 200|recursion limit"):
            validate(nested, schema)


def test_older_spellings_without_a_dialect():
    assert faults(3, {"maximum": 3, "exclusiveMaximum": True}) == [("", "maximum")]
    assert faults(["a"], {"items": [{"type": "integer"}]}) == [("/0", "type")]
