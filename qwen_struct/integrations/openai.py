"""A model behind an OpenAI-compatible server, in place of one that is loaded here.

The promise is a weaker one. Here, no token can be chosen that the schema does not allow; what a server writes is its
own affair, whatever it makes of the response format that it is asked for. So an answer is checked when it is there, and
the model is asked again, with the faults named, until one passes or ``max_attempts`` are used up.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload
from urllib.parse import urlsplit, urlunsplit

from ..decode.timings import Timings
from ..errors import BudgetError, Fault, ModelError, RefusedError, RemoteModelError, ValidationError
from ..extract import Extraction, Options, check_options, check_text, typed
from ..prompt import build_messages

if TYPE_CHECKING:
    from ..schema.inputs import SchemaInput
    from ..schema.references import Retrieve

T = TypeVar("T")

FAULTS_NAMED = 20  # to a model that is asked again
NO_KEY = "none"  # sent to servers that want no key, as the client library insists on one


class ResponseFormat(Enum):
    """What is asked of the server: JSON of the schema, JSON of any kind, or nothing. Answers are checked always."""

    JSON_SCHEMA = "json_schema"
    JSON_OBJECT = "json_object"
    NONE = "none"


@dataclass(frozen=True)
class Attempt:
    """One answer of the server, with what was wrong with it. The numbers are the server's, 0 where it gives none."""

    text: str
    faults: tuple[Fault, ...]
    finish_reason: str
    num_prompt_tokens: int
    num_output_tokens: int
    seconds: float


@dataclass(frozen=True)
class RemoteExtraction(Extraction):
    """An :class:`~qwen_struct.Extraction` by a server: token counts are of the last attempt, ``timings`` of all."""

    attempts: tuple[Attempt, ...] = ()


