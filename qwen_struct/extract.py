"""A text and a schema in, a typed value out: the one call that the rest of the package exists for.

The story of a call: the schema becomes a grammar over the model's tokens (cached), the text a prompt; the decode loop
lets the model write what the grammar allows; the JSON is parsed, validated and handed back as the type that was asked
for.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, TypeVar, Unpack, overload, runtime_checkable

from .decode.timings import Timings
from .errors import BudgetError, ContextLengthError, EmptySourceError, QwenStructError, SourceError, ValidationError

# torch, transformers and numba load with the first Extractor: importing this module must stay cheap.
if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .constraint import Grammar, Matcher
    from .decode.answer import Answer, Decoded, FinishReason
    from .decode.model import Model
    from .partial import Partial, TextDelta
    from .schema.inputs import SchemaInput
    from .schema.references import Retrieve

    ModelSpec = str | os.PathLike[str] | tuple[PreTrainedModel, PreTrainedTokenizerBase]

T = TypeVar("T")

DEFAULT_MAX_TOKENS = 4096  # of an answer when the caller sets no limit; a longer one must be asked for
WINDOW = 4  # batches of sources that are read ahead, so that answers of a like length can stand together
SCHEMAS_KEPT = 64  # types whose schema an Extractor remembers
MODELS_KEPT = 2  # Extractors behind the module's extract(), so that two models can take turns


class Options(TypedDict, total=False):
    """The options of one extraction, the keywords of :meth:`Extractor.run`."""

    instructions: str | None
    max_tokens: int | None
    temperature: float
    top_p: float
    seed: int | None
    drafts: bool


class Loading(TypedDict, total=False):
    """How a checkpoint is loaded, see :func:`.decode.model.load_model`."""

    device: str | torch.device | None
    dtype: str | torch.dtype | None
    progress: bool | None
    quantization: str | None
    context_length: int | None
    check_memory: bool
    compile: bool


@dataclass(frozen=True)
class Extraction:
    """One answer: the typed value, the JSON that the model wrote for it, and how it came about.

    ``steered`` has JSON Pointers of the values at which ``max_tokens`` kept the model from what it would have written.
    ``warnings`` say what else is suspicious, such as an answer that repeats itself.
    """

    value: Any
    text: str
    num_prompt_tokens: int
    num_output_tokens: int  # without the one that ends the answer
    finish_reason: FinishReason  # "length": the limit ended it, at a place where the JSON was complete
    timings: Timings
    model: str
    grammar: Grammar | None = field(repr=False)  # None where a server wrote it
    steered: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def report(self) -> Any:
        """What became of every keyword of the schema: the grammar's report; empty where there is none."""
        return () if self.grammar is None else self.grammar.report


@runtime_checkable
class Reader(Protocol):
    """What ``extract`` can ask in place of a loaded model: an :class:`Extractor`, or a model behind a server."""

    def extract(self, text: str, schema: Any, **options: Unpack[Options]) -> Any: ...


