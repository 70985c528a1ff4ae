"""Schemas by name, as a command line gives them: ``path/to/file.py:Name`` and ``package.module:Name``.

The file is Python and is run, as importing it would.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, get_origin, is_typeddict

from ..errors import InvalidSchemaError, QwenStructError, SourceError


def load_named(reference: str) -> Any:
    """The object that ``file.py:Name`` or ``package.module:Name`` names; ``Name`` may have dots (``Outer.Inner``).

    Raises:
        SourceError: the file or module does not exist or cannot be read.
        InvalidSchemaError: it cannot be imported, or has no such name.
    """
    where, _, name = reference.rpartition(":")
    module = _from_file(Path(where)) if where.endswith(".py") else _from_module(where)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise InvalidSchemaError(_no_such_name(where, name, module))
        found = getattr(found, part)
    return found


def without_name(path: Path) -> InvalidSchemaError:
    """The error for a Python file without ``:Name``, which lists what the file offers."""
    return InvalidSchemaError(f"{path} is Python: say which schema in it, {_choices(str(path), _from_file(path))}")


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise SourceError(f"no such file: {path}{_near_files(path)}")
    path = path.resolve()
    status = path.stat()
    # One module a file and version: the classes of two calls are the same, and an edited file is read anew.
    stamp = f"{path}\0{status.st_mtime_ns}\0{status.st_size}".encode("utf-8", "surrogateescape")
    module_name = f"qwen_struct_schema_{blake2b(stamp, digest_size=8).hexdigest()}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and forward references look their module up there
    try:
        with _first_on_path(path.parent):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[module_name]
        _raise_import_error(str(path), error)
    return module


def _from_module(name: str) -> ModuleType:
    try:
        with _first_on_path(Path.cwd()):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise SourceError(
                f"no module {name!r}; give a file as path/to/file.py:Name, or install the package"
            ) from error
        _raise_import_error(name, error)
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"{name!r} is not a module's name; write path/to/file.py:Name or package.module:Name"
        ) from error
    except BaseException as error:
        _raise_import_error(name, error)


def _raise_import_error(what: str, error: BaseException) -> NoReturn:
    if isinstance(error, KeyboardInterrupt | GeneratorExit | QwenStructError):
        raise error
    if isinstance(error, SyntaxError):
        detail = f"line {error.lineno}: {error.msg}"
    else:
        detail = f"{type(error).__name__}: {error}{_line_in(what, error)}"
    raise InvalidSchemaError(f"{what} cannot be imported: {detail}") from error


def _line_in(file: str, error: BaseException) -> str:
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """As for a script: what lies beside the file can be imported by it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


def _no_such_name(where: str, name: str, module: ModuleType) -> str:
    near = difflib.get_close_matches(name, _schema_names(module) or [n for n in vars(module) if n[0] != "_"], n=1)
    hint = f"did you mean {where}:{near[0]}?" if near else f"write {_choices(where, module)}"
    return f"{f'{where} has no {name!r}' if name else f'no name after {where}:'}; {hint}"


def _choices(where: str, module: ModuleType) -> str:
    names = _schema_names(module)
    return "one of " + ", ".join(f"{where}:{name}" for name in names) if names else f"{where}:Name"


def _schema_names(module: ModuleType) -> list[str]:
    """The names in ``module`` that look like schemas of its own, the last defined (usually the outermost) first."""
    from pydantic import BaseModel

    def is_schema(value: Any) -> bool:
        if not isinstance(value, type):
            return get_origin(value) is not None
        own = value.__module__ == module.__name__
        return own and (issubclass(value, BaseModel) or is_dataclass(value) or is_typeddict(value))

    return [name for name, value in vars(module).items() if name[0] != "_" and is_schema(value)][::-1]


def _near_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; the folder {path.parent} does not exist"
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""
