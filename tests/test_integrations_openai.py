"""OpenAIModel against servers on loopback, through the real client library."""

from __future__ import annotations

import dataclasses
import json
import logging
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, HttpUrl, field_validator
from servers import Asked, Response, honouring, in_turn, said, serving, transformers_serve

import qwen_struct
from qwen_struct import (
    BudgetError,
    EmptySourceError,
    Extraction,
    ModelError,
    OpenAIModel,
    RefusedError,
    RemoteModelError,
    UnresolvableReferenceError,
    ValidationError,
    extract,
    validate,
)
from qwen_struct.integrations.openai import RemoteExtraction
from qwen_struct.prompt import build_messages
from qwen_struct.schema.inputs import load_schema

ROOT = Path(__file__).resolve().parent.parent
MINI = Path(qwen_struct.__file__).parent / "mini"
KEY = "sk-a-secret-that-nobody-may-see"
INVOICE = f"{ROOT}/schemas/invoice.py:Invoice"

needs_client = pytest.mark.skipif(find_spec("openai") is None, reason="needs the openai package: pip install openai")
pytestmark = needs_client


class Item(BaseModel):
    name: str
    count: int
    price: Decimal
    note: str | None = None


GOOD = '{"name": "lamp", "count": 3, "price": 12.50}'
LAMP = Item(name="lamp", count=3, price=Decimal("12.50"))
POINT = {
    "title": "A point, in 2D",
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "required": ["x", "y"],
    "additionalProperties": False,
}


def run(*responses: Response, schema: Any = Item, settings: Any = None, **options: Any) -> tuple[Any, list[Asked]]:
    """The result of ``OpenAIModel.run`` against a server that answers with ``responses``, and what it was asked."""
    with serving(in_turn(*responses)) as (url, asked):
        with OpenAIModel(base_url=url, model="m", **(settings or {})) as model:
            return model.run("three lamps", schema, **options), asked


def failure(kind: type[Exception], *responses: Response, schema: Any = Item, **settings: Any) -> Any:
    """The error of the same, which is of class ``kind``, and what the server was asked as its ``asked``."""
    with serving(in_turn(*responses)) as (url, asked):
        model = OpenAIModel(base_url=url, model="m", **{"max_retries": 0, **settings})
        with pytest.raises(kind) as caught:
            model.extract("three lamps", schema)
    caught.value.asked = asked  # type: ignore[attr-defined]
    assert type(caught.value) is kind
    return caught.value


# What comes back, and what was asked for


def test_extract_takes_it_in_place_of_a_model() -> None:
    with serving(in_turn(said(GOOD))) as (url, _):
        model = OpenAIModel(base_url=url, model="m")
        assert extract("three lamps", Item, model=model) == LAMP
        with pytest.raises(TypeError, match="unknown option 'temprature'"):
            extract("three lamps", Item, model=model, temprature=1.0)  # type: ignore[call-overload]


def test_an_extraction_says_how_the_value_came_about() -> None:
    result, _ = run(said(GOOD))
    assert isinstance(result, Extraction)
    assert isinstance(result, RemoteExtraction)
    assert (result.value, result.text, result.finish_reason, result.model) == (LAMP, GOOD, "stop", "m")
    assert (result.num_prompt_tokens, result.num_output_tokens) == (100, 10)
    assert (result.grammar, result.report) == (None, ())
    assert 0 < result.attempts[0].seconds <= result.timings.decode <= result.timings.total
    assert [attempt.faults for attempt in result.attempts] == [()]
    assert result.value.price.as_tuple().digits == (1, 2, 5, 0)  # as it was written


