"""load_schema: every form of schema a user may hand in, what comes back of it, and every complaint."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, NotRequired, Required, TypedDict, TypeVar
from uuid import UUID

import pydantic
import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, RootModel, TypeAdapter

from qwen_struct.errors import (
    InvalidSchemaError,
    SourceError,
    UnresolvableReferenceError,
    UnsupportedSchemaError,
    ValidationError,
)
from qwen_struct.schema.inputs import SchemaInput, load_schema

T = TypeVar("T")


class Node(BaseModel):
    """A tree."""

    name: str
    children: list[Node] = []


class Page(BaseModel, Generic[T]):
    items: list[T]
    size: int


class Address(BaseModel):
    street: str = Field(alias="Strasse", description="with the number")
    zip_code: str = Field(validation_alias=AliasChoices("plz", "zip"))


class ByName(BaseModel):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)
    street: str = Field(alias="Strasse")


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Library(TypedDict, total=False):
    movies: list[Movie]
    name: Required[str]


class Pair(NamedTuple):
    left: int
    right: str


LIBRARY = {"name": "a", "movies": [{"title": "Ran", "year": 1}]}


@dataclasses.dataclass
class Plain:
    when: datetime.date
    amount: Decimal | None = None


@pydantic.dataclasses.dataclass
class Checked:
    number: Annotated[int, Field(ge=0, alias="no")]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (Node, '{"name": "a", "children": [{"name": "b"}]}', Node(name="a", children=[Node(name="b")])),
        (Page[int], '{"items": [1], "size": 1}', Page[int](items=[1], size=1)),
        (Plain, '{"when": "2024-01-02", "amount": 12.50}', Plain(datetime.date(2024, 1, 2), Decimal("12.50"))),
        (Checked, '{"no": 3}', Checked(no=3)),
        (Movie, '{"title": "Ran"}', {"title": "Ran"}),
        (list[Library], '[{"name": "a", "movies": [{"title": "Ran", "year": 1}]}]', [LIBRARY]),
        (Pair, '[1, "a"]', Pair(1, "a")),
        (Level, "2", Level.HIGH),
        (list[Pair], '[[1, "a"]]', [Pair(1, "a")]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (set[str], '["a"]', {"a"}),
        (int | None, "null", None),
        (int | str, '"a"', "a"),
        (None, "null", None),
        (Any, '{"a": [1.5]}', {"a": [1.5]}),
        (Annotated[int, Field(ge=3)], "3", 3),
        (UUID, '"12345678-1234-5678-1234-567812345678"', UUID("12345678-1234-5678-1234-567812345678")),
        (RootModel[list[int]], "[1]", RootModel[list[int]]([1])),
        (TypeAdapter(list[int]), "[1]", [1]),
        ({"type": "object"}, '{"a": 1.5}', {"a": 1.5}),
        (True, "[1]", [1]),
        ('{"type": "integer"}', "1", 1),
    ],
)
def test_the_value_comes_back_as_the_type_asked_for(schema, text, value):
    result = load_schema(schema).to_python(text)
    assert result == value
    assert type(result) is type(value)


def test_names_and_descriptions():
    assert (load_schema(Node).name, load_schema(Node).description) == ("Node", "A tree.")
    assert load_schema(list[Node]).name == "list[Node]"
    assert load_schema(dict[str, datetime.date] | None).name == "dict[str, date] | None"
    titled = load_schema({"title": "Thing", "description": "Some thing.", "type": "object"})
    assert (titled.name, titled.description) == ("Thing", "Some thing.")


def test_keys_are_the_ones_that_validation_reads():
    assert list(load_schema(Address).json_schema["properties"]) == ["Strasse", "plz"]
    assert load_schema(Address).to_python('{"Strasse": "a", "plz": "1"}').zip_code == "1"
    assert list(load_schema(ByName).constraint_schema["properties"]) == ["street"]
    assert load_schema(ByName).to_python('{"street": "a"}').street == "a"


def test_descriptions_reach_the_schema_for_the_prompt():
    assert load_schema(Address).json_schema["properties"]["Strasse"]["description"] == "with the number"


def test_a_loaded_schema_is_a_schema():
    loaded = load_schema(int)
    assert load_schema(loaded) is loaded
    assert isinstance(loaded, SchemaInput)


def test_a_json_schema_is_copied():
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}}
    loaded = load_schema(schema)
    schema["properties"]["a"]["enum"].append(3)
    assert loaded.json_schema["properties"]["a"]["enum"] == [1, 2]
    assert loaded.constraint_schema == loaded.json_schema


def test_tuples_and_decimals_in_a_json_schema_become_plain_json():
    loaded = load_schema({"enum": (1, "a"), "multipleOf": Decimal("0.25"), "maximum": Decimal(3)})
    assert json.dumps(loaded.json_schema) == '{"enum": [1, "a"], "multipleOf": 0.25, "maximum": 3}'


def test_a_schema_file(tmp_path):
    path = tmp_path / "thing.json"
    path.write_text('\ufeff{"type": "integer"}', encoding="utf-8")
    for reference in (path, str(path)):
        assert load_schema(reference).to_python("3") == 3
        assert load_schema(reference).name == "thing"


def write(folder: Path, name: str, source: str) -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


@pytest.fixture
def module(tmp_path):
    write(tmp_path, "beside.py", "Amount = int")
    return write(
        tmp_path,
        "forms.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass
        from pydantic import BaseModel
        from beside import Amount

        class Invoice(BaseModel):
            lines: list[Line]

            class Inner(BaseModel):
                a: int

        class Line(BaseModel):
            amount: Amount

        @dataclass
        class Point:
            next: Point | None = None

        Lines = list[Line]
        RAW = {"type": "integer"}
        number = 5
        """,
    )