class OpenAIModel:
    """A model behind ``base_url`` (it mostly ends in ``/v1``): ``extract(text, Invoice, model=OpenAIModel(...))``.

    The server is asked for JSON of the schema. That it answers with it is not guaranteed by construction, as with a
    model that is loaded here, but by checking: what comes back has passed the schema and the type, or an error is
    raised. A document may hold control tokens of the model's chat format; how the server reads these is up to it.

    ``api_key`` is sent as a bearer token and neither logged nor shown; no environment variable is read for it, so that
    one server's key never reaches another. ``timeout`` is in seconds, for one answer. ``max_retries`` is how often a
    request is sent again when the connection fails or the server is busy (408, 409, 429, 5xx; ``Retry-After`` is kept).
    ``max_attempts`` is how many answers are asked for in all when they do not fit. ``response_format`` "json_object"
    or "none" is for servers that cannot take the schema; ``strict`` asks for what OpenAI's API calls strict.
    ``extra_body`` goes into each request as it is, for parameters of one server or another. Threads may share it.

    Raises:
        ModelError: the ``openai`` package is not installed.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str | None = None,
        timeout: float = 120.0,
        max_retries: int = 2,
        max_attempts: int = 3,
        response_format: str | ResponseFormat = ResponseFormat.JSON_SCHEMA,
        strict: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        retrieve: Retrieve | None = None,
    ) -> None:
        if max_attempts < 1:
            raise ValueError(f"max_attempts must be at least 1, not {max_attempts}")
        self.base_url, self.model = _without_password(base_url), model
        self._format, self._strict = ResponseFormat(response_format), strict
        self._timeout, self._max_attempts = timeout, max_attempts
        self._extra_body = dict(extra_body or {})
        self._retrieve = retrieve
        self._key = api_key or NO_KEY
        self._client = _client(base_url, self._key, timeout, max_retries)

    def __repr__(self) -> str:
        return f"OpenAIModel(base_url={self.base_url!r}, model={self.model!r})"

    def close(self) -> None:
        """Closes the connections; so does leaving a ``with`` block."""
        self._client.close()

    def __enter__(self) -> OpenAIModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @overload
    def extract(self, text: str, schema: type[T], **options: Unpack[Options]) -> T: ...

    @overload
    def extract(self, text: str, schema: Any, **options: Unpack[Options]) -> Any: ...

    def extract(self, text: str, schema: Any, **options: Unpack[Options]) -> Any:
        """The value of ``schema``'s type that the model reads out of ``text``; options as in :meth:`run`."""
        return self.run(text, schema, **options).value

    def run(self, text: str, schema: Any, **options: Unpack[Options]) -> RemoteExtraction:
        """Like :meth:`extract`, with the attempts, token counts and finish reason beside the value.

        Takes what :meth:`qwen_struct.Extractor.run` takes. ``max_tokens`` None leaves the limit to the server, which
        may cut an answer short at any limit; ``drafts`` is the server's affair. The text of the answer is as the server
        wrote it: its keys may stand in any order.

        Raises:
            SchemaError, SourceError: as there.
            RemoteModelError: the server cannot be reached, answers with an error, or with something else than a chat
                completion; RefusedError: the model declined.
            BudgetError: the server cut the answer off; ``error.text`` holds it.
            ValidationError: the last of ``max_attempts`` answers does not fit either; ``error.text`` holds it.
        """
        from ..schema.inputs import load_schema

        start = time.perf_counter()
        check_options(options)
        check_text(text)
        check = _Check(load_schema(schema, retrieve=self._retrieve), self._retrieve)
        messages = build_messages(check.asked.json_schema, text, options.get("instructions"))
        request = _settings(options) | self._format_for(check)
        attempts: list[Attempt] = []
        correction: list[dict[str, str]] = []
        while True:
            attempt = self._ask([*messages, *correction], request)
            try:
                value, json_text = check.value(attempt.text)
            except ValidationError as error:
                attempts.append(_with_faults(attempt, error))
                self._give_up(attempts, error)
                correction = _correction(attempts[-1])
            else:
                return self._extraction(value, json_text, [*attempts, attempt], time.perf_counter() - start)

    def _format_for(self, check: _Check) -> dict[str, Any]:
        if self._format is ResponseFormat.NONE:
            return {}
        if self._format is ResponseFormat.JSON_OBJECT:
            return {"response_format": {"type": "json_object"}}
        document = check.schema if isinstance(check.schema, dict) else {}
        schema = {"name": _identifier(check.asked.name), "schema": document, "strict": self._strict}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}

    def _ask(self, messages: Sequence[Mapping[str, str]], request: Mapping[str, Any]) -> Attempt:
        start = time.perf_counter()
        with self._explained():
            create: Any = self._client.chat.completions.with_raw_response.create
            body: str = create(model=self.model, messages=messages, extra_body=self._extra_body, **request).text
        return self._attempt(body, time.perf_counter() - start)

    def _attempt(self, body: str, seconds: float) -> Attempt:
        """The answer in a response. Raises: RemoteModelError when it holds none; RefusedError."""
        try:
            completion = json.loads(body)
            choice = completion["choices"][0]
            message, reason = choice["message"], choice.get("finish_reason") or "stop"
            content = message.get("content") or ""
            usage = completion.get("usage") or {}
            counts = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise RemoteModelError(
                f"what {self.base_url} answers is no chat completion: {_cut(body)!r}; check base_url", status=200
            ) from error
        refusal = message.get("refusal") or ""
        if refusal or reason == "content_filter":
            said = refusal or "its server's filter held the answer back"
            raise RefusedError(f"{self.model} declined to answer: {_cut(said)}", refusal=refusal)
        return Attempt(str(content), (), str(reason), counts[0], counts[1], seconds)

    def _give_up(self, attempts: Sequence[Attempt], error: ValidationError) -> None:
        """Raises when asking again would not help, or is not allowed any more."""
        text = attempts[-1].text
        if attempts[-1].finish_reason == "length":
            raise BudgetError(
                f"{self.model} was cut off after {attempts[-1].num_output_tokens:,} tokens, before its JSON was "
                "complete; set max_tokens higher, or bound the schema's arrays and strings (maxItems, maxLength). "
                f"It ends: ...{text[-80:]}",
                text=text,
            ) from error
        if len(attempts) >= self._max_attempts:
            error.text = text
            error.add_note(f"This was attempt {len(attempts)} of {self._max_attempts} by {self.model}.")
            raise error

    def _extraction(self, value: Any, text: str, attempts: Sequence[Attempt], seconds: float) -> RemoteExtraction:
        last = attempts[-1]
        asked = sum(attempt.seconds for attempt in attempts)
        return RemoteExtraction(
            value=value,
            text=text,
            num_prompt_tokens=last.num_prompt_tokens,
            num_output_tokens=last.num_output_tokens,
            finish_reason="length" if last.finish_reason == "length" else "stop",
            timings=Timings(
                compile=0.0,
                prefill=0.0,
                decode=asked,
                mask=0.0,
                first_token=seconds,
                total=seconds,
                num_output_tokens=sum(attempt.num_output_tokens for attempt in attempts),
                num_forward_passes=0,
            ),
            model=self.model,
            grammar=None,
            attempts=tuple(attempts),
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns the client library's errors into a RemoteModelError that says what to do."""
        import openai

        try:
            yield
        except openai.APITimeoutError as error:
            raise RemoteModelError(
                f"{self.base_url} gave no answer within {self._timeout:g} s; raise timeout, or lower max_tokens"
            ) from error
        except openai.APIConnectionError as error:
            raise RemoteModelError(
                f"{self.base_url} cannot be reached: {error.__cause__ or error}; check base_url, and whether it runs"
            ) from error
        except openai.APIStatusError as error:
            said = _cut(str(error.message).replace(self._key, "..."))
            raise RemoteModelError(
                f"{self.base_url} answers with HTTP status {error.status_code}: {said}; {_mend(error.status_code)}",
                status=error.status_code,
            ) from error


class _Check:
    """A schema as a server is told it, and whether answers fit it and the type behind it."""

    def __init__(self, asked: SchemaInput, retrieve: Retrieve | None) -> None:
        from ..schema.checking import checker

        self.asked = asked
        is_type = asked.json_schema is not asked.constraint_schema
        self.schema: Any = _closed(asked.json_schema) if is_type else asked.json_schema
        self._faults = checker(_structure(self.schema), retrieve) if is_type else None

    def value(self, answer: str) -> tuple[Any, str]:
        """The typed value and its JSON. Raises: ValidationError with every fault."""
        from ..schema.checking import parse, require

        text = _bare(answer)
        if (
            self._faults is not None
        ):  # a type takes more than its schema says: "7" for an integer, names it does not know
            parsed = parse(text)
            require(parsed, self._faults(parsed), self.asked.name)
        return typed(text, self.asked), text


def _closed(schema: Any) -> Any:
    """A type's schema with its objects closed, as ``extract`` has them: the type would drop what it does not know."""
    from ..schema.metaschema import plain
    from ..schema.walk import subschemas

    result = plain(schema)
    for _, node in subschemas(result):
        if isinstance(node, dict) and "properties" in node and "patternProperties" not in node:
            node.setdefault("additionalProperties", False)
    return result


def _structure(schema: Any) -> Any:
    """A type's schema without patterns and formats: these Pydantic checks, whose dialect and calendar are its own."""
    from ..schema.metaschema import plain
    from ..schema.walk import subschemas

    result = plain(schema)
    for _, node in subschemas(result):
        if isinstance(node, dict):
            for keyword in ("pattern", "format", "patternProperties"):
                node.pop(keyword, None)
    return result


def _bare(answer: str) -> str:
    """The JSON in an answer, without the Markdown fence that models like to put around it."""
    fenced = re.fullmatch(r"\s*```(?:json)?[ \t]*\n(.*?)\n?\s*```\s*", answer, re.DOTALL | re.IGNORECASE)
    return (fenced[1] if fenced else answer).strip()


def _with_faults(attempt: Attempt, error: ValidationError) -> Attempt:
    faults = error.faults or (Fault("", str(error)),)
    return replace(attempt, faults=faults)


def _settings(options: Options) -> dict[str, Any]:
    """The options as a request has them; greedy unless asked otherwise, as with a model that is loaded here."""
    settings = {
        "temperature": options.get("temperature", 0.0),
        "top_p": options.get("top_p"),
        "max_tokens": options.get("max_tokens"),
        "seed": options.get("seed"),
    }
    return {name: value for name, value in settings.items() if value is not None}


def _correction(attempt: Attempt) -> list[dict[str, str]]:
    """What the chat goes on with after an answer that does not fit."""
    named = [f"- {fault}" for fault in attempt.faults[:FAULTS_NAMED]]
    left = len(attempt.faults) - len(named)
    more = [f"- and {left} more"] if left else []
    request = "\n".join(
        [
            "That answer does not fit the JSON Schema:",
            *named,
            *more,
            "Answer again with the whole JSON value, these faults corrected, and nothing else.",
        ]
    )
    answer = attempt.text or "(nothing)"  # some servers refuse a message without content
    return [{"role": "assistant", "content": answer}, {"role": "user", "content": request}]


def _client(base_url: str, key: str, timeout: float, max_retries: int) -> Any:
    try:
        import openai
    except ImportError as error:
        raise ModelError("OpenAIModel needs the openai package; run: pip install 'qwen-struct[openai]'") from error
    client = openai.OpenAI(base_url=base_url, api_key=key, timeout=timeout, max_retries=max_retries)
    client.organization = client.project = None  # which the library reads from the environment, for any server
    return client


def _identifier(name: str) -> str:
    """A name as the response format takes it: letters, digits, ``_`` and ``-``, 64 at most."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "schema"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _cut(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else f"{text[:limit]} ..."


def _mend(status: int) -> str:
    if status in (401, 403):
        return "check api_key"
    if status == 404:
        return "check model, and base_url, which mostly ends in /v1"
    if status in (400, 422):
        return "if it cannot take the schema, response_format='none' asks without; answers are checked all the same"
    if status == 429:
        return "wait, or raise max_retries"
    return "see the server's log" if status >= 500 else "check the request"
