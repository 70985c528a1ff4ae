"""What the decoder may write for a Python type: Pydantic accepts it, and so does the schema that Pydantic publishes."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import ipaddress
import json
import re
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

import jsonschema_rs
import pydantic
import pytest
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, ConfigDict, EmailStr, Field, NaiveDatetime, StringConstraints, TypeAdapter

from qwen_struct.errors import UnsatisfiableSchemaError, UnsupportedSchemaError
from qwen_struct.schema.inputs import load_schema
from qwen_struct.schema.patterns import ecma_to_python


@pydantic.dataclasses.dataclass(config=ConfigDict(val_json_bytes="base64"))
class Blob:
    data: bytes


@pydantic.dataclasses.dataclass(config=ConfigDict(val_json_bytes="hex"))
class HexBlob:
    data: bytes


# One text-like type a line; each accepts JSON strings.
TEXTS = {
    "date": datetime.date,
    "datetime": datetime.datetime,
    "aware": AwareDatetime,
    "naive": NaiveDatetime,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
    "uuid": uuid.UUID,
    "uuid1": pydantic.UUID1,
    "uuid4": pydantic.UUID4,
    "uuid7": pydantic.UUID7,
    "any url": pydantic.AnyUrl,
    "http url": pydantic.HttpUrl,
    "websocket url": pydantic.WebsocketUrl,
    "file url": pydantic.FileUrl,
    "postgres": pydantic.PostgresDsn,
    "redis": pydantic.RedisDsn,
    "email": EmailStr,
    "name and email": pydantic.NameEmail,
    "ipv4 network": ipaddress.IPv4Network,
    "ipv4 interface": ipaddress.IPv4Interface,
    "base64": pydantic.Base64Bytes,
    "base64url": pydantic.Base64UrlBytes,
    "short bytes": Annotated[bytes, Field(max_length=5)],
    "trimmed": Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=9)],
    "code": Annotated[str, Field(pattern=r"(?P<a>^\d{2})[\s\S][\D\d]\D\S\w[^\W]$")],
    "posix": Annotated[str, Field(pattern=r"\A[[:alpha:]][[:digit:]_]\z")],
    "search": Annotated[str, Field(pattern="b+")],
}


# Their published patterns are Rust's, which no checker of ECMA-262 patterns reads, or their formats demand an offset.
UNPUBLISHED = {"code", "posix", "datetime", "time", "naive"}
# Types whose pattern is not all: a format says the rest, so their strings are made here.
WHOLE = {
    "uuid": st.uuids().map(str),
    "date": st.dates().map(str) | st.from_regex(r"\A000[01]-[01][0-9]-[0-3][0-9]\Z"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_the_constraint_allows_pydantic_and_its_schema_accept(name):
    adapter = TypeAdapter(TEXTS[name])
    constraint = load_schema(TEXTS[name]).constraint_schema
    publication = {} if name in UNPUBLISHED else adapter.json_schema()
    published = jsonschema_rs.validator_for(publication, validate_formats=True)
    allowed = jsonschema_rs.validator_for(constraint, validate_formats=True)
    seen = []

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(WHOLE[name] if name in WHOLE else st.from_regex(ecma_to_python(constraint["pattern"])))
    def holds(string):
        if allowed.is_valid(string):
            seen.append(string)
            adapter.validate_json(json.dumps(string))
            assert published.is_valid(string)

    holds()
    assert len(set(seen)) >= 5


ACCEPTED = {
    "date": ["2024-02-29", "0001-01-01", "9999-12-31"],
    "datetime": ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59.123456+05:30", "2024-02-29T23:59:59"],
    "aware": ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59.123456+05:30"],
    "naive": ["2024-02-29T10:00:00", "2000-02-29T10:00:00.25", "0004-02-29T00:00:00", "2023-12-31T23:59:59"],
    "time": ["23:59:59Z", "00:00:00.5-03:00", "23:59:00"],
    "timedelta": ["P1Y2M3DT4H5M6S", "PT90S", "P2W", "P30D"],
    "any url": ["ftp://files.example.org:21/a%20b?x=1#top", "https://127.0.0.1/"],
    "http url": ["https://example.com", "http://user:secret@sub.example.com:8080/a/b?q=1&r=2#f"],
    "postgres": ["postgresql://me:pw@db1:5432,db2:5432/name"],
    "email": ["ines.calloway+x@mail.example.co.uk", "a@b.testing", "a@b.tes", "a@b.invalids"],
    "ipv4 network": ["10.0.0.0/8", "192.168.3.0/24", "1.2.3.4"],
    "base64": ["", "aGVsbG8=", "aGk="],
    "trimmed": ["a b", "中文"],
}
REFUSED = {
    "date": ["0000-01-01", "2024-02-30", "2024-2-3"],
    "datetime": ["2024-02-29T23:59:60Z", "0000-02-29T23:59:59Z", "2024-02-29", "2023-02-29T23:59:59Z"],
    "aware": ["2024-02-29T23:59:59", "1900-02-29T10:00:00Z"],
    "naive": ["2024-02-29T10:00:00Z", "1900-02-29T10:00:00", "2023-04-31T10:00:00", "2024-02-29T10:00"],
    "time": ["24:00:00Z", "23:59:60Z", "23:59"],
    "timedelta": ["P", "PT", "P1H", "P1000000D"],
    "http url": ["ftp://example.com", "http://", "http://999.1.1.1", "http://a.1", "http://xn--a", "http://a:65536"],
    "email": [
        "a@b.test",
        "a@b.TEST",
        "a@b.invalid",
        "a@localhost",
        "a..b@c.de",
        "a@xn--a.de",
        "x" * 60 + "@example.de",
    ],
    "ipv4 network": ["10.0.0.1/8", "1.2.3.4/33"],
    "base64": ["aGVsbG8", "aGl="],
    "trimmed": [" a", "a ", "a\x85", "a"],
    "short bytes": ["中文"],
}


def allows(annotation, value):
    constraint = load_schema(annotation).constraint_schema
    return jsonschema_rs.validator_for(constraint, validate_formats=True).is_valid(value)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in ACCEPTED.items() for text in texts])
def test_ordinary_spellings_are_allowed(name, text):
    assert allows(TEXTS[name], text)
    TypeAdapter(TEXTS[name]).validate_json(json.dumps(text))


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts])
def test_what_pydantic_or_its_schema_would_refuse_is_not(name, text):
    assert not allows(TEXTS[name], text)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.dates(), st.dates(), st.dates())
def test_dates_within_bounds(low, day, high):
    low, high = min(low, high), max(low, high)
    assert allows(Annotated[datetime.date, Ge(low), Le(high)], day.isoformat()) == (low <= day <= high)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ([Gt(datetime.date(2024, 2, 28))], "2024-02-29", "2024-02-28"),
        ([Lt(datetime.date(2024, 3, 1))], "2024-02-29", "2024-03-01"),
        ([Ge(datetime.date(2024, 2, 29)), Le(datetime.date(2024, 2, 29))], "2024-02-29", "2024-03-01"),
    ],
)
def test_open_bounds_on_dates(bounds, inside, outside):
    annotation = Annotated[datetime.date, *bounds]
    assert allows(annotation, inside)
    assert not allows(annotation, outside)


def test_past_and_future_are_measured_from_today():
    today, day = datetime.date.today(), datetime.timedelta(days=1)
    assert allows(pydantic.PastDate, (today - day).isoformat())
    assert not allows(pydantic.PastDate, today.isoformat())
    assert allows(pydantic.FutureDate, (today + day).isoformat())
    assert not allows(pydantic.FutureDate, today.isoformat())


def test_bounds_that_no_date_meets():
    with pytest.raises(UnsatisfiableSchemaError, match="no date is from 2024-05-02 on and up to 2024-05-01"):
        load_schema(Annotated[datetime.date, Gt(datetime.date(2024, 5, 1)), Lt(datetime.date(2024, 5, 2))])
    with pytest.raises(UnsatisfiableSchemaError, match="no date is from 9999-12-31 on"):
        load_schema(Annotated[datetime.date, Gt(datetime.date.max)])


def test_reserved_domains_are_those_of_email_validator():
    from email_validator import SPECIAL_USE_DOMAIN_NAMES

    for name in SPECIAL_USE_DOMAIN_NAMES:
        assert not allows(EmailStr, f"a@b.{name}")


def test_decimals_are_numbers():
    assert load_schema(Decimal).constraint_schema == {"type": "number"}
    assert load_schema(Decimal | None).json_schema == {"anyOf": [{"type": "number"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"decimal_places": 2}, {"multipleOf": 0.01}),
        ({"decimal_places": 0}, {"multipleOf": 1}),
        (
            {"max_digits": 5, "decimal_places": 2},
            {"multipleOf": 0.01, "exclusiveMaximum": 1000, "exclusiveMinimum": -1000},
        ),
        ({"max_digits": 5, "decimal_places": 2, "ge": 0}, {"multipleOf": 0.01, "exclusiveMaximum": 1000, "minimum": 0}),
        (
            {"max_digits": 5, "decimal_places": 2, "le": 50, "gt": -5},
            {"multipleOf": 0.01, "maximum": 50, "exclusiveMinimum": -5},
        ),
        ({"ge": Decimal("0.1")}, {"minimum": 0.1}),
    ],
)
def test_digits_of_decimals(bounds, expected):
    assert load_schema(Annotated[Decimal, Field(**bounds)]).constraint_schema == {"type": "number"} | expected


def test_digits_without_places_are_left_to_pydantic():
    assert allows(Annotated[Decimal, Field(max_digits=5)], 12345)
    assert not allows(Annotated[Decimal, Field(max_digits=5)], 123456)
    assert allows(Annotated[Decimal, Field(max_digits=5)], 12.3456)


@dataclasses.dataclass
class Plain:
    a: int


class Closed(pydantic.BaseModel):
    a: int


class Open(pydantic.BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


def test_objects_are_closed_unless_the_model_is_open():
    for kind in (Plain, Closed):
        assert allows(kind, {"a": 1})
        assert not allows(kind, {"a": 1, "b": 2})
    assert allows(Open, {"a": 1, "b": 2})
    assert "additionalProperties" not in load_schema(Closed).json_schema


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(pydantic.BaseModel):
    kind: Literal["dog", "wolf"] = "dog"
    name: str


def test_tagged_unions_state_their_tag():
    pet = Annotated[Cat | Dog, Field(discriminator="kind")]
    constraint = load_schema(list[pet]).constraint_schema
    assert "oneOf" not in json.dumps(constraint)
    assert allows(list[pet], [{"kind": "cat", "lives": 9}, {"kind": "wolf", "name": "x"}])
    assert not allows(list[pet], [{"lives": 9}])
    assert not allows(list[pet], [{"kind": "dog", "lives": 9}])
    assert load_schema(list[pet]).to_python('[{"kind": "wolf", "name": "x"}]') == [Dog(kind="wolf", name="x")]


def test_keys_of_dicts():
    assert allows(dict[int, str], {"1": "a", "-20": "b"})
    assert not allows(dict[int, str], {"x": "a"})
    assert not allows(dict[Decimal, str], {"1.": "a"})
    assert allows(dict[Literal["a", "b"], int], {"a": 1})
    assert not allows(dict[Literal["a", "b"], int], {"c": 1})
    assert not allows(dict[datetime.date, int], {"0000-01-01": 1})
    assert not allows(dict[Annotated[str, Field(pattern="^a")], int], {"b": 1})


class Point(NamedTuple):
    x: int
    y: int = 0


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (Fraction, "1/3", "1/0"),
        (Annotated[Fraction, Ge(0)], 0.5, -1),
        (Annotated[str, StringConstraints(ascii_only=True, pattern="^.$")], "a", "ä"),
        (Point, [1], [1, 2, 3]),
        (tuple[int, str], [1, "a"], [1]),
        (tuple[int, ...], [1, 2], ["a"]),
        (set[int], [1, 2], [1, 1]),
        (Colour, "red", "green"),
        (Literal[1, "a", None], None, 2),
        (int | list[int], [1], "1"),
        (Annotated[int, Ge(3)], 3, 2),
        (bytes, "ab", 1),
        (ipaddress.IPv6Network, "::1", "::1%eth0"),
        (pydantic.IPvAnyAddress, "1.2.3.4", "1.2.3"),
        (pydantic.SecretStr, "a", 1),
        (Blob, {"data": "aGk="}, {"data": "a"}),
        (HexBlob, {"data": "ff00"}, {"data": "f"}),
        (pydantic.ByteSize, 10, -1),
    ],
)
def test_other_types(annotation, good, bad):
    assert allows(annotation, good)
    assert not allows(annotation, bad)
    TypeAdapter(annotation).validate_json(json.dumps(good))


def test_what_cannot_be_enforced_is_refused():
    class Aliased(pydantic.BaseModel):
        first: str = Field(validation_alias=pydantic.AliasPath("names", 0))

    refused = {
        "AliasPath": Aliased,
        "JSON inside a string": pydantic.Json[int],
        "flags": Annotated[str, Field(pattern=re.compile("a", re.IGNORECASE))],
        "a character class inside another": Annotated[str, Field(pattern="[a[bc]]")],
        "&& in a character class": Annotated[str, Field(pattern="[a-z&&[^b]]")],
        "a limit on the length of encoded bytes": pydantic.create_model(
            "Limited", __config__=ConfigDict(val_json_bytes="base64"), data=(bytes, Field(max_length=5))
        ),
    }
    for said, annotation in refused.items():
        with pytest.raises(UnsupportedSchemaError, match=re.escape(said)):
            load_schema(annotation)