def test_the_request() -> None:
    _, (asked,) = run(
        said(GOOD),
        instructions="Count the lamps.",
        max_tokens=50,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        settings={"api_key": KEY, "extra_body": {"top_k": 5}},
    )
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    body = asked.body
    assert body["messages"] == build_messages(load_schema(Item).json_schema, "three lamps", "Count the lamps.")
    assert {key: body[key] for key in ("model", "max_tokens", "temperature", "top_p", "seed", "top_k")} == {
        "model": "m", "max_tokens": 50, "temperature": 0.5, "top_p": 0.9, "seed": 7, "top_k": 5
    }  # fmt: skip
    asked_format = body["response_format"]
    assert asked_format["type"] == "json_schema"
    assert {key: asked_format["json_schema"][key] for key in ("name", "strict")} == {"name": "Item", "strict": True}
    schema = asked_format["json_schema"]["schema"]
    assert schema == load_schema(Item).json_schema | {"additionalProperties": False}
    assert list(schema["properties"]) == ["name", "count", "price", "note"]


def test_what_is_not_asked_for_is_not_sent() -> None:
    _, (asked,) = run(said(GOOD))
    assert asked.body.keys() == {"model", "messages", "temperature", "response_format"}


def test_a_json_schema_is_sent_as_it_is_under_a_name_that_servers_take() -> None:
    result, (asked,) = run(said('{"y": 2, "x": 1}'), schema=POINT, settings={"strict": False})
    assert list(result.value) == ["y", "x"]  # as the server ordered them
    assert asked.body["response_format"]["json_schema"] == {"name": "A_point_in_2D", "schema": POINT, "strict": False}


@pytest.mark.parametrize(
    ("response_format", "sent"), [("json_object", {"response_format": {"type": "json_object"}}), ("none", {})]
)
def test_servers_that_cannot_take_a_schema(response_format: str, sent: dict[str, Any]) -> None:
    result, (asked,) = run(said(GOOD), settings={"response_format": response_format})
    assert result.value == LAMP
    assert {key: value for key, value in asked.body.items() if key == "response_format"} == sent


def test_open_objects_stay_open_in_what_is_sent() -> None:
    class Open(BaseModel, extra="allow"):
        x: int

    result, (asked,) = run(said('{"x": 1, "y": 2}'), schema=Open)
    assert asked.body["response_format"]["json_schema"]["schema"]["additionalProperties"] is True
    assert result.value.y == 2


def test_a_type_may_hold_what_this_packages_engine_would_not_write() -> None:
    """Patterns and formats are Pydantic's to check, in its own dialect; the rest of the schema is checked before."""

    class Site(BaseModel):
        url: HttpUrl
        day: date
        code: Annotated[str, Field(pattern=r"^\d{2}\z")]

    good = {"url": "http://[::1]:60000/", "day": "2024-02-29", "code": "12"}
    result, _ = run(said(json.dumps(good | {"day": "2024-02-30"})), said(json.dumps(good)), schema=Site)
    assert str(result.value.url) == good["url"]
    assert [fault.pointer for fault in result.attempts[0].faults] == ["/day"]
    error = failure(ValidationError, said(json.dumps(good | {"code": "123"})), schema=Site)
    assert [(fault.pointer, fault.keyword) for fault in error.faults] == [("/code", "pattern")]


@pytest.mark.parametrize(
    "answer", [f"```json\n{GOOD}\n```", f"```\n{GOOD}\n```\n", f"\n  {GOOD}  \n"], ids=["json", "plain", "blanks"]
)
def test_a_fence_around_the_json_is_taken_off(answer: str) -> None:
    result, _ = run(said(answer))
    assert (result.value, result.text) == (LAMP, GOOD)
    assert result.attempts[0].text == answer


def test_a_schema_with_references_elsewhere() -> None:
    remote = {"$ref": "http://example.com/point"}
    result, _ = run(said('{"x": 1, "y": 2}'), schema=remote, settings={"retrieve": lambda uri: POINT})
    assert result.value == {"x": 1, "y": 2}
    failure(UnresolvableReferenceError, said("{}"), schema=remote)


