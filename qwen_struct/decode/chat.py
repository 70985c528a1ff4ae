"""From messages to token ids, so that nothing in a document can pose as a part of the conversation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# For checkpoints whose tokenizer has Qwen's control tokens but came without a template.
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
NONCHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]  # never text: Unicode keeps them for internal use


class Prompt(NamedTuple):
    """A prompt's token ids; the first ``prefix_length`` of them are the same for every document."""

    token_ids: list[int]
    prefix_length: int


def encode_chat(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """The prompt's token ids by the tokenizer's own chat template, up to where the assistant's answer begins.

    A control token that is spelled out inside a message, such as ``<|im_end|>`` in a document, is encoded as the plain
    characters that it is, so a text can neither end its message nor begin another.
    """
    return encode_prompt(tokenizer, messages, "").token_ids


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, str]], document: str) -> Prompt:
    """The same, where the last message ends with ``document``: what comes before it is encoded by itself."""
    seam, mark = _unused(messages, 2)
    controls = [token for token in tokenizer.get_added_vocab() if len(token) > 1]
    contents = [message["content"] for message in messages]
    if document and contents[-1].endswith(document):
        contents[-1] = contents[-1][: -len(document)] + mark + document
    defused = [{**m, "content": _cut(text, controls, seam)} for m, text in zip(messages, contents, strict=True)]
    prompt = str(
        tokenizer.apply_chat_template(
            defused, chat_template=_template(tokenizer), tokenize=False, add_generation_prompt=True
        )
    )
    # The backend is asked directly: its encode changes no state, so threads can share the tokenizer.
    encode = tokenizer.backend_tokenizer.encode
    head, *rest = [
        [token for piece in part.split(seam) for token in encode(piece, add_special_tokens=False).ids]
        for part in prompt.split(mark)
    ]
    return Prompt([*head, *chain.from_iterable(rest)], len(head) if rest else 0)


def _template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    if tokenizer.chat_template is not None:
        return None  # its own
    if "<|im_start|>" in tokenizer.get_added_vocab():
        return CHATML
    raise ModelError(
        "the model's tokenizer has neither a chat template nor Qwen's control tokens, so a prompt cannot be laid out; "
        "set tokenizer.chat_template and pass (model, tokenizer), or take an instruct checkpoint"
    )


def _unused(messages: Sequence[Mapping[str, str]], number: int) -> list[str]:
    """Characters that occur in no message."""
    found = [c for c in NONCHARACTERS if not any(c in message["content"] for message in messages)]
    if len(found) < number:
        raise ModelError("the text holds nearly all of U+FDD0 to U+FDEF, which are no characters; remove them")
    return found[:number]


def _cut(text: str, controls: Iterable[str], seam: str) -> str:
    """``text`` with a seam inside each control token: after ``<|``, where the tokenizer would part plain text too."""
    for control in controls:
        if control in text:
            place = min(2, len(control) - 1)
            text = text.replace(control, control[:place] + seam + control[place:])
    return text