class Extractor:
    """A loaded model that extracts from any number of texts, with any schemas.

    ``model`` is "mini" (bundled), a checkpoint's folder, a hub name, or a loaded ``(model, tokenizer)``.
    ``retrieve(uri) -> schema`` provides the documents that a JSON Schema refers to elsewhere; nothing is fetched.
    ``kv_bytes`` bounds the KV cache of answers that are written side by side; None is what the device has free, on a
    CPU a quarter of it. The other options are those of :func:`.decode.model.load_model`: ``device`` and ``dtype``
    default to what the machine is good at, ``quantization`` and ``context_length`` change the checkpoint as it is
    loaded, and ``check_memory`` refuses what will not fit before it is read.

    Threads may share an Extractor: each call has its own cache and matcher, and a call gives the same answer whatever
    runs beside it. They share one device, so they do not make it faster; :meth:`run_many` does.

    Raises:
        ModelError: the model cannot be found or loaded.
    """

    def __init__(
        self,
        model: ModelSpec = "mini",
        *,
        retrieve: Retrieve | None = None,
        kv_bytes: float | None = None,
        **loading: Unpack[Loading],
    ) -> None:
        from .constraint import Vocabulary
        from .decode.prefixes import PrefixStore
        from .decode.spelling import Spelling

        self._model = _load(model, loading)
        self.vocabulary = Vocabulary.from_tokenizer(
            self._model.tokenizer, n_vocab=self._model.n_vocab, eos_token_ids=list(self._model.eos_token_ids)
        )
        self._retrieve = retrieve
        self._kv_bytes = kv_bytes
        self._spelling = Spelling(self._model.tokenizer)
        self._prefixes = PrefixStore()
        self._load_type = lru_cache(SCHEMAS_KEPT)(self._load_schema)

    @property
    def model(self) -> Model:
        """The network, its tokenizer, and the facts about them: name, device, n_vocab, context_length."""
        return self._model

    def clear_prefixes(self) -> None:
        """Forgets what was kept of the beginnings of prompts, and frees its memory."""
        self._prefixes.clear()

    @overload
    def extract(self, text: str, schema: type[T], **options: Unpack[Options]) -> T: ...

    @overload
    def extract(self, text: str, schema: Any, **options: Unpack[Options]) -> Any: ...

    def extract(self, text: str, schema: Any, **options: Unpack[Options]) -> Any:
        """The value of ``schema``'s type that the model reads out of ``text``; options as in :meth:`run`."""
        return self.run(text, schema, **options).value

    def run(self, text: str, schema: Any, **options: Unpack[Options]) -> Extraction:
        """Like :meth:`extract`, with the JSON, token counts, timings and finish reason beside the value.

        ``schema`` is a Pydantic model, a dataclass, a TypedDict or another annotation, or a JSON Schema as a dict or
        the path of a file. The options:

        * ``instructions``: what to do, in words, beside the schema.
        * ``max_tokens`` limits the answer, which is complete, valid JSON at any limit of at least the schema's minimum.
          None is what the context leaves, at most 4,096 or twice the minimum.
        * ``temperature`` 0 is greedy; above it ``seed`` makes a run repeatable on the same machine. ``top_p`` keeps the
          likeliest tokens that hold so much of the probability.
        * ``drafts``: whether text drafted from the source is verified along; it changes no answer, only the time.

        Raises:
            SchemaError: the schema is invalid, or asks for what cannot be enforced.
            SourceError: the text is empty, or too long for the model's context.
            BudgetError: ``max_tokens`` is below what the schema's shortest values take.
            ValidationError: the JSON fits the schema, but not the type's own validators; ``error.text`` holds it.
        """
        from .decode.batch import write

        job = self._job(text, schema, options)
        for _ in write(self._model, [job.answer], prefixes=self._prefixes):
            pass
        return job.extraction()

    def extract_many(
        self,
        sources: Iterable[str],
        schema: Any,
        *,
        batch_size: int | None = None,
        errors: Literal["raise", "return"] = "raise",
        **options: Unpack[Options],
    ) -> list[Any]:
        """The values of all ``sources``, in their order; see :meth:`run_many`."""
        found = self.run_many(sources, schema, batch_size=batch_size, errors=errors, **options)
        return [item.value if isinstance(item, Extraction) else item for item in found]

    def run_many(
        self,
        sources: Iterable[str],
        schema: Any,
        *,
        batch_size: int | None = None,
        errors: Literal["raise", "return"] = "raise",
        **options: Unpack[Options],
    ) -> Iterator[Any]:
        """An :class:`Extraction` for each of ``sources``, in their order, written side by side.

        ``schema`` is for all of them, or a list with one for each. At most ``batch_size`` answers (16) are under way,
        fewer where the KV cache would take more than its bound; the others wait. A greedy answer is the one that
        :meth:`run` gives, up to the rounding of the hardware; the n-th draws with ``seed + n``. ``sources`` may be
        endless: it is read a few batches ahead.

        ``errors`` "return" puts the error in the place of an extraction that fails, and goes on with the others.
        """
        from .decode.batch import MAX_ROWS

        if errors not in ("raise", "return"):
            raise ValueError(f"errors is 'raise' or 'return', not {errors!r}")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        if isinstance(sources, str):
            raise TypeError("sources must be a list of texts, or another iterable; for one text there is run()")
        return self._run_many(sources, schema, batch_size or MAX_ROWS, errors == "return", options)

    def _run_many(
        self, sources: Iterable[str], schema: Any, batch_size: int, keep_errors: bool, options: Options
    ) -> Iterator[Any]:
        jobs = self._jobs(sources, schema, options, keep_errors)
        for window in _windows(jobs, WINDOW * batch_size):
            yield from self._write_window(window, batch_size, keep_errors)

    def _jobs(
        self, sources: Iterable[str], schema: Any, options: Options, keep_errors: bool
    ) -> Iterator[_Job | QwenStructError]:
        seed = options.get("seed")
        for number, (text, asked) in enumerate(_paired(sources, schema)):
            own: Options = options if seed is None else {**options, "seed": seed + number}
            try:
                yield self._job(text, asked, own)
            except QwenStructError as error:
                if not keep_errors:
                    raise
                yield error

    def _write_window(
        self, window: Sequence[_Job | QwenStructError], batch_size: int, keep_errors: bool
    ) -> Iterator[Any]:
        """Writes some answers, long ones first so that rows of a like length stand together; in the sources' order."""
        from .decode.batch import write

        jobs = sorted((job for job in window if isinstance(job, _Job)), key=lambda job: -job.answer.num_reserved)
        answers = (job.answer for job in jobs)
        finished = write(
            self._model, answers, prefixes=self._prefixes, max_rows=batch_size, max_tokens=self._cache_tokens()
        )
        for job in window:
            if isinstance(job, QwenStructError):
                yield job
                continue
            while not job.answer.is_finished:
                next(finished)
            try:
                yield job.extraction()
            except QwenStructError as error:
                if not keep_errors:
                    raise
                yield error

    @overload
    def stream(
        self, text: str, schema: Any, *, deltas: Literal[False] = False, **options: Unpack[Options]
    ) -> Iterator[Partial]: ...

    @overload
    def stream(
        self, text: str, schema: Any, *, deltas: bool, **options: Unpack[Options]
    ) -> Iterator[Partial | TextDelta]: ...

    def stream(self, text: str, schema: Any, *, deltas: bool = False, **options: Unpack[Options]) -> Iterator[Any]:
        """Like :meth:`run`, but each value comes as it closes, a :class:`.Partial`; the whole comes last, validated.

        ``deltas`` puts the text between them, as it is written. Closing the iterator stops the work.
        """
        return self._stream(self._job(text, schema, options), deltas)

    def _stream(self, job: _Job, deltas: bool) -> Iterator[Partial | TextDelta]:
        from .decode.batch import Batch
        from .partial import PartialReader

        reader, batch = PartialReader(job.asked, deltas=deltas), Batch(self._model, self._prefixes)
        batch.admit(job.answer)
        num_read = 0
        while True:
            written = job.matcher.text
            yield from reader.feed(written[num_read:])
            num_read = len(written)
            if job.answer.is_finished:
                break
            batch.step()
        yield from reader.finish(job.extraction().value)

    def _job(self, text: str, schema: Any, options: Options) -> _Job:
        """All that comes before the first forward pass."""
        from .constraint import compile_schema
        from .decode.answer import Answer
        from .decode.chat import encode_prompt
        from .decode.drafts import SourceDrafter
        from .decode.guide import SourceGuide
        from .decode.sampling import Sampling
        from .prompt import build_messages

        start = time.perf_counter()
        check_options(options)
        sampling = Sampling(options.get("temperature", 0.0), options.get("top_p", 1.0), options.get("seed"))
        check_text(text)
        asked = self._load_type(schema) if isinstance(schema, type) else self._load_schema(schema)
        compiling = time.perf_counter()
        grammar = compile_schema(
            asked.constraint_schema,
            self.vocabulary,
            key_order="schema",
            float_integers=False,
            retrieve=self._retrieve,
        )
        compiled = time.perf_counter()
        messages = build_messages(asked.json_schema, text, options.get("instructions"))
        prompt = encode_prompt(self._model.tokenizer, messages, text)
        matcher = grammar.matcher()
        limit = _token_limit(
            len(prompt.token_ids), options.get("max_tokens"), self._model.context_length, grammar.min_tokens
        )
        drafter = SourceDrafter(text, self._spelling, asked.json_schema) if options.get("drafts", True) else None
        answer = Answer(
            prompt.token_ids,
            matcher,
            n_vocab=self._model.n_vocab,
            eos_token_ids=self._model.eos_token_ids,
            max_tokens=limit,
            sampling=sampling,
            guide=SourceGuide(matcher, self._spelling, drafter),
            prefix_length=prompt.prefix_length,
        )
        return _Job(asked, grammar, matcher, answer, self._model.name, start, compiled - compiling)

    def _load_schema(self, schema: Any) -> SchemaInput:
        from .schema.inputs import load_schema

        return load_schema(schema, retrieve=self._retrieve)

    def _cache_tokens(self) -> int:
        """How many tokens the KV cache of a batch may hold."""
        from .decode.device import available_bytes
        from .decode.memory import kv_bytes_per_token

        room = self._kv_bytes
        if room is None:
            share = 0.25 if self._model.device.type == "cpu" else 0.8  # a CPU's memory is not the model's alone
            room = share * available_bytes(self._model.device)
        return int(room / kv_bytes_per_token(self._model.network.config, self._model.network.dtype))


