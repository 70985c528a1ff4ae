"""The command line: what it prints, where, and how it ends; on bad input one message and never a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import qwen_struct
from qwen_struct.cli import main
from qwen_struct.textio import read_text, reindent

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["深蓝"]}, "price": {"enum": [12]}, "tags": {"type": "array", "maxItems": 0}},
    "required": ["colour", "price", "tags"],
    "additionalProperties": False,
}
PRETTY = '{\n  "colour": "深蓝",\n  "price": 12,\n  "tags": []\n}\n'
COMPACT = '{"colour": "深蓝", "price": 12, "tags": []}\n'


@pytest.fixture
def files(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a text, a schema, a value, and a model named tiny."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("a dark blue one at 12\n")
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "kinds.py").write_text("from pydantic import BaseModel\nclass Item(BaseModel):\n    name: str\n")
    (tmp_path / "value.json").write_text(COMPACT, encoding="utf-8")
    (tmp_path / "tiny").symlink_to(tiny_checkpoint)
    return tmp_path


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(files: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in the folder: its status and what it wrote to both outputs."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            status = main(list(arguments))
        except SystemExit as stop:  # argparse ends this way
            status = int(stop.code or 0)
        return (status, *capsys.readouterr())

    return run


EXTRACT = ("extract", "text.txt", "--schema", "schema.json", "--model", "tiny")


def test_extract_prints_the_json(run: Run) -> None:
    assert run(*EXTRACT) == (0, PRETTY, "")


def test_layouts(run: Run) -> None:
    assert run(*EXTRACT, "--compact") == (0, COMPACT, "")
    assert run(*EXTRACT, "--indent", "0")[1] == PRETTY.replace("  ", "")
    assert run(*EXTRACT, "--indent", "4")[1] == PRETTY.replace("  ", "    ")


def test_output_goes_to_a_file(run: Run, files: Path) -> None:
    assert run(*EXTRACT, "--output", "answer.json") == (0, "", "")
    assert (files / "answer.json").read_text(encoding="utf-8") == PRETTY


def test_text_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("深蓝 12".encode())))
    assert run("extract", "-", *EXTRACT[2:]) == (0, PRETTY, "")


def test_figures_go_to_standard_error(run: Run) -> None:
    status, out, err = run(*EXTRACT, "--stats")
    assert (status, out) == (0, PRETTY)
    assert "model tiny; " in err
    assert "finish reason: stop" in err
    assert "tokens/s" in err


def test_sampling_options_are_taken(run: Run) -> None:
    options = ("--temperature", "0.7", "--top-p", "0.9", "--seed", "3", "--max-tokens", "500", "--dtype", "bf16")
    assert run(*EXTRACT, *options, "--instructions", "be brief", "--device", "cpu") == (0, PRETTY, "")


def test_validate(run: Run, files: Path) -> None:
    assert run("validate", "value.json", "--schema", "schema.json") == (0, "valid\n", "")
    (files / "value.json").write_text('{"colour": "red", "tags": [1]}')
    status, out, err = run("validate", "value.json", "--schema", "schema.json")
    assert (status, out) == (1, "")
    for pointer in ("/colour: ", "#: 'price' is a required property", "/tags: "):
        assert pointer in err


def test_validate_says_where_a_file_is_not_json(run: Run, files: Path) -> None:
    (files / "value.json").write_text('{\n"colour": }')
    status, out, err = run("validate", "value.json", "--schema", "schema.json")
    assert (status, out) == (1, "")
    assert err.startswith("qwen-struct: the text is not JSON")
    assert "line 2 column 11" in err


def test_schema_prints_a_type_as_json_schema(run: Run) -> None:
    status, out, err = run("schema", "--schema", "kinds.py:Item")
    assert status == 0
    assert json.loads(out)["properties"]["name"]["type"] == "string"
    assert "enforced   /properties/name/type\n" in err
    assert "annotation /properties/name/title\n" in err


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"qwen-struct {qwen_struct.__version__}\n", "")


# Bad input


def with_model(*arguments: str) -> tuple[str, ...]:
    return ("extract", *arguments, "--model", "tiny")


BAD: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no command": ((), 2, "the following arguments are required: COMMAND"),
    "unknown command": (("extrakt",), 2, "invalid choice: 'extrakt'"),
    "no schema": (("extract", "text.txt"), 2, "the following arguments are required: --schema"),
    "no such text": (with_model("nowhere.txt", "--schema", "schema.json"), 2, "cannot read nowhere.txt: No such file"),
    "a folder": (with_model(".", "--schema", "schema.json"), 2, ". is a folder; name a file in it"),
    "NUL in a name": (with_model("a\0b", "--schema", "schema.json"), 2, "cannot read a"),
    "not UTF-8": (
        with_model("latin.txt", "--schema", "schema.json"),
        2,
        "latin.txt is not UTF-8 text: byte 0xe9 at offset 3; convert it first, for example with `iconv -t UTF-8`",
    ),
    "UTF-16": (with_model("utf16.txt", "--schema", "schema.json"), 2, "byte 0xff at offset 0; it looks like UTF-16"),
    "empty text": (with_model("empty.txt", "--schema", "schema.json"), 2, "there is no text to extract from"),
    "no such schema": (with_model("text.txt", "--schema", "none.json"), 2, "no such file: none.json"),
    "no such class": (with_model("text.txt", "--schema", "kinds.py:Itm"), 2, "did you mean kinds.py:Item?"),
    "schema is a text": (with_model("text.txt", "--schema", "text.txt"), 2, "'text.txt' names no schema"),
    "not a schema": (with_model("text.txt", "--schema", "wrong.json"), 2, "'strng'"),
    "unknown model": (
        ("extract", "text.txt", "--schema", "schema.json", "--model", "./no"),
        1,
        "there is no folder no",
    ),
    "unknown device": ((*EXTRACT, "--device", "abacus"), 1, "device 'abacus' cannot be used"),
    "unknown dtype": ((*EXTRACT, "--dtype", "int3"), 1, "unknown dtype 'int3'; take one of float32"),
    "limit is no number": ((*EXTRACT, "--max-tokens", "many"), 2, "must be a whole number of at least 1, not 'many'"),
    "limit is zero": ((*EXTRACT, "--max-tokens", "0"), 2, "must be a whole number of at least 1, not '0'"),
    "limit too small": ((*EXTRACT, "--max-tokens", "2"), 1, "max_tokens"),
    "temperature": ((*EXTRACT, "--temperature", "-1"), 2, "must be a number of at least 0, not '-1'"),
    "temperature NaN": ((*EXTRACT, "--temperature", "nan"), 2, "must be a number of at least 0, not 'nan'"),
    "top-p": ((*EXTRACT, "--top-p", "0"), 2, "must be a number above 0 and at most 1, not '0'"),
    "two layouts": ((*EXTRACT, "--compact", "--indent", "1"), 2, "not allowed with argument"),
    "output in no folder": ((*EXTRACT, "--output", "no/answer.json"), 2, "is in a folder that does not exist"),
    "output is a folder": ((*EXTRACT, "--output", "."), 2, "cannot write to .: it is a folder"),
    "value is missing": (("validate", "none.json", "--schema", "schema.json"), 2, "cannot read none.json"),
}


@pytest.mark.parametrize(("arguments", "status", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_ends_in_one_message(
    arguments: tuple[str, ...], status: int, message: str, run: Run, files: Path
) -> None:
    (files / "latin.txt").write_bytes("café".encode("latin-1"))
    (files / "utf16.txt").write_bytes("text".encode("utf-16"))
    (files / "empty.txt").write_text("\n")
    (files / "wrong.json").write_text('{"type": "strng"}')
    actual, out, err = run(*arguments)
    assert (actual, out) == (status, "")
    assert message in err
    assert "Traceback" not in err


def test_an_interrupt_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qwen_struct.textio.Path.read_bytes", interrupt)
    assert run(*EXTRACT) == (130, "", "qwen-struct: interrupted\n")


# Text in and out


def test_a_byte_order_mark_and_foreign_line_ends_are_taken_off(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert read_text(str(file)) == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": [1, 2, {"c": "x, y: {z}"}], "d": {}, "e": []}',
        "[]",
        '{"quote \\" and \\\\": "深蓝", "n": null}',
        '"text"',
        "[[[]], [{}]]",
    ],
)
@pytest.mark.parametrize("indent", [0, 2, 3])
def test_reindent_lays_out_as_python_does(text: str, indent: int) -> None:
    assert reindent(text, indent) == json.dumps(json.loads(text), ensure_ascii=False, indent=indent)


def test_reindent_keeps_the_spelling_of_numbers() -> None:
    assert reindent('{"price": 12.50, "n": 1E+2}', 2) == '{\n  "price": 12.50,\n  "n": 1E+2\n}'


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def command(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "qwen_struct", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**ENVIRONMENT, **environment},
    )


def test_output_is_utf8_whatever_the_locale(files: Path) -> None:
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    process = command("schema", "--schema", "schema.json", **environment)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "深蓝" in out.decode("utf-8")


def test_a_reader_that_stops_early_is_no_error(files: Path) -> None:
    (files / "long.json").write_text(json.dumps({"enum": [f"value {number}" for number in range(100_000)]}))
    process = command("schema", "--schema", "long.json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here to stand for a full disk")
def test_a_full_disk_is_one_message(files: Path) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "qwen_struct", "schema", "--schema", "schema.json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"qwen-struct: cannot write the answer: No space left on device\n")