def test_names_in_a_file(module):
    invoice = load_schema(f"{module}:Invoice").to_python('{"lines": [{"amount": 3}]}')
    assert invoice.lines[0].amount == 3
    assert load_schema(f"{module}:Lines").to_python('[{"amount": 3}]')[0] == invoice.lines[0]
    assert load_schema(f"{module}:Point").to_python('{"next": {}}').next.next is None
    assert load_schema(f"{module}:Invoice.Inner").to_python('{"a": 1}').a == 1
    assert load_schema(f"{module}:RAW").to_python("3") == 3


def test_a_file_is_run_once_until_it_changes(module):
    first = type(load_schema(f"{module}:Point").to_python("{}"))
    assert type(load_schema(f"{module}:Point").to_python("{}")) is first
    write(module.parent, "forms.py", "Point = dict[str, int]")
    assert load_schema(f"{module}:Point").to_python("{}") == {}
    assert str(module.parent) not in sys.path


def test_names_in_a_module(module, monkeypatch):
    monkeypatch.chdir(module.parent)
    assert load_schema("forms:Lines").to_python("[]") == []
    assert load_schema("datetime:date").to_python('"2024-01-02"') == datetime.date(2024, 1, 2)


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("typo.py", "def f(:\n", r"typo\.py cannot be imported: line 1: invalid syntax"),
        ("fails.py", "x = 1\ny = 1 / 0\n", r"fails\.py cannot be imported: ZeroDivisionError: .* \(line 2\)"),
        ("leaves.py", "raise SystemExit(3)", r"leaves\.py cannot be imported: SystemExit: 3"),
        ("needs.py", "import no_such_module_at_all", r"needs\.py cannot be imported: ModuleNotFoundError"),
    ],
)
def test_files_that_cannot_be_imported(tmp_path, name, source, said):
    path = write(tmp_path, name, source)
    with pytest.raises(InvalidSchemaError, match=said):
        load_schema(f"{path}:Name")
    with pytest.raises(InvalidSchemaError, match=said):  # a failed import leaves nothing behind that looks loaded
        load_schema(f"{path}:Name")