@dataclass(frozen=True, eq=False)
class _Job:
    """One extraction under way: what was asked, and its answer."""

    asked: SchemaInput
    grammar: Grammar
    matcher: Matcher
    answer: Answer
    model: str
    start: float
    compile_seconds: float

    def extraction(self) -> Extraction:
        """What came of it, once the answer is finished."""
        decoded = self.answer.result()
        json_text = self.matcher.text.decode()
        value = typed(json_text, self.asked)
        return Extraction(
            value=value,
            text=json_text,
            num_prompt_tokens=len(self.answer.prompt_ids),
            num_output_tokens=len(decoded.token_ids),
            finish_reason=decoded.finish_reason,
            timings=decoded.timings(
                compile=self.compile_seconds,
                before=self.answer.started - self.start,
                total=time.perf_counter() - self.start,
            ),
            model=self.model,
            grammar=self.grammar,
            steered=decoded.steered,
            warnings=_warnings(decoded),
        )


def _warnings(decoded: Decoded) -> tuple[str, ...]:
    loop = decoded.loop
    if loop is None:
        return ()
    return (
        f"from token {loop.start} on, the answer repeats {loop.period} tokens {loop.num_repeats} times; bound the "
        "schema's arrays and strings (maxItems, maxLength), or set max_tokens lower",
    )


