"""The command line: ``qwen-struct extract | validate | schema``.

Answers go to standard output as UTF-8 whatever the locale, everything else to standard error. Exit status: 0 done; 1
the model failed, or the value is not valid; 2 the command line, a file, the text or the schema cannot be used; 130
interrupted.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .errors import QwenStructError, SchemaError, SourceError
from .textio import read_text, reindent

if TYPE_CHECKING:
    from .extract import Extraction

SCHEMA_HELP = "path/to/file.py:Name (a Pydantic model, dataclass, TypedDict ...) or path/to/schema.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    _speak_utf8()
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _abandon_output()
        return 141
    except OSError as error:  # files have errors of their own: this is standard output, on a full disk
        _abandon_output()
        print(f"qwen-struct: cannot write the answer: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("qwen-struct: interrupted", file=sys.stderr)
        return 130
    except QwenStructError as error:
        print(f"qwen-struct: {error}", file=sys.stderr)
        unusable = isinstance(error, SchemaError | SourceError)
        return 2 if unusable else 1


def _abandon_output() -> None:
    """Send what is left in the buffer nowhere, or the flush at exit would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _extract(options: argparse.Namespace) -> int:
    from .extract import Extractor
    from .schema.inputs import load_schema

    write = _writer(options.output)
    text = read_text(options.file)
    schema = load_schema(options.schema)  # before the model: a mistake in it should not take a load to show
    extraction = Extractor(options.model, device=options.device, dtype=options.dtype).run(
        text,
        schema,
        instructions=options.instructions,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        seed=options.seed,
    )
    write(extraction.text if options.compact else reindent(extraction.text, options.indent))
    if options.stats:
        print(_stats(extraction), file=sys.stderr)
    return 0


def _validate(options: argparse.Namespace) -> int:
    from .schema.validate import validate_json

    validate_json(read_text(options.file), options.schema)
    print("valid")
    return 0


def _schema(options: argparse.Namespace) -> int:
    from .constraint import Vocabulary, compile_schema
    from .schema.inputs import load_schema

    schema = load_schema(options.schema).constraint_schema
    octets = Vocabulary([bytes([byte]) for byte in range(256)])  # what a keyword means does not depend on a model
    grammar = compile_schema(schema, octets, key_order="schema")
    print(json.dumps(schema, ensure_ascii=False, indent=2), flush=True)
    for use in grammar.report:
        print(f"{use.status:<10} {use.pointer}" + (f"  ({use.note})" if use.note else ""), file=sys.stderr)
    return 0


def _writer(path: str | None) -> Callable[[str], None]:
    """Where the answer goes; a place that cannot be written shows before any work is done."""
    if path is None:
        return print
    target = Path(path)
    if target.is_dir() or not target.absolute().parent.is_dir():
        what = "is a folder" if target.is_dir() else f"is in a folder that does not exist ({target.absolute().parent})"
        raise SourceError(f"cannot write to {path}: it {what}")

    def write(text: str) -> None:
        try:
            target.write_text(text + "\n", encoding="utf-8", newline="\n")
        except OSError as error:
            raise SourceError(f"cannot write to {path}: {error.strerror}; here is the answer: {text}") from error

    return write


def _stats(extraction: Extraction) -> str:
    times = extraction.timings
    return (
        f"model {extraction.model}; {extraction.num_prompt_tokens:,} tokens of prompt, "
        f"{extraction.num_output_tokens:,} of answer in {times.num_forward_passes:,} forward passes; "
        f"finish reason: {extraction.finish_reason}\n"
        f"schema {times.compile:.3f} s, prefill {times.prefill:.3f} s, decode {times.decode:.3f} s "
        f"({times.tokens_per_second:.0f} tokens/s, masks {times.mask_share:.1%}), first token after "
        f"{times.first_token:.3f} s, total {times.total:.3f} s"
    )


def _speak_utf8() -> None:
    for stream, errors in ((sys.stdout, "strict"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qwen-struct", description="Typed values out of text: every answer is valid JSON for its schema."
    )
    parser.add_argument("--version", action="version", version=f"qwen-struct {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_extract(commands)
    command = _add(commands, "validate", _validate, "check a JSON file against a schema; every fault with its place")
    command.add_argument("file", metavar="VALUE.json", help="a JSON file, or - for standard input")
    _add(commands, "schema", _schema, "print a type as JSON Schema; what is enforced goes to standard error")
    return parser


def _add(commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:]
    )
    command.set_defaults(run=run)
    command.add_argument("--schema", required=True, help=SCHEMA_HELP)
    return command


def _add_extract(commands: Any) -> None:
    command = _add(commands, "extract", _extract, "print the JSON that a model reads out of a text")
    command.add_argument("file", metavar="FILE", help="a UTF-8 text file, or - for standard input")
    command.add_argument(
        "--model", default="mini", help="mini (bundled, the default), a checkpoint's folder, or a hub name"
    )
    command.add_argument("--device", help="cpu, cuda, cuda:1, mps; by default the best there is")
    command.add_argument("--dtype", help="float32, bfloat16 or float16; by default what the device is good at")
    command.add_argument(
        "--instructions", metavar="TEXT", help="what to heed, in words, beside the schema's descriptions"
    )
    command.add_argument("--max-tokens", type=_at_least_one, metavar="N", help="limit of the answer")
    command.add_argument(
        "--temperature", type=_non_negative, default=0.0, metavar="T", help="0, the default, is greedy"
    )
    command.add_argument("--top-p", type=_share, default=1.0, metavar="P", help="keep the likeliest tokens that hold P")
    command.add_argument("--seed", type=int, metavar="N", help="makes a run with a temperature repeatable")
    layout = command.add_mutually_exclusive_group()
    layout.add_argument("--indent", type=_at_least_zero, default=2, metavar="N", help="spaces a level; 2 by default")
    layout.add_argument("--compact", action="store_true", help="on one line, as the model wrote it")
    command.add_argument("--output", metavar="FILE", help="write there and not to standard output")
    command.add_argument("--stats", action="store_true", help="token counts and times on standard error")


def _at_least_one(text: str) -> int:
    return _checked(int, text, lambda number: number >= 1, "a whole number of at least 1")


def _at_least_zero(text: str) -> int:
    return _checked(int, text, lambda number: number >= 0, "a whole number of at least 0")


def _non_negative(text: str) -> float:
    return _checked(float, text, lambda number: number >= 0 and math.isfinite(number), "a number of at least 0")


def _share(text: str) -> float:
    return _checked(float, text, lambda number: 0 < number <= 1, "a number above 0 and at most 1")


def _checked(kind: Callable[[str], Any], text: str, holds: Callable[[Any], bool], what: str) -> Any:
    try:
        number = kind(text)
    except ValueError:
        number = math.nan
    if not holds(number):
        raise argparse.ArgumentTypeError(f"must be {what}, not {text!r}")
    return number


if __name__ == "__main__":
    raise SystemExit(main())