@pytest.mark.parametrize(
    ("reference", "error", "said"),
    [
        ("{module}:Invoic", InvalidSchemaError, r"has no 'Invoic'; did you mean .*forms\.py:Invoice\?"),
        ("{module}:zzz", InvalidSchemaError, r"has no 'zzz'; write one of .*:Lines, .*:Point, .*:Line, .*:Invoice"),
        ("{module}:", InvalidSchemaError, r"no name after .*forms\.py:; write one of"),
        ("{module}", InvalidSchemaError, r"is Python: say which schema in it, one of .*forms\.py:Lines"),
        ("{module}:number", InvalidSchemaError, r"^5 is not a schema"),
        ("{folder}/form.py:Invoice", SourceError, r"no such file: .*form\.py; did you mean .*forms\.py\?"),
        ("{folder}/none/form.py:A", SourceError, r"the folder .*none does not exist"),
        ("{folder}/none.json", SourceError, r"no such file: .*none\.json"),
        ("{folder}/broken.json", InvalidSchemaError, r"broken\.json is not JSON: Expecting value: line 1 column 7"),
        ("{folder}/latin.json", SourceError, r"latin\.json cannot be read as a JSON Schema: .*utf-8"),
        ("{folder}/folder.json", SourceError, r"folder\.json cannot be read"),
        ("no.such.module:Name", SourceError, r"no module 'no\.such\.module'; give a file"),
        ("../odd:Name", SourceError, r"'\.\./odd' is not a module's name"),
        ("json:__name__", InvalidSchemaError, r"json:__name__ is 'json', no schema"),
        ("json:dumps", InvalidSchemaError, r"the function dumps is not a schema"),
        ("invoice", InvalidSchemaError, r"'invoice' names no schema; give a type, a dict, the path"),
        ("", InvalidSchemaError, r"'' names no schema"),
        ('{{"type": }}', InvalidSchemaError, r"the text is not JSON: Expecting value"),
    ],
)
def test_references_that_lead_nowhere(module, reference, error, said):
    folder = module.parent
    (folder / "broken.json").write_text('{"a": }', encoding="utf-8")
    (folder / "latin.json").write_bytes(b'{"title": "\xe4"}')
    (folder / "folder.json").mkdir()
    with pytest.raises(error, match=said):
        load_schema(reference.format(module=module, folder=folder))


@pytest.mark.parametrize(
    ("schema", "pointer", "keyword", "said"),
    [
        ({"type": "strng"}, "", "type", "'strng' is no type"),
        ({"properties": {"a/b": {"minLength": -1}}}, "/properties/a~1b", "minLength", "-1 is less than the minimum"),
        ({"items": {"anyOf": []}}, "/items", "anyOf", r"\[\] should be non-empty"),
        ({"properties": {"a": 5}}, "/properties/a", "properties", "5 is not of type"),
        ({"allOf": [{"required": "a"}]}, "/allOf/0", "required", "'a' is not of type 'array'"),
        ({"pattern": "("}, "", "pattern", r"'\(' is not a regular expression: missing \)"),
        ({"patternProperties": {"[": {}}}, "", "patternProperties", "a character class is not closed"),
        ({"a": {1, 2}}, "", "a", "is a set, which JSON does not have"),
        ({"properties": {"a": {"maximum": float("nan")}}}, "/properties/a", "maximum", "nan is not a JSON number"),
        ({"properties": {1: {}}}, "", "properties", "the key 1 is not a string"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "exclusiveMinimum": 3}, "", None, "dependency"),
    ],
)
def test_invalid_json_schemas(schema, pointer, keyword, said):
    with pytest.raises(InvalidSchemaError, match=said) as caught:
        load_schema(schema)
    assert (caught.value.pointer, caught.value.keyword) == (pointer, keyword)