# Answers that do not fit


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("Here is the JSON you asked for.", "#: Expecting value: line 1 column 1 (char 0)"),
        ("", "#: Expecting value: line 1 column 1 (char 0)"),
        (None, "#: Expecting value: line 1 column 1 (char 0)"),
        ('{"name": "lamp", "count": 3', "#: Expecting ',' delimiter: line 1 column 28 (char 27)"),
        ('{"name": "lamp", "price": 1}', "#: 'count' is a required property"),
        ('{"name": "lamp", "count": "3", "price": 1}', "/count: '3' is not of type 'integer'"),
        ('{"name": "lamp", "count": 3, "price": NaN}', "#: NaN is not JSON"),
        (
            '{"name": "lamp", "count": 3, "price": 1, "nota": "b"}',
            "#: Additional properties are not allowed ('nota' was unexpected)",
        ),
    ],
)
def test_the_model_is_asked_again_with_the_faults_named(answer: str | None, fault: str) -> None:
    result, (first, second) = run(said(answer), said(GOOD))
    assert result.value == LAMP
    assert [str(f) for f in result.attempts[0].faults] == [fault]
    assert len(result.attempts) == 2
    messages = second.body["messages"]
    assert messages[:2] == first.body["messages"]
    assert messages[2] == {"role": "assistant", "content": answer or "(nothing)"}
    assert messages[3]["role"] == "user"
    assert f"- {fault}\n" in messages[3]["content"]
    assert second.body["response_format"] == first.body["response_format"]
    assert result.timings.num_output_tokens == 20


def test_the_chat_holds_the_last_answer_only() -> None:
    _, asked = run(said("first"), said("second"), said(GOOD))
    assert [len(one.body["messages"]) for one in asked] == [2, 4, 4]
    assert asked[2].body["messages"][2]["content"] == "second"


def test_rules_of_the_type_itself_count_too() -> None:
    class Even(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def even(cls, value: int) -> int:
            if value % 2:
                raise ValueError(f"{value} is odd")
            return value

    result, (_, second) = run(said('{"number": 3}'), said('{"number": 4}'), schema=Even)
    assert result.value.number == 4
    assert "- /number: Value error, 3 is odd" in second.body["messages"][3]["content"]


def test_when_no_attempt_is_left_the_last_answer_is_in_the_error() -> None:
    error = failure(ValidationError, said("first"), said('{"x": 1}'), schema=POINT, max_attempts=2)
    assert len(error.asked) == 2
    assert error.text == '{"x": 1}'
    assert [fault.message for fault in error.faults] == ["'y' is a required property"]
    assert error.__notes__ == ["This was attempt 2 of 2 by m."]
    assert len(failure(ValidationError, said("no"), max_attempts=1).asked) == 1


def test_many_faults_are_counted() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    _, (_, second) = run(said(json.dumps(["x"] * 30)), said("[1]"), schema=schema)
    request = second.body["messages"][3]["content"]
    assert request.count("\n- ") == 21
    assert "- and 10 more" in request


def test_an_answer_that_was_cut_off_is_not_asked_for_again() -> None:
    error = failure(BudgetError, said('{"name": "la', "length"))
    assert len(error.asked) == 1
    assert error.text == '{"name": "la'
    assert "set max_tokens higher" in str(error)


def test_an_answer_that_the_limit_ended_where_it_was_complete() -> None:
    result, _ = run(said(GOOD, "length"))
    assert (result.value, result.finish_reason) == (LAMP, "length")


def test_a_model_that_declines() -> None:
    error = failure(RefusedError, said(None, refusal="I cannot help with lamps."))
    assert (error.refusal, str(error)) == (
        "I cannot help with lamps.",
        "m declined to answer: I cannot help with lamps.",
    )
    assert "filter held the answer back" in str(failure(RefusedError, said("", "content_filter")))


# Servers that fail


@pytest.mark.parametrize(
    "body",
    [
        "<html>It works!</html>",
        "{}",
        '{"choices": []}',
        '{"choices": null}',
        '{"choices": [{"message": null}]}',
        "[]",
        "",
    ],
)
def test_what_is_no_chat_completion(body: str) -> None:
    error = failure(RemoteModelError, Response(body))
    assert "is no chat completion" in str(error)
    assert error.status == 200
    assert len(error.asked) == 1


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        (400, "response_format='none' asks without"),
        (401, "check api_key"),
        (404, "check model, and base_url"),
        (422, "response_format='none' asks without"),
        (429, "wait, or raise max_retries"),
        (500, "see the server's log"),
        (503, "see the server's log"),
    ],
)
def test_an_http_status(status: int, mend: str) -> None:
    body = json.dumps({"error": {"message": f"something is wrong with {KEY}"}})
    error = failure(RemoteModelError, Response(body, status), api_key=KEY)
    assert error.status == status
    assert f"answers with HTTP status {status}: " in str(error)
    assert "something is wrong with ..." in str(error)
    assert mend in str(error)
    assert KEY not in str(error)
    assert isinstance(error, ModelError)
    assert pickle.loads(pickle.dumps(error)).status == status


