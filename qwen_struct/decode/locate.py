"""From what a user calls a model to the folder with its files: the bundled model, a path, or a name on the hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

BUNDLED = Path(__file__).resolve().parent.parent / "mini"
HUB_TIMEOUT = 10.0  # seconds for the first answer; without a network the refusal comes at once


def locate(spec: str | os.PathLike[str]) -> Path:
    """The folder that holds the checkpoint called ``spec``, downloaded from the hub if it must be.

    Raises:
        ModelError: nothing of that name is in any of the places where it could be, or files are missing in it.
    """
    folder = BUNDLED if spec == "mini" else Path(spec).expanduser()
    if not folder.is_dir():
        if _is_path(spec):
            raise ModelError(_not_a_folder(folder))
        folder = _from_hub(str(spec))
    _check_files(folder)
    return folder


def _is_path(spec: str | os.PathLike[str]) -> bool:
    """Whether ``spec`` can only be a path: a hub name has at most one slash, inside it."""
    if not isinstance(spec, str):
        return True
    looks_absolute = spec.startswith((".", "~", "/")) or os.path.isabs(spec)
    return looks_absolute or "\\" in spec or spec.count("/") > 1 or spec.endswith("/") or Path(spec).exists()


def _not_a_folder(folder: Path) -> str:
    if folder.exists():
        return f"{folder} is a file; pass the folder that holds it together with config.json and the tokenizer"
    return f"there is no folder {folder} (looked from {Path.cwd()}); pass a checkpoint's folder, a hub name, or 'mini'"


def _from_hub(name: str) -> Path:
    """The snapshot of ``name`` on this machine, fetched or brought up to date when the hub can be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(name, timeout=HUB_TIMEOUT)
    except HFValidationError as error:
        raise ModelError(f"{name!r} is neither a folder here nor a possible hub name: {error}") from error
    except GatedRepoError as error:  # derives from the next one
        raise _gated(name) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"unknown model {name!r}: no folder of that name in {Path.cwd()}, and the hub has no such model, or it is "
            "private and needs `hf auth login`; check the spelling (for example 'Qwen/Qwen2.5-7B-Instruct')"
        ) from error
    except Exception as error:  # every way in which a network can fail; a copy from earlier will do
        return _cached(name, error)
    return _download(name, info)


def _gated(name: str) -> ModelError:
    return ModelError(
        f"the hub keeps {name!r} behind a licence; accept it on the model's page, then log in with `hf auth login`"
    )


def _cached(name: str, reason: Exception) -> Path:
    """The snapshot that an earlier download left, for when the hub does not answer."""
    from huggingface_hub import constants, snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except OSError:
        raise ModelError(
            f"unknown model {name!r}: no folder of that name in {Path.cwd()}, none in the hub's cache "
            f"({constants.HF_HUB_CACHE}), and the hub cannot be reached ({_first_line(reason)}); pass a checkpoint's "
            "folder, go online, or use the bundled model, 'mini'"
        ) from reason


def _download(name: str, info: ModelInfo) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError

    has_safetensors = any(file.rfilename.endswith(".safetensors") for file in info.siblings or ())
    patterns = ["*.json", "*.txt", "*.jinja", "*.safetensors" if has_safetensors else "*.bin"]
    try:
        return Path(snapshot_download(name, revision=info.sha, allow_patterns=patterns))
    except GatedRepoError as error:  # anyone may read about a gated model, but not its files
        raise _gated(name) from error
    except Exception as error:
        reason = _first_line(error)
        raise ModelError(f"downloading {name!r} failed ({reason}); call again to go on where it stopped") from error


def _check_files(folder: Path) -> None:
    """Tell what a folder lacks before any of it is read: the loaders' own messages differ from file to file."""
    names = {path.name for path in folder.iterdir()}
    missing = []
    if "config.json" not in names:
        missing.append("config.json")
    if not any(name.endswith((".safetensors", ".bin")) for name in names):
        missing.append("the weights (*.safetensors)")
    if "tokenizer.json" not in names and not {"vocab.json", "merges.txt"} <= names:
        missing.append("the tokenizer (tokenizer.json, or vocab.json with merges.txt)")
    if missing:
        lacking = " and ".join(missing)
        raise ModelError(f"{folder} is not a whole checkpoint: it lacks {lacking}; copy the missing files there")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
