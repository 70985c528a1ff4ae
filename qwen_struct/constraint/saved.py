"""What was learnt about grammars, in a file: a second process starts where the first one stopped.

The file holds, for each grammar, the positions that documents have been at: the mask of each, and the tokens that led
from one to another. It is made of

* the line ``qwen-struct cache``;
* the SHA-256 of all that follows, 32 bytes;
* a zip archive of arrays in NumPy's own format (``.npy``, no pickles), positions numbered across all grammars:
  ``header`` (JSON text as uint8: see :class:`_Writer`), ``rows`` (num_rows, num_words) int32, ``row_of``
  (num_positions,) int32, ``accepting`` and ``is_free`` (num_positions,) bool, ``edges`` (num_edges, 4) int32:
  position, token, position, and -1 or, where the step depends on it, the number of the name read before the token;
  and ``unsettled`` (n, 2) int32: position, token, see :class:`.masks.Mask`. Each grammar's positions, edges and
  unsettled tokens stand together; its first position is the start; and the first edge into each other position comes
  from one before it.

A loaded grammar is not compiled: its positions answer from what was saved. When a document takes a token that none took
before, the schema is compiled, and the saved positions are matched with the automaton's.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CacheError
from ..language.positions import NameRead, Position
from .masks import Mask

if TYPE_CHECKING:
    from .grammar import Grammar, Recipe
    from .pool import MaskPool
    from .vocabulary import Vocabulary

_MAGIC = b"qwen-struct cache\n"
_FORMAT = 3
_ARRAYS = {
    "header": ("u1", 1), "rows": ("i4", 2), "row_of": ("i4", 1), "accepting": ("b1", 1), "is_free": ("b1", 1),
    "edges": ("i4", 2),
    "unsettled": ("i4", 2),
}  # fmt: skip
_SAVED_MASK = 350  # bytes that one takes on average, without its row


@cache
def engine_version() -> str:
    """A hash of what masks depend on beside the tokenizer: the package's sources, and Unicode's version."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256(f"{_FORMAT} {unicodedata.unidata_version}".encode())
    for layer in ("schema", "language", "constraint"):
        for path in sorted((package / layer).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def saved_key(recipe: Recipe) -> str:
    """The name of a grammar in files."""
    assert recipe.schema is not None
    return hashlib.sha256(repr(recipe._replace(schema=None)).encode() + recipe.schema).hexdigest()


class SavedGrammar:
    """The positions of one grammar without its automaton, as they are saved, and as they are kept of a grammar that
    rests. ``start`` makes them into :class:`SavedPosition` objects.
    """

    __slots__ = (
        "_accepting",
        "_edges",
        "_grammar",
        "_is_free",
        "documents",
        "masks",
        "names",
        "names_only",
        "positions",
    )

    def __init__(
        self,
        documents: dict[str, Any],
        names_only: bool,
        masks: list[Mask],
        accepting: np.ndarray,  # (num_positions,) bool, as is_free
        is_free: np.ndarray,
        edges: np.ndarray,  # (num_edges, 4), positions counted from 0
        names: list[NameRead],  # those of the edges at least
    ) -> None:
        self.documents, self.names_only = documents, names_only
        self.positions: list[SavedPosition] = []
        self.masks, self._accepting, self._is_free = masks, accepting, is_free
        self._edges, self.names = edges, names
        self._grammar: Grammar | None = None

    @property
    def num_bytes(self) -> int:
        """What it takes before it is asked for, without rows."""
        return int(self._edges.nbytes) + _SAVED_MASK * len(self.masks)

    @classmethod
    def of(cls, start: Position, pool: MaskPool, documents: dict[str, Any], names_only: bool) -> SavedGrammar | None:
        """All that is known from ``start`` on, by steps that depend on the position, and on a name at most.

        None where the mask of ``start`` is not known in ``pool``; positions for which that holds are left out.
        """
        if not _is_known(start, pool):
            return None
        order, numbers = [start], {start: 0}
        edges: list[tuple[int, int, int, int]] = []
        names: dict[NameRead, int] = {}
        for number, position in enumerate(order):  # grows while it is read
            for token, name, following in position.steps():
                if _is_known(following, pool):
                    if following not in numbers:
                        numbers[following] = len(order)
                        order.append(following)
                    edges.append(
                        (number, token, numbers[following], -1 if name is None else names.setdefault(name, len(names)))
                    )
        masks: list[Any] = [position.info for position in order]
        return cls(
            documents,
            names_only,
            masks,
            np.array([position.accepting for position in order], np.bool_),
            np.array([position.is_free for position in order], np.bool_),
            np.array(edges, np.int32).reshape(-1, 4),
            list(names),
        )

    def known(self) -> Iterator[tuple[Mask, bool, bool]]:
        """The mask of each position, whether the document may end there, and whether it is inside free text."""
        return zip(self.masks, self._accepting.tolist(), self._is_free.tolist(), strict=True)

    def edges(self) -> Iterator[tuple[int, int, int, NameRead | None]]:
        """The steps: position, token, position, and the name read before the token if they depend on it."""
        for number, token, following, name in self._edges.tolist():
            yield number, token, following, None if name < 0 else self.names[name]

    def start(self, grammar: Grammar) -> Position:
        """The position before the first token, for ``grammar`` to begin with."""
        self._grammar = grammar
        self.positions = [SavedPosition(self, *known) for known in self.known()]
        for number, token, following, name in self.edges():
            _enter(self.positions[number], token, self.positions[following], name)
        return self.positions[0]

    def settle(self) -> None:
        """Finds the automaton's position for each saved one, and tells it what is known."""
        assert self._grammar is not None
        tokens = self._grammar.vocabulary.tokens
        self.positions[0].real = self._grammar.automaton().start
        for number, token, following, name in self.edges():
            position, there = self.positions[number].real, self.positions[following]
            assert position is not None
            if there.real is None:
                begun = name if isinstance(name, bytes) else b"".join([tokens[each] or b"" for each in name or ()])
                there.real = _step(position, begun, tokens[token] or b"")
            position.info = position.info or self.masks[number]
            _enter(position, token, there.real, name)
        for saved, mask in zip(self.positions, self.masks, strict=True):
            assert saved.real is not None
            saved.real.info = saved.real.info or mask


def _is_known(position: Position | None, pool: MaskPool) -> bool:
    """Whether its mask is known in ``pool``."""
    mask: Any = None if position is None else position.info
    return mask is not None and mask.pool is pool


def _enter(position: Position, token: int, following: Position, name: NameRead | None) -> None:
    """Notes what comes after a token."""
    if name is None:
        position.enter(token, following)
    else:
        position.enter_named(token, name, following)


def _step(start: Position, begun: bytes, text: bytes) -> Position:
    """The position after ``text``, before which ``begun`` was read of a name."""
    position, _ = start.advance(text, lambda at: begun + text[: at + 1])
    assert position is not None
    return position


class SavedPosition(Position):
    """A position of another process; ``real`` is this one's, once the grammar is compiled."""

    __slots__ = ("_graph", "real")

    def __init__(self, graph: SavedGrammar, mask: Mask, accepting: bool, is_free: bool) -> None:
        super().__init__(None, ())  # type: ignore[arg-type]
        self._graph = graph
        self.real: Position | None = None
        self.info, self.accepting, self.is_free = mask, accepting, is_free

    def step(self, byte: int, read: Callable[[], bytes | bytearray]) -> tuple[Position | None, bool]:
        return self.settled().step(byte, read)

    def advance(self, text: bytes, read: Callable[[int], bytes | bytearray]) -> tuple[Position | None, bool]:
        return self.settled().advance(text, read)

    def settled(self) -> Position:
        """The position of this process's automaton."""
        if self.real is None:
            self._graph.settle()
        assert self.real is not None
        return self.real


def settled(position: Position) -> Position:
    """``position`` as the automaton has it, where it is one of a saved grammar."""
    return position.settled() if isinstance(position, SavedPosition) else position


# Files. -------------------------------------------------------------------------------------------------------------


def save(vocabulary: Vocabulary, path: Path) -> int:
    """Writes the grammars in use, the most recently used first, and those loaded that were not asked for; how many."""
    writer = _Writer(vocabulary)
    for grammar in vocabulary.cache.grammars():
        found = grammar.known_positions() if grammar.remembered else None
        if found is not None:
            writer.add(saved_key(grammar.recipe), found)
    for key, unused in vocabulary.saved.items():
        for saved in unused:
            writer.add(key, saved)
    payload = writer.archive()
    descriptor, name = tempfile.mkstemp(prefix=path.name, suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(payload).digest() + payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return len(writer.grammars)


class _Writer:
    """Collects grammars into arrays."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.grammars: list[dict] = []
        self._rows: dict[int, int] = {}  # by number in the pool -> in the file
        self._row_of: list[int] = []
        self._accepting: list[bool] = []
        self._is_free: list[bool] = []
        self._edges: list[tuple[int, int, int, int]] = []
        self._names: dict[NameRead, int] = {}
        self._unsettled: list[tuple[int, int]] = []

    def add(self, key: str, saved: SavedGrammar) -> None:
        """Everything that ``saved`` has."""
        first, before = len(self._row_of), (len(self._edges), len(self._unsettled))
        for number, (mask, accepting, is_free) in enumerate(saved.known(), first):
            self._row_of.append(self._rows.setdefault(mask.number, len(self._rows)))
            self._accepting.append(accepting)
            self._is_free.append(is_free)
            self._unsettled += [(number, token) for token in mask.unsettled]
        for position, token, following, name in saved.edges():
            named = -1 if name is None else self._names.setdefault(name, len(self._names))
            self._edges.append((first + position, token, first + following, named))
        self.grammars.append(
            {
                "key": key,
                "documents": saved.documents,
                "names_only": saved.names_only,
                "num_positions": len(saved.masks),
                "num_edges": len(self._edges) - before[0],
                "num_unsettled": len(self._unsettled) - before[1],
            }
        )

    def archive(self) -> bytes:
        pool, numbers = self._vocabulary.mask_pool, list(self._rows)
        rows = np.zeros((len(numbers), pool.num_words), np.int32)
        for i, number in enumerate(numbers):
            rows[i] = pool[number]
        arrays: dict[str, np.ndarray] = {
            "header": np.frombuffer(json.dumps(self._header()).encode(), np.uint8),
            "rows": rows,
            "row_of": np.array(self._row_of, np.int32),
            "accepting": np.array(self._accepting, np.bool_),
            "is_free": np.array(self._is_free, np.bool_),
            "edges": np.array(self._edges, np.int32).reshape(-1, 4),
            "unsettled": np.array(self._unsettled, np.int32).reshape(-1, 2),
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        return buffer.getvalue()

    def _header(self) -> dict:
        return {
            "format": _FORMAT,
            "engine": engine_version(),
            "tokenizer": self._vocabulary.fingerprint(),
            "names": [name.decode("latin-1") if isinstance(name, bytes) else list(name) for name in self._names],
            "grammars": self.grammars,
        }


def load(vocabulary: Vocabulary, path: Path) -> int:
    """Reads a file into ``vocabulary.saved``; how many grammars.

    Raises: CacheError.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CacheError(f"no cache at {path}: {error.strerror}; write one with save_cache()") from error
    payload = content[len(_MAGIC) + 32 :]
    if not content.startswith(_MAGIC):
        raise CacheError(f"{path} is not a cache of qwen_struct; write one with save_cache()")
    if hashlib.sha256(payload).digest() != content[len(_MAGIC) : len(_MAGIC) + 32]:
        raise CacheError(f"{path} is damaged; delete it and write another one with save_cache()")
    try:
        arrays = _arrays(payload)
        header = json.loads(arrays.pop("header").tobytes())
        _check_origin(header, vocabulary, path)
        names = [_name(name, len(vocabulary.tokens)) for name in header["names"]]
        return _take(vocabulary, header["grammars"], names, **arrays)
    except CacheError:
        raise
    except Exception as error:  # whatever a forged file makes zipfile, numpy or json say
        raise CacheError(f"{path} does not hold what a cache of qwen_struct holds ({error}); delete it") from error


def _arrays(payload: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in _ARRAYS}
    for name, (kind, num_axes) in _ARRAYS.items():
        if arrays[name].dtype != np.dtype(kind) or arrays[name].ndim != num_axes:
            raise ValueError(f"array {name!r} is {arrays[name].dtype}, {arrays[name].shape}")
    return arrays


def _check_origin(header: Any, vocabulary: Vocabulary, path: Path) -> None:
    if header["format"] != _FORMAT or header["engine"] != engine_version():
        raise CacheError(f"{path} was made with another version of qwen_struct; delete it and write another one")
    if header["tokenizer"] != vocabulary.fingerprint():
        raise CacheError(f"{path} was made with another tokenizer or n_vocab; keep one file for each")


def _take(
    vocabulary: Vocabulary,
    grammars: list[dict],
    names: list[NameRead],
    rows: np.ndarray,
    row_of: np.ndarray,
    accepting: np.ndarray,
    is_free: np.ndarray,
    edges: np.ndarray,
    unsettled: np.ndarray,
) -> int:
    if rows.shape[1] != vocabulary.num_words or not len(accepting) == len(is_free) == len(row_of):
        raise ValueError("the arrays do not fit together")
    _check_range(row_of, len(rows))
    _check_range(edges[:, 1], len(vocabulary.tokens))
    _check_range(edges[:, 3] + 1, len(names) + 1)
    _check_range(unsettled[:, 1], len(vocabulary.tokens))
    found, at, at_edge, at_unsettled = [], 0, 0, 0
    pool = vocabulary.mask_pool
    numbers = [pool.add(row) for row in rows]
    for entry in grammars:
        end, end_edge = at + entry["num_positions"], at_edge + entry["num_edges"]
        end_unsettled = at_unsettled + entry["num_unsettled"]
        part = edges[at_edge:end_edge] - (at, 0, at, 0)
        _check_edges(part, end - at)
        waiting: dict[int, list[int]] = {}
        for position, token in unsettled[at_unsettled:end_unsettled].tolist():
            waiting.setdefault(position - at, []).append(token)
        masks = [Mask(pool, numbers[row], tuple(waiting.get(i, ()))) for i, row in enumerate(row_of[at:end].tolist())]
        saved = SavedGrammar(
            dict(entry["documents"]),
            bool(entry["names_only"]),
            masks,
            accepting[at:end],
            is_free[at:end],
            part,
            names,
        )
        found.append((entry["key"], saved))
        at, at_edge, at_unsettled = end, end_edge, end_unsettled
    if (at, at_edge, at_unsettled) != (len(row_of), len(edges), len(unsettled)):
        raise ValueError("the arrays do not fit together")
    for key, grammar in found:
        vocabulary.saved.setdefault(key, []).append(grammar)
    return len(found)


def _name(saved: str | list[int], num_tokens: int) -> NameRead:
    if isinstance(saved, str):
        return saved.encode("latin-1")
    if any(type(token) is not int or not 0 <= token < num_tokens for token in saved):
        raise ValueError("a name of tokens that there are not")
    return tuple(saved)


def _check_range(numbers: np.ndarray, end: int) -> None:
    if numbers.size and not (0 <= numbers.min() and numbers.max() < end):
        raise ValueError("a number is out of range")


def _check_edges(edges: np.ndarray, num_positions: int) -> None:
    """That each position is reached by an edge from one that was reached before, and none leads elsewhere."""
    if num_positions < 1:
        raise ValueError("a grammar without a start")
    _check_range(edges[:, (0, 2)], num_positions)
    reached = {0}
    for position, _, following, _ in edges.tolist():
        if position not in reached:
            raise ValueError("an edge from nowhere")
        reached.add(following)
    if len(reached) < num_positions:
        raise ValueError("a position that nothing leads to")