def test_a_busy_server_is_asked_again() -> None:
    result, asked = run(Response("busy", 500, {"Retry-After": "0.05"}), said(GOOD))
    assert result.value == LAMP
    assert len(asked) == 2
    assert len(result.attempts) == 1


def test_retry_after_is_kept() -> None:
    result, asked = run(Response("slow down", 429, {"Retry-After": "1.3"}), said(GOOD))
    assert result.value == LAMP
    assert 1.3 <= asked[1].time - asked[0].time < 5


def test_retries_end() -> None:
    error = failure(RemoteModelError, Response("busy", 503, {"Retry-After": "0.05"}), max_retries=3)
    assert (error.status, len(error.asked)) == (503, 4)


def test_a_server_that_takes_too_long() -> None:
    error = failure(RemoteModelError, dataclasses.replace(said(GOOD), delay=1.0), timeout=0.2)
    assert str(error).endswith("gave no answer within 0.2 s; raise timeout, or lower max_tokens")
    assert error.status is None


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(RemoteModelError, match="cannot be reached: .*refused.*; check base_url") as caught:
        extract("x", Item, model=OpenAIModel(base_url=url, model="m", max_retries=0))
    assert caught.value.status is None


def test_a_server_that_hangs_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        import threading

        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        with pytest.raises(RemoteModelError, match="cannot be reached"):
            extract("x", Item, model=OpenAIModel(base_url=url, model="m", max_retries=0, timeout=5))


def test_an_address_that_is_none() -> None:
    with pytest.raises(RemoteModelError, match="cannot be reached: .*unsupported protocol"):
        extract("x", Item, model=OpenAIModel(base_url="localhost:8000/v1", model="m", max_retries=0))


# Care for what is secret


def test_the_key_is_neither_shown_nor_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failure(RemoteModelError, Response("{}", 401), api_key=KEY)
    assert caplog.records  # the client library logs the requests
    assert KEY not in caplog.text
    assert KEY not in repr(OpenAIModel(base_url="http://localhost:1/v1", model="m", api_key=KEY))


def test_a_password_in_the_address_is_not_shown() -> None:
    model = OpenAIModel(base_url="http://ada:hunter2@127.0.0.1:1/v1", model="m", max_retries=0)
    assert repr(model) == "OpenAIModel(base_url='http://127.0.0.1:1/v1', model='m')"
    with pytest.raises(RemoteModelError) as caught:
        model.extract("x", Item)
    assert "hunter2" not in str(caught.value)


def test_the_environments_key_and_organisation_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "the-company")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "the-project")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    _, (asked,) = run(said(GOOD))
    sent = json.dumps(asked.headers)
    assert [word for word in (KEY, "the-company", "the-project") if word in sent] == []


# How it is made


def test_settings_that_are_refused() -> None:
    with pytest.raises(ValueError, match="max_attempts must be at least 1, not 0"):
        OpenAIModel(base_url="http://x/v1", model="m", max_attempts=0)
    with pytest.raises(ValueError, match="'yaml' is not a valid ResponseFormat"):
        OpenAIModel(base_url="http://x/v1", model="m", response_format="yaml")
    with pytest.raises(TypeError, match="temprature"):
        OpenAIModel(base_url="http://x/v1", model="m").run("x", Item, temprature=1.0)  # type: ignore[call-arg]
    with pytest.raises(EmptySourceError):
        OpenAIModel(base_url="http://x/v1", model="m").extract("  ", Item)


