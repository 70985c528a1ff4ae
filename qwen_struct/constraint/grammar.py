"""compile_schema: a schema and a vocabulary make a :class:`Grammar`, frozen and shareable."""

from __future__ import annotations

import copy
import json
import marshal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import SchemaBudgetError, UnsatisfiableSchemaError
from ..language.documents import Documents, Whitespace
from ..language.positions import Position, Walker
from ..language.values import DEFAULT_FUEL, Values
from ..schema.algebra import Unique
from ..schema.parse import Use, parse_schema, report_of
from .matcher import Matcher
from .saved import SavedGrammar

if TYPE_CHECKING:
    from .masks import Mask
    from .pool import MaskPool
    from .vocabulary import Vocabulary

# Bytes that one takes on average with what hangs on it alone, see cache.py.
_POSITION, _CONTINUATION, _STATE, _NODE, _BASE = 310, 380, 700, 300, 10_000
_RESTING = 2_000  # a grammar that rests, without its positions
_STYLES = frozenset([style.value for style in Whitespace])
_TEXT = 5  # for a byte of the schema: its words are kept in formulas as well


class Recipe(NamedTuple):
    """What a grammar is made from, but for remote documents: two equal ones make equal grammars."""

    schema: bytes | None  # marshalled, which takes a quarter of json.dumps; None where it holds objects of other kinds
    whitespace: str  # Whitespace's value: enum members are slow to hash
    any_order: bool
    assert_formats: bool
    float_integers: bool
    fuel: int


