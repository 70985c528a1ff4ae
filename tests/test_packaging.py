"""The package as others see it: names, types, files, and the commands that README promises."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import qwen_struct

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_every_public_name_is_there_and_listed() -> None:
    for name in qwen_struct.__all__:
        assert getattr(qwen_struct, name) is not None
    assert set(qwen_struct.__all__) <= set(dir(qwen_struct))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'qwen_struct' has no attribute 'extrakt'"):
        qwen_struct.extrakt  # noqa: B018


def test_every_error_class_is_public() -> None:
    from qwen_struct import errors

    defined = {name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__}
    assert {name for name in defined if not name.startswith("_")} <= set(qwen_struct.__all__)


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(qwen_struct.__file__).parent / "py.typed").exists()


def test_readme_begins_with_the_two_commands_that_ci_runs() -> None:
    assert BLOCKS[0].startswith("pip install . && qwen-struct extract ")
    assert BLOCKS[1] == "pip install -e '.[test]' && pytest\n"
    assert all(block.count("\n") == 1 for block in BLOCKS[:2])


def test_ci_cuts_the_same_commands_out_of_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    function = re.search(r"^readme_block\(\) \{.*?^\}", script, flags=re.MULTILINE | re.DOTALL)
    assert function is not None
    for number, block in enumerate(BLOCKS[:2], start=1):
        command = f"{function.group()}\nreadme_block {number}"
        shown = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
        assert shown.stdout == block


def test_files_that_readme_names_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    shown = re.findall(r"\bschemas/\w+\.\w+", " ".join(BLOCKS))
    assert [name for name in [*links, *shown] if not (ROOT / name).exists()] == []


def test_extras_cover_what_the_project_names() -> None:
    assert set(PROJECT["project"]["optional-dependencies"]) >= {"test", "dev", "gptq", "outlines", "bench"}


EXAMPLES = re.findall(r"^```python\n(.*?)^```\n+prints\n+```text\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_readme_has_a_shipped_document_and_one_that_is_not() -> None:
    assert ["schemas/" in code for code, _ in EXAMPLES] == [True, False]


@pytest.mark.parametrize(("code", "output"), EXAMPLES)
def test_readmes_examples_print_what_readme_shows(
    code: str, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec", dont_inherit=True), {"__name__": "readme"})
    assert capsys.readouterr().out == output