def test_without_the_client_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ModelError, match=r"pip install 'qwen-struct\[openai\]'"):
        OpenAIModel(base_url="http://x/v1", model="m")


def test_it_loads_neither_torch_nor_transformers() -> None:
    program = (
        "import sys; from qwen_struct import OpenAIModel; OpenAIModel(base_url='http://localhost:1/v1', model='m')\n"
        "print([name for name in ('torch', 'transformers', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Real servers with real models


@pytest.fixture(scope="module")
def honouring_server() -> Iterator[str]:
    """A server that keeps to the JSON Schema it is sent, around the bundled model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(MINI, dtype=torch.float32).eval()
    with serving(honouring(model, AutoTokenizer.from_pretrained(MINI))) as (url, _):
        yield url


def test_a_server_that_honours_the_schema(honouring_server: str) -> None:
    text = (ROOT / "schemas" / "invoice.txt").read_text(encoding="utf-8")
    result = OpenAIModel(base_url=honouring_server, model="mini").run(text, INVOICE)
    assert result.value == validate(
        json.loads((ROOT / "schemas" / "invoice.json").read_text(encoding="utf-8")), INVOICE
    )
    assert len(result.attempts) == 1


def test_a_server_that_honours_a_schema_its_model_knows_nothing_of(honouring_server: str) -> None:
    class Animal(BaseModel):
        animal: Literal["cat", "dog"]
        legs: Literal[2, 4]

    model = OpenAIModel(base_url=honouring_server, model="mini", max_attempts=1)
    assert isinstance(extract("The cat sat on the mat.", Animal, model=model), Animal)
    with pytest.raises(BudgetError):
        extract("The cat sat on the mat.", Animal, model=model, max_tokens=3)


@pytest.fixture(scope="module")
def ignoring_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """``transformers serve`` with the bundled model; it takes a response format and ignores it."""
    lacking = [name for name in ("fastapi", "uvicorn", "accelerate") if find_spec(name) is None]
    if lacking:
        pytest.skip(f"transformers serve needs {', '.join(lacking)}")
    log = tmp_path_factory.mktemp("serve") / "log"
    with transformers_serve(MINI, log) as url:
        yield url, log


def test_transformers_serve_where_the_model_knows_the_document(ignoring_server: tuple[str, Path]) -> None:
    text = (ROOT / "schemas" / "invoice.txt").read_text(encoding="utf-8")
    result = OpenAIModel(base_url=ignoring_server[0], model=str(MINI)).run(text, INVOICE, max_tokens=500)
    assert result.value == validate(
        json.loads((ROOT / "schemas" / "invoice.json").read_text(encoding="utf-8")), INVOICE
    )
    assert result.num_prompt_tokens > 400
    assert "response_format" in ignoring_server[1].read_text()  # "Ignoring unsupported fields in the request: ..."


def test_transformers_serve_where_it_does_not(ignoring_server: tuple[str, Path]) -> None:
    """Unconstrained, the model copies what the text has, which is shorter than asked: it is found, and asked again."""
    schema = {"type": "object", "properties": {"animal": {"type": "string", "minLength": 40}}, "required": ["animal"]}
    model = OpenAIModel(base_url=ignoring_server[0], model=str(MINI), max_attempts=2)
    with pytest.raises(ValidationError) as caught:
        extract("The cat sat on the mat.", schema, model=model, max_tokens=60)
    assert caught.value.__notes__ == [f"This was attempt 2 of 2 by {MINI}."]
    with pytest.raises(BudgetError) as cut:
        extract("The cat sat on the mat.", schema, model=model, max_tokens=2)
    assert cut.value.text
    with pytest.raises(RemoteModelError) as refused:
        extract("x", schema, model=OpenAIModel(base_url=ignoring_server[0], model="another", max_retries=0))
    assert refused.value.status in (400, 404)