def test_a_value_listed_twice_changes_nothing():
    draft = "http://json-schema.org/draft-04/schema#"
    assert load_schema({"$schema": draft, "enum": ["AG", "AG"], "required": ["a", "a"]}).to_python('"AG"') == "AG"


def test_a_schema_inside_itself_is_no_json():
    schema = {"properties": {}}
    schema["properties"]["a"] = schema
    with pytest.raises(InvalidSchemaError, match=r"inside itself; use \$ref for recursion"):
        load_schema(schema)


def test_deep_schemas_are_checked():
    load_schema('{"properties": {"a": ' * 190 + "{}" + "}}" * 190)


@pytest.mark.parametrize("depth", [250, 10_000])
def test_schemas_too_deep_to_check(depth):
    text = '{"properties": {"a": ' * depth + "{}" + "}}" * depth
    with pytest.raises(InvalidSchemaError, match="too deep|not JSON: maximum recursion"):
        load_schema(text)


@pytest.mark.parametrize(
    ("schema", "error", "pointer", "said"),
    [
        ({"items": {"$ref": "#/$defs/b"}}, UnresolvableReferenceError, "/items", "leads nowhere"),
        ({"$ref": "https://example.com/a.json"}, UnresolvableReferenceError, "", "pass retrieve="),
        ({"$schema": "https://example.com/mine"}, UnsupportedSchemaError, "", "no known dialect; name draft 4"),
        ({"items": {"pattern": "(?<=a+)b"}}, UnsupportedSchemaError, "/items", "look-behind"),
        ({"pattern": r"\p{Nonsense}"}, UnsupportedSchemaError, "", "unknown property"),
    ],
)
def test_json_schemas_that_cannot_be_used(schema, error, pointer, said):
    with pytest.raises(error, match=said) as caught:
        load_schema(schema)
    assert caught.value.pointer == pointer


class NeedsPackage(str):
    """As EmailStr is without email-validator."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        raise ImportError("email-validator is not installed, run `pip install 'pydantic[email]'`")


class Unfinished(BaseModel):
    other: NoSuchClass  # noqa: F821


@pytest.mark.parametrize(
    ("schema", "error", "said"),
    [
        (Node(name="a"), InvalidSchemaError, "an instance of Node is not a schema; pass the class itself"),
        (5, InvalidSchemaError, "^5 is not a schema; give a type"),
        ([int], InvalidSchemaError, "is not a schema; give a type"),
        (b"{}", InvalidSchemaError, "is not a schema"),
        (NeedsPackage, InvalidSchemaError, "NeedsPackage: email-validator is not installed, run `pip install"),
        (len, InvalidSchemaError, "the function len is not a schema"),
        (Unfinished, InvalidSchemaError, "Unfinished refers to 'NoSuchClass', which is not defined"),
        (subprocess.Popen, InvalidSchemaError, "Popen is not a schema: Unable to generate"),
        (type("Odd", (), {}), InvalidSchemaError, "Odd is not a schema"),
        (pydantic.create_model("Meta", f=(type[int], ...)), UnsupportedSchemaError, "Meta: .*a type that JSON has"),
        (pydantic.create_model("Calls", f=(Callable[[], int], ...)), UnsupportedSchemaError, "Calls: .*CallableSchema"),
    ],
)
def test_types_that_are_no_schemas(schema, error, said):
    with pytest.raises(error, match=said):
        load_schema(schema)


def test_text_that_does_not_fit_says_where():
    with pytest.raises(ValidationError, match=r"/children/0/name: Field required"):
        load_schema(Node).to_python('{"name": "a", "children": [{}]}')
    with pytest.raises(ValidationError, match=r"/a: 'x' is not of type 'integer'"):
        load_schema({"properties": {"a": {"type": "integer"}}}).to_python('{"a": "x"}')


def test_importing_the_module_loads_no_validators():
    code = "import sys, qwen_struct.schema.inputs, qwen_struct.schema.validate; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "numba", "pydantic", "jsonschema"} & set(loaded)