def _paired(sources: Iterable[str], schema: Any) -> Iterator[tuple[str, Any]]:
    """Each text with its schema; a list of schemas has one for each text."""
    if not isinstance(schema, list):
        for text in sources:
            yield text, schema
        return
    left = iter(schema)
    num = 0
    for text in sources:
        num += 1
        try:
            yield text, next(left)
        except StopIteration:
            raise ValueError(f"there are {len(schema)} schemas and more texts; give one schema for each") from None
    if num < len(schema):
        raise ValueError(f"there are {len(schema)} schemas and {num} texts; give one schema for each")


def _windows(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(items)
    while window := list(islice(source, size)):
        yield window


@overload
def extract(source: str, schema: type[T], *, model: ModelSpec | Reader = "mini", **options: Unpack[Options]) -> T: ...


@overload
def extract(source: str, schema: Any, *, model: ModelSpec | Reader = "mini", **options: Unpack[Options]) -> Any: ...


def extract(source: str, schema: Any, *, model: ModelSpec | Reader = "mini", **options: Unpack[Options]) -> Any:
    """The value of ``schema``'s type that ``model`` reads out of the text ``source``.

    The model stays loaded between calls; the last two used are kept. See :meth:`Extractor.run` for the options and
    the errors, and use an :class:`Extractor` to choose the device, or to let go of a model.
    """
    check_text(source)  # both would be found out later too, but a large model takes minutes to load
    check_options(options)
    extractor = model if isinstance(model, Reader) else _shared_extractor(model)
    return extractor.extract(source, schema, **options)


def _shared_extractor(model: ModelSpec) -> Extractor:
    """The Extractor behind :func:`extract`; two threads that ask for the same new model load it once."""
    with _loading:
        return _kept_extractor(os.fspath(model) if isinstance(model, os.PathLike) else model)


_loading = threading.Lock()
_kept_extractor = lru_cache(maxsize=MODELS_KEPT)(Extractor)


def _load(model: ModelSpec, loading: Loading) -> Model:
    from .decode.model import load_model, wrap_model

    if isinstance(model, str | os.PathLike):
        return load_model(model, **loading)
    if not (isinstance(model, tuple) and len(model) == 2):
        raise TypeError(f"model must be a name, a path or a pair (model, tokenizer), not {type(model).__name__}")
    compile = loading.pop("compile", False)
    given = [name for name, value in loading.items() if value is not None]
    if given:
        raise ValueError(f"{given[0]} chooses how a model is loaded; this one is, move it with model.to(...) instead")
    return wrap_model(*model, compile=compile)


def check_options(options: Options) -> None:
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        known = ", ".join(Options.__annotations__)
        raise TypeError(f"unknown option {sorted(unknown)[0]!r}; the options are model, {known}")


def check_text(text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"the text must be a str, not {type(text).__name__}; read the file, or decode the bytes, first")
    if not text.strip():
        raise EmptySourceError("there is no text to extract from: it is empty or only white space")
    for index, character in enumerate(text) if not text.isascii() else ():
        if "\ud800" <= character <= "\udfff":
            raise SourceError(
                f"the text holds a lone surrogate, U+{ord(character):04X} at index {index}, which no encoding can "
                "spell; it was decoded wrongly: decode its bytes again with the right encoding"
            )


def _token_limit(num_prompt: int, asked: int | None, context: int, minimum: int) -> int:
    """How many tokens the answer may take; an error when that is below ``minimum``, what the schema needs."""
    if asked is not None and asked < 1:
        raise ValueError(f"max_tokens must be at least 1, not {asked}")
    if num_prompt + minimum > context or num_prompt >= context:
        raise ContextLengthError(
            f"the prompt takes {num_prompt:,} tokens, the shortest answer {minimum:,}, and the model's context is "
            f"{context:,}; shorten the text, or split it and extract from each part",
            num_tokens=num_prompt + minimum,
            limit=context,
        )
    if asked is not None and asked < minimum:
        raise BudgetError(
            f"max_tokens is {asked:,}, and the shortest answer that the schema allows takes {minimum:,} tokens; raise "
            "the limit, or make fields optional",
            minimum=minimum,
        )
    return min(context - num_prompt, max(DEFAULT_MAX_TOKENS, 2 * minimum) if asked is None else asked)


def typed(text: str, asked: SchemaInput) -> Any:
    """The JSON as the type asked for; whatever the type's own validators raise, the answer goes with it."""
    try:
        return asked.to_python(text)
    except ValidationError as error:
        error.text = text
        raise
    except Exception as error:  # a validator of the user's that failed in its own way
        error.add_note(f"The JSON that was being validated: {text}")
        raise
