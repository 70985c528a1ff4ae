"""A text and a schema in, a typed value out: the one call that the rest of the package exists for.

The story of a call: the schema becomes a grammar over the model's tokens (cached), the text a prompt; the decode loop
lets the model write what the grammar allows; the JSON is parsed, validated and handed back as the type that was asked
for.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, overload

from .decode.timings import Timings
from .errors import BudgetError, ContextLengthError, EmptySourceError, SourceError, ValidationError

# torch, transformers and numba load with the first Extractor: importing this module must stay cheap.
if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .constraint import Grammar
    from .decode.loop import FinishReason
    from .decode.model import Model
    from .schema.inputs import SchemaInput
    from .schema.references import Retrieve

    ModelSpec = str | os.PathLike[str] | tuple[PreTrainedModel, PreTrainedTokenizerBase]

T = TypeVar("T")

DEFAULT_MAX_TOKENS = 4096  # of an answer when the caller sets no limit; a longer one must be asked for
MODELS_KEPT = 2  # Extractors behind the module's extract(), so that two models can take turns


class Options(TypedDict, total=False):
    """The options of one extraction, the keywords of :meth:`Extractor.run`."""

    instructions: str | None
    max_tokens: int | None
    temperature: float
    top_p: float
    seed: int | None


@dataclass(frozen=True)
class Extraction:
    """One answer: the typed value, the JSON that the model wrote for it, and how it came about."""

    value: Any
    text: str
    num_prompt_tokens: int
    num_output_tokens: int  # without the one that ends the answer
    finish_reason: FinishReason  # "length": the limit ended it, at a place where the JSON was complete
    timings: Timings
    model: str
    grammar: Grammar = field(repr=False)

    @property
    def report(self) -> Any:
        """What became of every keyword of the schema: the grammar's report."""
        return self.grammar.report