class Grammar:
    """A compiled schema: immutable from outside, shareable between threads.

    What is learnt about it may be dropped when the vocabulary's cache is full; it is compiled again when it is next
    used. Matchers that are under way are not touched.
    """

    def __init__(self, vocabulary: Vocabulary, recipe: Recipe, documents: dict[str, Any]) -> None:
        self.vocabulary = vocabulary
        self.recipe = recipe
        self.documents = documents  # the remote ones by URI, as JSON texts where they are JSON
        self.names_only = False  # what depends on the text read depends on the name just read alone
        self.used = 0  # the cache's clock when it was last asked for a matcher
        self._schema: Any = None  # a copy, where the recipe has none
        self._compiled: Walker | None = None
        self._start: Position | None = None
        self._saved: SavedGrammar | None = None  # what it started with, if that is what was known before
        self._resting: SavedGrammar | None = None  # all there is of it while it rests
        self._report: tuple[Use, ...] | None = None  # made when it is asked for, from what was met in compiling
        self._met: Sequence[tuple[str, str, str, str]] = ()
        vocabulary.cache.alive.add(self)

    @property
    def report(self) -> tuple[Use, ...]:
        """What became of each keyword."""
        if self._report is None:
            self._walker  # noqa: B018 (compiles)
            self._report = report_of(self._met)
        return self._report

    @property
    def mask_pool(self) -> MaskPool:
        """The rows that :meth:`.Matcher.mask_id` numbers; see there when it becomes another one."""
        return self.vocabulary.mask_pool

    def matcher(self) -> Matcher:
        """A new matcher before the first token; one for each output."""
        self.touch()
        start = self._start or self._begin()
        return Matcher(self.vocabulary, start, self.names_only)

    def _begin(self) -> Position:
        with self.vocabulary.lock:
            self._wake()
            return self._start or self._walker.start

    @property
    def min_tokens(self) -> int:
        """The tokens of the shortest document that is found, see :mod:`.budget`. Raises: SchemaBudgetError."""
        return self.matcher().min_tokens

    def accepts(self, text: str) -> bool:
        """Whether ``text`` is a document of the grammar, spelled as the grammar spells it."""
        try:
            with self.vocabulary.lock:
                position = self._walker.follow(text.encode())
        except UnicodeEncodeError:
            return False
        return position is not None and position.accepting

    @property
    def _walker(self) -> Walker:
        """The automaton; made again where it was dropped."""
        walker = self._compiled
        if walker is None:
            with self.vocabulary.lock:
                self._wake()
                walker = self._compiled or self.compile(self._source(), _told(self.documents))
        return walker

    def _source(self) -> Any:
        return self._schema if self.recipe.schema is None else marshal.loads(self.recipe.schema)

    def compile(self, schema: Any, retrieve: Callable[[str], Any] | None) -> Walker:
        """Makes the automaton. Raises: SchemaError."""
        self._compiled, self._met = _compile(schema, self.recipe, retrieve)
        self._start = self._start or self._compiled.start
        self.names_only = not self._compiled.documents.values.algebra.has(Unique)
        if self.recipe.schema is None and self._schema is None:
            self._schema = copy.deepcopy(schema)
        return self._compiled

    # For the cache, under its lock. -----------------------------------------------------------------------------

    def touch(self) -> None:
        """Notes that it is in use."""
        self.used = next(self.vocabulary.cache.clock)

    @property
    def remembered(self) -> bool:
        """Whether it can be found again: what it was made from can be written as JSON."""
        return self.recipe.schema is not None and all(isinstance(d, str) for d in self.documents.values())

    def automaton(self) -> Walker:
        """The automaton itself, compiled if need be."""
        return self._walker

    def take(self, saved: SavedGrammar) -> None:
        """Starts with positions that were known before; it is compiled when a document leaves them."""
        self._saved = saved
        self.names_only = saved.names_only
        self._start = saved.start(self)

    def rest(self) -> None:
        """Keeps what is known of its positions, and drops the automaton. Matchers under way keep what they need."""
        self._resting = self.known_positions()
        self._compiled = self._start = self._saved = None
        self._met = ()

    def _wake(self) -> None:
        if self._resting is not None:
            saved, self._resting = self._resting, None
            self.take(saved)

    @property
    def is_compiled(self) -> bool:
        """Whether there is an automaton."""
        return self._compiled is not None

    @property
    def is_resting(self) -> bool:
        """Whether nothing is left but what is known of its positions."""
        return self._resting is not None

    @property
    def has_states(self) -> bool:
        return self._start is not None or self._resting is not None

    def known_positions(self) -> SavedGrammar | None:
        """What is known of its positions; None where nothing is."""
        if self._start is None:
            return self._resting
        return SavedGrammar.of(self._start, self.vocabulary.mask_pool, self.documents, self.names_only)

    def _positions(self) -> Iterator[Position]:
        if self._saved is not None:
            yield from self._saved.positions
        if self._compiled is not None:
            yield from self._compiled._positions.values()

    def masks(self) -> set[Mask]:
        """Those of all its positions."""
        found: set[Any] = {position.info for position in self._positions()}
        for saved in (self._saved, self._resting):
            if saved is not None:
                found.update(saved.masks)
        return found - {None}

    def exchange(self, masks: Mapping[Mask, Mask]) -> None:
        """Takes others for its :meth:`masks`."""
        for position in self._positions():
            mask: Any = position.info
            if mask is not None:
                position.info = masks[mask]
        for saved in (self._saved, self._resting):
            if saved is not None:
                saved.masks = [masks[mask] for mask in saved.masks]

    @property
    def num_positions(self) -> int:
        saved = 0 if self._saved is None else len(self._saved.positions)
        resting = 0 if self._resting is None else len(self._resting.masks)
        return saved + resting + (0 if self._compiled is None else len(self._compiled._positions))

    @property
    def num_bytes(self) -> int:
        """What its states take, by estimate; mask rows, terms and lexemes are counted elsewhere."""
        text = _TEXT * len(self.recipe.schema or b"")
        if self._resting is not None:
            return _RESTING + text + self._resting.num_bytes
        size = _BASE + text + _POSITION * self.num_positions
        if self._compiled is not None:
            documents = self._compiled.documents
            values = documents.values
            size += _CONTINUATION * documents.num_continuations
            size += _STATE * (len(values.interned) + values.num_object_states + len(values._known))
            size += _NODE * values.algebra.num_nodes
        return size

    def drop_states(self) -> None:
        """Forgets all that was learnt, as a whole; matchers under way keep what they need."""
        self._compiled = self._start = self._saved = self._resting = None