class Extractor:
    """A loaded model that extracts from any number of texts, with any schemas.

    ``model`` is "mini" (bundled), a checkpoint's folder, a hub name, or a loaded ``(model, tokenizer)``. ``device``
    and ``dtype`` default to what the machine is good at. ``retrieve(uri) -> schema`` provides the documents that a JSON
    Schema refers to elsewhere; nothing is fetched. Threads may share an Extractor: each call has its own cache
    and matcher, and a call gives the same answer whatever runs beside it. They share one device, so they do not make
    it faster.

    Raises:
        ModelError: the model cannot be found or loaded.
    """

    def __init__(
        self,
        model: ModelSpec = "mini",
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        retrieve: Retrieve | None = None,
        progress: bool | None = None,
    ) -> None:
        from .constraint import Vocabulary

        self._model = _load(model, device, dtype, progress)
        self.vocabulary = Vocabulary.from_tokenizer(
            self._model.tokenizer, n_vocab=self._model.n_vocab, eos_token_ids=list(self._model.eos_token_ids)
        )
        self._retrieve = retrieve

    @property
    def model(self) -> Model:
        """The network, its tokenizer, and the facts about them: name, device, n_vocab, context_length."""
        return self._model

    @overload
    def extract(self, text: str, schema: type[T], **options: Unpack[Options]) -> T: ...

    @overload
    def extract(self, text: str, schema: Any, **options: Unpack[Options]) -> Any: ...

    def extract(self, text: str, schema: Any, **options: Unpack[Options]) -> Any:
        """The value of ``schema``'s type that the model reads out of ``text``; options as in :meth:`run`."""
        return self.run(text, schema, **options).value

    def run(
        self,
        text: str,
        schema: Any,
        *,
        instructions: str | None = None,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Extraction:
        """Like :meth:`extract`, with the JSON, token counts, timings and finish reason beside the value.

        ``schema`` is a Pydantic model, a dataclass, a TypedDict or another annotation, or a JSON Schema as a dict or
        the path of a file. ``max_tokens`` limits the answer; None is what the context leaves, at most 4,096.
        ``temperature`` 0 is greedy; above it ``seed`` makes a run repeatable on the same machine.

        Raises:
            SchemaError: the schema is invalid, or asks for what cannot be enforced.
            SourceError: the text is empty, or too long for the model's context.
            BudgetError: the answer was not complete when the limit was reached.
            ValidationError: the JSON fits the schema, but not the type's own validators; ``error.text`` holds it.
        """
        from .constraint import compile_schema
        from .decode.chat import encode_chat
        from .decode.loop import decode
        from .decode.sampling import Sampling
        from .prompt import build_messages
        from .schema.inputs import load_schema

        start = time.perf_counter()
        sampling = Sampling(temperature, top_p, seed)
        _check_text(text)
        asked = load_schema(schema, retrieve=self._retrieve)
        compiling = time.perf_counter()
        grammar = compile_schema(
            asked.constraint_schema,
            self.vocabulary,
            key_order="schema",
            float_integers=False,
            retrieve=self._retrieve,
        )
        compiled = time.perf_counter()
        prompt = encode_chat(self._model.tokenizer, build_messages(asked.json_schema, text, instructions))
        limit = _token_limit(len(prompt), max_tokens, self._model.context_length)
        matcher = grammar.matcher()
        decoding = time.perf_counter()
        decoded = decode(self._model, prompt, matcher, max_tokens=limit, sampling=sampling)
        json_text = matcher.text.decode(errors="replace")  # cut short, it may end inside a character
        if not decoded.complete:
            raise _cut_short(json_text, len(prompt), limit, self._model.context_length)
        value = _typed(json_text, asked)
        return Extraction(
            value=value,
            text=json_text,
            num_prompt_tokens=len(prompt),
            num_output_tokens=len(decoded.token_ids),
            finish_reason=decoded.finish_reason,
            timings=decoded.timings(
                compile=compiled - compiling, before=decoding - start, total=time.perf_counter() - start
            ),
            model=self._model.name,
            grammar=grammar,
        )


@overload
def extract(
    source: str, schema: type[T], *, model: ModelSpec | Extractor = "mini", **options: Unpack[Options]
) -> T: ...


@overload
def extract(source: str, schema: Any, *, model: ModelSpec | Extractor = "mini", **options: Unpack[Options]) -> Any: ...


def extract(source: str, schema: Any, *, model: ModelSpec | Extractor = "mini", **options: Unpack[Options]) -> Any:
    """The value of ``schema``'s type that ``model`` reads out of the text ``source``.

    The model stays loaded between calls; the last two used are kept. See :meth:`Extractor.run` for the options and
    the errors, and use an :class:`Extractor` to choose the device, or to let go of a model.
    """
    _check_text(source)  # both would be found out later too, but a large model takes minutes to load
    _check_options(options)
    extractor = model if isinstance(model, Extractor) else _shared_extractor(model)
    return extractor.extract(source, schema, **options)


def _shared_extractor(model: ModelSpec) -> Extractor:
    """The Extractor behind :func:`extract`; two threads that ask for the same new model load it once."""
    with _loading:
        return _kept_extractor(os.fspath(model) if isinstance(model, os.PathLike) else model)


_loading = threading.Lock()
_kept_extractor = lru_cache(maxsize=MODELS_KEPT)(Extractor)


def _load(
    model: ModelSpec, device: str | torch.device | None, dtype: str | torch.dtype | None, progress: bool | None
) -> Model:
    from .decode.model import load_model, wrap_model

    if isinstance(model, str | os.PathLike):
        return load_model(model, device=device, dtype=dtype, progress=progress)
    if not (isinstance(model, tuple) and len(model) == 2):
        raise TypeError(f"model must be a name, a path or a pair (model, tokenizer), not {type(model).__name__}")
    if device is not None or dtype is not None:
        raise ValueError("device and dtype choose how a model is loaded; move a loaded one with model.to(...) instead")
    return wrap_model(*model)


def _check_options(options: Options) -> None:
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        known = ", ".join(Options.__annotations__)
        raise TypeError(f"unknown option {sorted(unknown)[0]!r}; the options are model, {known}")


def _check_text(text: str) -> None:
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


def _token_limit(num_prompt: int, asked: int | None, context: int) -> int:
    """How many tokens the answer may take; an error when the prompt leaves none."""
    if asked is not None and asked < 1:
        raise ValueError(f"max_tokens must be at least 1, not {asked}")
    if num_prompt >= context:
        raise ContextLengthError(
            f"the prompt takes {num_prompt:,} tokens and the model's context is {context:,}, which leaves none for the "
            "answer; shorten the text, or split it and extract from each part",
            num_tokens=num_prompt,
            limit=context,
        )
    return min(context - num_prompt, DEFAULT_MAX_TOKENS if asked is None else asked)


def _cut_short(text: str, num_prompt: int, limit: int, context: int) -> BudgetError:
    if num_prompt + limit == context:
        mend = f"beside a prompt of {num_prompt:,} the model's context has no room for more: shorten the text"
    else:
        mend = "set max_tokens higher, or bound the schema's arrays and strings (maxItems, maxLength)"
    return BudgetError(
        f"the JSON was not complete after {limit:,} tokens; {mend}. It ends: ...{text[-80:]}",
        text=text,
    )


def _typed(text: str, asked: SchemaInput) -> Any:
    """The JSON as the type asked for; whatever the type's own validators raise, the answer goes with it."""
    try:
        return asked.to_python(text)
    except ValidationError as error:
        error.text = text
        raise
    except Exception as error:  # a validator of the user's that failed in its own way
        error.add_note(f"The JSON that was being validated: {text}")
        raise