def compile_schema(
    schema: Any,
    vocabulary: Vocabulary,
    *,
    whitespace: str | Whitespace = "spaced",
    key_order: str = "any",
    assert_formats: bool = True,
    float_integers: bool = True,
    retrieve: Callable[[str], Any] | None = None,
    fuel: int = DEFAULT_FUEL,
) -> Grammar:
    """Compiles a JSON Schema (dict or bool, or whatever :func:`qwen_struct.extract` takes) for a vocabulary.

    ``whitespace``: "spaced" as ``json.dumps`` writes, "compact", "indented" as with ``indent=2``, or "flexible".
    ``key_order``: "any", as JSON Schema knows no order, or "schema" for members in the order in which the schema
    declares them, which leaves a model less to decide.
    ``assert_formats``: whether ``format`` is enforced or an annotation. ``float_integers``: whether integral numbers
    may also be spelled as floats, ``1.0``, as JSON Schema counts them. ``retrieve`` returns the schema for the URI of a
    remote ``$ref``; nothing is fetched without it. ``fuel`` limits the work of deciding what the schema allows.

    Compiled schemas are remembered. One that needed remote documents is taken again only if ``retrieve``, which is
    asked each time, returns them unchanged.

    Raises:
        InvalidSchemaError, UnsupportedSchemaError, UnresolvableReferenceError: with pointer and keyword.
        UnsatisfiableSchemaError: no value satisfies the schema.
        SchemaBudgetError: the fuel ran out.
    """
    if key_order != "any" and key_order != "schema":
        raise ValueError(f"key_order is 'schema' or 'any', not {key_order!r}")
    if type(schema) is not dict and not isinstance(schema, dict | bool):
        from ..schema.inputs import load_schema

        schema = load_schema(schema).constraint_schema
    if type(whitespace) is not str or whitespace not in _STYLES:
        whitespace = str(Whitespace(whitespace).value)
    key = _marshalled(schema), whitespace, key_order == "any", assert_formats, float_integers, fuel
    with vocabulary.lock:
        found = vocabulary.cache.find(key, retrieve)
        if found is None:
            found = _new_grammar(schema, vocabulary, Recipe(*key), retrieve)
            vocabulary.cache.grew()
        return found


def _new_grammar(schema: Any, vocabulary: Vocabulary, recipe: Recipe, retrieve: Callable[[str], Any] | None) -> Grammar:
    saved = vocabulary.cache.saved(recipe, retrieve)
    documents: dict[str, Any] = {} if saved is None else saved.documents
    grammar = Grammar(vocabulary, recipe, documents)
    grammar.touch()
    if saved is not None:
        grammar.take(saved)
    else:
        grammar.compile(schema, None if retrieve is None else _recording(retrieve, documents))
    if grammar.remembered:
        vocabulary.cache.add(recipe, grammar)
    return grammar


def _marshalled(schema: Any) -> bytes | None:
    try:
        return marshal.dumps(schema, 0)  # later versions tell equal strings apart that are different objects
    except ValueError:
        text = _json_text(schema)  # subclasses of dict, for one
        return None if text is None else marshal.dumps(json.loads(text), 0)


def _json_text(document: Any) -> str | None:
    try:
        return json.dumps(document)
    except (TypeError, ValueError, RecursionError):
        return None


def _recording(retrieve: Callable[[str], Any], documents: dict[str, Any]) -> Callable[[str], Any]:
    """``retrieve``, with the documents that it returns noted: as JSON texts where they are JSON."""

    def ask(uri: str) -> Any:
        document = retrieve(uri)
        text = _json_text(document)
        documents[uri] = copy.deepcopy(document) if text is None else text
        return document

    return ask


def _told(documents: dict[str, Any]) -> Callable[[str], Any]:
    """A ``retrieve`` that returns documents noted before."""

    def ask(uri: str) -> Any:
        document = documents[uri]
        return json.loads(document) if isinstance(document, str) else document

    return ask


def _compile(
    schema: Any, recipe: Recipe, retrieve: Callable[[str], Any] | None
) -> tuple[Walker, list[tuple[str, str, str, str]]]:
    """The automaton, and :attr:`.Parsed.met`."""
    try:
        parsed = parse_schema(
            schema,
            assert_formats=recipe.assert_formats,
            float_integers=recipe.float_integers,
            retrieve=retrieve,
        )
        values = Values(parsed.algebra, recipe.fuel, recipe.any_order)
        values.check_strings(parsed.strings, parsed.key_patterns)
        if not values.inhabited(parsed.root):
            raise UnsatisfiableSchemaError("no value can satisfy the schema; its requirements contradict each other")
        walker = Walker(Documents(values, parsed.root, Whitespace(recipe.whitespace)))
    except RecursionError as error:
        raise SchemaBudgetError("the schema nests too deeply to be decided; flatten it") from error
    return walker, parsed.met


__all__ = ["Grammar", "Use", "compile_schema"]
